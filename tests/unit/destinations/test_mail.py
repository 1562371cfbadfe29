"""E-mail: its forms, its letter, what replies mean."""

import uuid
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.destinations import Exchange, Line, Verdict, fitting, unfit
from app.destinations.mail import Email
from app.http import (
    ForbiddenError,
    Letter,
    MailServer,
    Reply,
    Response,
    SendError,
    Stage,
)
from tests.unit.destinations.made import (
    BASE_URL,
    DELIVERY,
    NOW,
    Answering,
    a_test,
    delivery,
    target,
)

EMAIL = Email()
ONE, TWO, THREE = "ops@acme.example", "night@acme.example", "boss@acme.example"
SETTINGS: dict[str, Any] = {
    "host": "smtp.acme.example",
    "sender": "countersign@acme.example",
    "domains": ["acme.example"],
    "recipients": [ONE, TWO, THREE],
}
LOGIN = {"user": "countersign", "password": "pass word/1"}
GOOD = Reply(stage=Stage.END, code=250)


@pytest.mark.parametrize(
    ("changes", "login"),
    [
        ({}, LOGIN),
        ({}, {}),
        ({"security": "starttls", "port": "587"}, LOGIN),
        ({"domains": [" ACME.example ", "b.example", ""]}, LOGIN),
    ],
)
def test_whole_form_is_taken(changes: dict[str, Any], login: dict[str, str]) -> None:
    assert not [*unfit("email", SETTINGS | changes, login)]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"host": "smtp.acme.example:465"}, "settings.host"),
        ({"host": "user@smtp.acme.example"}, "settings.host"),
        ({"host": "{{ issue.key }}"}, "settings.host"),
        ({"port": "0"}, "settings.port"),
        ({"port": "65536"}, "settings.port"),
        ({"security": "none"}, "settings.security"),
        ({"sender": "x@y.example\r\nBcc: z@y.example"}, "settings.sender"),
        ({"sender": "Ada <ada@acme.example>"}, "settings.sender"),
        ({"domains": []}, "settings.domains"),
        ({"domains": ["*"]}, "settings.domains"),
        ({"recipients": []}, "settings.recipients"),
        ({"recipients": ["{{ issue.reporter }}"]}, "settings.recipients"),
        ({"recipients": [f"{ONE}, x@y.example"]}, "settings.recipients"),
        ({"recipients": ["x@elsewhere.example"]}, "settings"),
        ({"recipients": ["x@sub.acme.example"]}, "settings"),
        (
            {"recipients": [f"x{n}@acme.example" for n in range(21)]},
            "settings.recipients",
        ),
    ],
)
def test_t7_what_does_not_belong_is_named(changes: dict[str, Any], key: str) -> None:
    [found] = unfit("email", SETTINGS | changes, {})

    assert found.key == key


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"user": "x"}, "both user and password"),
        ({"password": "s3cret-word"}, "both user and password"),
        ({"user": "x", "password": "pässword"}, "ASCII"),
        ({"user": "x\r\ny", "password": "s3cret-word"}, "ASCII"),
    ],
)
def test_t8_odd_login_is_named_and_not_quoted(
    login: dict[str, str], words: str
) -> None:
    [found] = unfit("email", SETTINGS, login)

    assert words in found.message
    assert "s3cret" not in found.message
    assert "pässword" not in found.message


def test_another_server_port_or_security_is_another_receiver() -> None:
    changes: list[dict[str, str]] = [
        {},
        {"host": "b.example"},
        {"port": "466"},
        {"security": "starttls"},
    ]
    chosen = [EMAIL.settings_form.model_validate(SETTINGS | each) for each in changes]

    assert [EMAIL.url(each, None) for each in chosen] == [
        "smtps://smtp.acme.example:465",
        "smtps://b.example:465",
        "smtps://smtp.acme.example:466",
        "smtp://smtp.acme.example:465",
    ]


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": "x"},
        {"subject": "x"},
        {"subject": "x\r\nBcc: y@z.example", "text": "x"},
        {"subject": "x\ny", "text": "x"},
        {"subject": "x\u2028y", "text": "x"},
        {"subject": "x\x0by", "text": "x"},
        {"subject": "x\x85y", "text": "x"},
        {"subject": "x" * 201, "text": "x"},
        {"subject": "x", "text": "x" * 4001},
        {"subject": "x", "text": "x", "to": "y@z.example"},
    ],
)
def test_t7_other_inputs_are_refused(inputs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"input “(subject|text|to)”") as refused:
        fitting("email", SETTINGS, inputs)

    assert "y@z.example" not in str(refused.value)


class Mailing:
    """A door for mail that has one answer."""

    def __init__(self, answer: Reply | SendError) -> None:
        self.answer = answer
        self.letters: list[Letter] = []

    def send(self, letter: Letter) -> Reply:
        self.letters.append(letter)
        return self.ask(letter.server)

    def ask(self, server: MailServer) -> Reply:
        self.server = server
        if isinstance(self.answer, SendError):
            raise self.answer
        return self.answer


def line(mail: Mailing) -> Line:
    return Line(http=Answering(Response(status=500)), mail=mail, now=lambda: NOW)


def sent(
    answer: Reply | SendError = GOOD, subject: str = "Hello", text: str = "Hello"
) -> tuple[Exchange, Letter]:
    goal, mail = target(EMAIL, SETTINGS, LOGIN), Mailing(answer)
    made = delivery(subject=subject, text=text)
    body = EMAIL.body(goal.settings, made, base_url=BASE_URL).encode()
    signed = EMAIL.prepare(goal, made, body, base_url=BASE_URL, now=NOW)
    came = EMAIL.send(goal, signed, line(mail))
    [letter] = mail.letters
    return came, letter


def test_letter_says_who_it_is_from_and_that_a_machine_wrote_it() -> None:
    came, letter = sent(subject="DEMO-1: größer ⚙", text="Größe\nzwei")

    read = message_from_bytes(letter.content, policy=policy.default)
    assert read["From"] == "countersign@acme.example"
    assert read["To"] == f"{ONE}, {TWO}, {THREE}"
    assert read["Subject"] == "DEMO-1: größer ⚙"
    assert read["Message-ID"] == f"<{DELIVERY}@countersign.example>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Date"].datetime == NOW
    assert read.get_content_type() == "text/plain"
    assert read.get_content().replace("\r\n", "\n") == (
        "Größe\nzwei\n\n-- \nDEMO-1: Start progress (To Do → In Progress)\n"
    )
    assert letter.recipients == (ONE, TWO, THREE)
    assert came.judged.verdict is Verdict.ACCEPTED


def test_every_attempt_is_the_same_letter() -> None:
    assert sent()[1].content == sent()[1].content


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1),
    st.text(),
)
@pytest.mark.parametrize("text", ["\r\n.\r\nMAIL FROM:<x@y>\r\n", "\n\nBcc: x@y\n"])
def test_t15_no_value_becomes_a_header_or_another_letter(
    text: str, subject: str, some: str
) -> None:
    _, letter = sent(subject=subject, text=f"x{some}{text}")

    read = message_from_bytes(letter.content, policy=policy.SMTP)
    assert [name for name in read.keys()] == [  # noqa: SIM118, C416 -- a message, twice
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    ]
    assert not read.defects
    assert b"\r" not in letter.content.replace(b"\r\n", b"")
    assert b"\n" not in letter.content.replace(b"\r\n", b"")
    assert letter.content.isascii()


def reply(stage: Stage, code: int, *refused: int) -> Reply:
    return Reply(stage=stage, code=code, text=f"no, {ONE}", refused=refused)


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (GOOD, Verdict.ACCEPTED, "took it"),
        (reply(Stage.END, 250, 550), Verdict.ACCEPTED, "2 of 3 recipients"),
        (reply(Stage.GREETING, 554), Verdict.REJECTED, "from this machine"),
        (reply(Stage.GREETING, 421), Verdict.RETRY, "busy"),
        (reply(Stage.SECURITY, 454), Verdict.RETRY, "secure"),
        (reply(Stage.LOGIN, 535), Verdict.REJECTED, "app password"),
        (reply(Stage.LOGIN, 454), Verdict.RETRY, "login"),
        (reply(Stage.SENDER, 553), Verdict.REJECTED, "correct “From”"),
        (reply(Stage.RECIPIENTS, 550, 550, 550, 550), Verdict.REJECTED, "every"),
        (reply(Stage.RECIPIENTS, 450, 450), Verdict.RETRY, "put off"),
        (reply(Stage.CONTENT, 250), Verdict.RETRY, "not take it now"),
        (reply(Stage.END, 452), Verdict.RETRY, "full"),
        (reply(Stage.END, 554), Verdict.REJECTED, "unwanted"),
        (reply(Stage.END, -1), Verdict.AMBIGUOUS, "does not say"),
        (reply(Stage.END, 354), Verdict.AMBIGUOUS, "does not say"),
        (ForbiddenError("not public"), Verdict.REJECTED, "not public"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
        (SendError("x", sent=True), Verdict.AMBIGUOUS, "no answer came"),
    ],
)
def test_reply_has_a_meaning_and_words_without_an_address(
    answer: Reply | SendError, verdict: Verdict, words: str
) -> None:
    judged = sent(answer)[0].judged

    assert judged.verdict is verdict
    assert words in judged.words
    assert "@" not in judged.words


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("code", [450, 550])
def test_every_stage_has_words(stage: Stage, code: int) -> None:
    assert sent(reply(stage, code))[0].judged.words


def test_t8_login_is_in_nothing_that_is_shown() -> None:
    goal = target(EMAIL, SETTINGS, LOGIN)
    # What AUTH PLAIN sends.
    proof = "AGNvdW50ZXJzaWduAHBhc3Mgd29yZC8x"
    echo = Reply(stage=Stage.LOGIN, code=535, text=f"{LOGIN['password']} {proof}")

    came, letter = sent(echo)

    shown = f"{goal!r}{came!r}{letter!r}{came.request_head}{came.response_body}"
    assert LOGIN["password"] not in shown
    assert proof not in shown
    assert "(hidden)" in str(came.response_body)
    assert "To: (3 recipients)" in str(came.request_head)


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (GOOD, Verdict.ACCEPTED, "lets us in"),
        (reply(Stage.LOGIN, 535), Verdict.REJECTED, "app password"),
        (reply(Stage.END, 502), Verdict.REJECTED, "refused"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
    ],
)
def test_trial_logs_in_and_sends_no_letter(
    answer: Reply | SendError, verdict: Verdict, words: str
) -> None:
    mail = Mailing(answer)

    came = EMAIL.trial(target(EMAIL, SETTINGS, LOGIN), line(mail))

    assert came.judged.verdict is verdict
    assert words in came.judged.words
    assert mail.letters == []
    assert mail.server.password == LOGIN["password"]
    assert mail.server.tenant_id == uuid.UUID(int=1)
    assert came.request_head == "NOOP smtps://smtp.acme.example:465"


def test_nobody_is_told_by_a_test() -> None:
    settings = EMAIL.settings_form.model_validate(SETTINGS)

    assert EMAIL.has_trial(settings)
    assert "a test" in EMAIL.body(settings, a_test(), base_url=BASE_URL)
