"""The door for mail (rule T11): who is reached, how safely, and what came of it."""

import ipaddress
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.http import (
    Egress,
    Exempt,
    ForbiddenError,
    Letter,
    MailServer,
    NoMail,
    RealHttp,
    RealMail,
    SendError,
    Stage,
    deadlines,
    unjudged,
)
from tests.receivers.mail import HOST, PASSWORD, USER, Paper, Postbox, paper, serving

CONTENT = b"Subject: Hello\r\n\r\nHello\r\n.\r\n..\r\nMAIL FROM:<x@y.example>\r\n"
ONE, TWO = "ops@acme.example", "night@acme.example"
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


def egress(**more: Any) -> Egress:
    """Return rules by which every name is this machine, which may be reached."""
    given: dict[str, Any] = {
        "any_port": True,
        "exempt": (Exempt(tenant_id=None, network=LOOPBACK),),
        "resolve": lambda *_: [ipaddress.ip_address("127.0.0.1")],
    }
    return Egress(**(given | more))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Paper:
    return paper(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture(params=[True, False], ids=["tls", "starttls"])
def server(
    request: pytest.FixtureRequest, postbox: Postbox, made: Paper
) -> Iterator[MailServer]:
    is_tls: bool = request.param
    with serving(postbox, made, is_tls=is_tls) as port:
        yield MailServer(
            host=HOST, port=port, is_tls=is_tls, user=USER, password=PASSWORD
        )


by_tls = pytest.mark.parametrize("server", [True], ids=["tls"], indirect=True)
"""For what does not hang on how a talk is made safe."""


@pytest.fixture
def door(made: Paper) -> RealMail:
    return open_door(made.trust)


def open_door(trust: Callable[[], Any], **more: Any) -> RealMail:
    given: dict[str, Any] = {"in_transaction": lambda: False, "egress": egress()}
    return RealMail(**(given | more), name="countersign.example", trust=trust)


def letter(server: MailServer, *recipients: str) -> Letter:
    return Letter(
        server=server,
        sender="countersign@acme.example",
        recipients=recipients or (ONE,),
        content=CONTENT,
    )


def test_letter_arrives_as_it_is_by_tls_and_login(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    reply = door.send(letter(server, ONE, TWO))

    assert (reply.stage, reply.code, reply.refused) == (Stage.END, 250, ())
    [got] = postbox.received
    assert got.content == CONTENT
    assert (got.sender, got.recipients) == ("countersign@acme.example", (ONE, TWO))
    assert postbox.is_secure == [True]
    assert postbox.callers == ["countersign.example"]
    assert postbox.farewells == 1
    assert postbox.logins == [(USER, PASSWORD)]


def test_question_leaves_no_letter(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    reply = door.ask(server)

    assert (reply.stage, reply.code) == (Stage.END, 250)
    assert postbox.received == []
    assert len(postbox.logins) == 1


@pytest.mark.parametrize(
    ("mood", "stage", "code"),
    [
        ({"MAIL": "553 not from there"}, Stage.SENDER, 553),
        ({"MAIL": "451 later"}, Stage.SENDER, 451),
        ({ONE: "550 nobody"}, Stage.RECIPIENTS, 550),
        ({ONE: "450 grey"}, Stage.RECIPIENTS, 450),
        ({ONE: "421 bye"}, Stage.RECIPIENTS, 421),
        ({"DATA": "451 later"}, Stage.CONTENT, 451),
        ({"DATA": "250 odd"}, Stage.CONTENT, 250),
        ({"END": "452 full"}, Stage.END, 452),
        ({"END": "554 unwanted"}, Stage.END, 554),
    ],
)
def test_refusal_says_what_it_was_about(
    door: RealMail,
    server: MailServer,
    postbox: Postbox,
    mood: dict[str, str],
    stage: Stage,
    code: int,
) -> None:
    postbox.replies = mood

    reply = door.send(letter(server))

    assert (reply.stage, reply.code) == (stage, code)
    assert postbox.received == []


@by_tls
def test_last_word_is_kept_as_it_was_said_but_not_all_of_it(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.replies = {"END": "554 not wanted"}
    assert door.send(letter(server)).text == "not wanted"

    postbox.replies = {"MAIL": f"553 {'x' * 3000}"}
    assert door.send(letter(server)).text == "x" * 2000

    postbox.replies = {"NOOP": "421 bye"}
    reply = door.ask(server)
    assert (reply.stage, reply.code, reply.text) == (Stage.END, 421, "bye")


@by_tls
def test_recipient_whose_letter_is_forwarded_is_taken(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.replies = {ONE: "251 will forward"}

    reply = door.send(letter(server, ONE, TWO))

    assert (reply.stage, reply.code, reply.refused) == (Stage.END, 250, ())

    postbox.replies = {ONE: "421 bye"}
    reply = door.send(letter(server, ONE, TWO))
    assert (reply.stage, reply.code, reply.text) == (Stage.RECIPIENTS, 421, "bye")

    postbox.replies = {ONE: "550 nobody", "DATA": "451 later"}
    reply = door.send(letter(server, ONE, TWO))
    assert (reply.stage, reply.code, reply.refused) == (Stage.CONTENT, 451, (550,))


@by_tls
def test_server_that_offers_no_login_that_we_know_is_named(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.no_login = frozenset({"LOGIN", "PLAIN"})

    with pytest.raises(ForbiddenError, match="it offers no login"):
        door.send(letter(server))
    assert postbox.received == []


@by_tls
def test_without_a_user_nobody_logs_in(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    reply = door.send(letter(replace(server, user="", password="")))

    assert (reply.stage, reply.code) == (Stage.SENDER, 530)
    assert postbox.logins == []


@by_tls
def test_second_address_is_tried_when_the_first_refuses(
    made: Paper, server: MailServer
) -> None:
    texts = ("127.0.0.9", "127.0.0.1")
    rules = egress(resolve=lambda *_: [ipaddress.ip_address(each) for each in texts])

    assert open_door(made.trust, egress=rules).ask(server).code == 250


def test_server_that_is_not_there_was_sent_nothing(made: Paper) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(SendError, match="ConnectionRefusedError") as failed:
        open_door(made.trust).ask(MailServer(host=HOST, port=port, is_tls=True))

    assert not failed.value.sent


def test_where_there_is_no_way_for_mail_nothing_is_sent() -> None:
    door, server = NoMail(), MailServer(host=HOST, port=465, is_tls=True)

    with pytest.raises(SendError, match=f"no way for mail to {HOST}") as failed:
        door.ask(server)
    assert not failed.value.sent
    with pytest.raises(SendError, match="no way for mail"):
        door.send(letter(server))


def test_operators_own_server_needs_no_judgement_but_a_good_certificate(
    postbox: Postbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = paper(tmp_path, "localhost")
    with serving(postbox, made, is_tls=False) as port:
        server = MailServer(
            host="localhost", port=port, is_tls=False, user=USER, password=PASSWORD
        )
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            unjudged(server, name="countersign.example") as talk,
        ):
            talk.noop()
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        with unjudged(server, name="countersign.example") as talk:
            assert talk.noop()[0] == 250

    assert postbox.logins == [(USER, PASSWORD)]


def test_refused_login_is_named(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    reply = door.send(letter(replace(server, password="wrong")))

    assert (reply.stage, reply.code) == (Stage.LOGIN, 535)
    assert postbox.received == []


def test_letter_goes_to_those_that_the_server_takes_it_for(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.replies = {ONE: "550 nobody"}

    reply = door.send(letter(server, ONE, TWO))

    assert (reply.stage, reply.code, reply.refused) == (Stage.END, 250, (550,))
    assert [got.recipients for got in postbox.received] == [(TWO,)]


def test_recipient_that_is_put_off_counts_for_all_if_nobody_is_taken(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.replies = {ONE: "550 a nobody", TWO: "450 grey"}

    reply = door.send(letter(server, ONE, TWO))

    assert (reply.code, reply.text, reply.refused) == (450, "grey", (550, 450))


def test_what_breaks_before_the_end_has_sent_nothing(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.drops = "DATA"

    with pytest.raises(SendError) as failed:
        door.send(letter(server))

    assert not failed.value.sent
    assert postbox.received == []


def test_what_breaks_after_the_end_may_have_arrived(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    postbox.drops = "END"

    with pytest.raises(SendError) as failed:
        door.send(letter(server))

    assert failed.value.sent
    assert len(postbox.received) == 1


def test_certificate_for_another_name_is_told_nothing(
    door: RealMail, server: MailServer, postbox: Postbox
) -> None:
    with pytest.raises(SendError, match="certificate") as failed:
        door.send(letter(replace(server, host="mail.other.example")))

    assert not failed.value.sent
    assert postbox.logins == []


def test_certificate_of_a_strange_authority_is_told_nothing(
    server: MailServer, postbox: Postbox, tmp_path: Path
) -> None:
    with pytest.raises(SendError, match="certificate"):
        open_door(paper(tmp_path).trust).send(letter(server))

    assert postbox.logins == []


@contextmanager
def plain(*said: bytes) -> Iterator[tuple[MailServer, list[bytes]]]:
    """Say these things to one caller after each of its lines, without TLS."""
    listening = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            for each in said:
                try:
                    connection.sendall(each)
                    heard.append(connection.recv(65536))
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    yield MailServer(host=HOST, port=port, is_tls=False, user=USER, password="x"), heard
    listening.close()
    thread.join(5)


def test_server_that_offers_no_starttls_hears_no_password(door: RealMail) -> None:
    """Attack: whoever is in between drops the offer."""
    offer = b"250-smtp\r\n250 AUTH PLAIN LOGIN\r\n"
    with (
        plain(b"220 hello\r\n", offer) as (server, heard),
        pytest.raises(ForbiddenError, match="without TLS"),
    ):
        door.send(letter(server))

    assert not any(b"AUTH" in each or b"MAIL" in each for each in heard)


def test_words_before_tls_are_not_heard_within_it(door: RealMail) -> None:
    """Attack: whoever is in between puts replies behind the one to STARTTLS."""
    offer = b"250-smtp\r\n250 STARTTLS\r\n"
    early = b"220 go on\r\n250-smtp\r\n250 AUTH PLAIN\r\n235 in\r\n250 OK\r\n"
    with (
        plain(b"220 hello\r\n", offer, early) as (server, heard),
        pytest.raises(SendError) as failed,
    ):
        door.send(letter(server))

    assert not failed.value.sent
    assert heard[1] == b"STARTTLS\r\n"


@pytest.mark.parametrize(
    ("greeting", "code", "text"),
    [(b"554 no\r\n", 554, "no"), (b"421 b\xff\r\n", 421, "b\ufffd")],
)
def test_greeting_that_is_none(
    door: RealMail, greeting: bytes, code: int, text: str
) -> None:
    with plain(greeting) as (server, _):
        reply = door.ask(server)

    assert (reply.stage, reply.code, reply.text) == (Stage.GREETING, code, text)


def test_connection_that_does_not_come_in_time_took_too_long(
    made: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", late)

    with pytest.raises(SendError, match="the answer took too long") as failed:
        open_door(made.trust).ask(MailServer(host=HOST, port=465, is_tls=True))
    assert not failed.value.sent


def test_greeting_that_never_ends_is_cut(door: RealMail) -> None:
    """Attack: lines without end fill the memory until the deadline."""
    with (
        plain(b"220-hello\r\n" * 20_000) as (server, _),
        pytest.raises(SendError) as failed,
    ):
        door.send(letter(server))

    assert not failed.value.sent


def test_whole_talk_has_one_deadline(
    door: RealMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "DEADLINE_SECONDS", 0.3)
    began = time.monotonic()
    with (
        plain(b"220-hello\r\n") as (server, _),
        pytest.raises(SendError, match="too long"),
    ):
        door.ask(server)

    assert time.monotonic() - began < 5


def test_t11_every_address_is_judged() -> None:
    found = [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.1")]
    rules = Egress(resolve=lambda *_: found)
    door = open_door(lambda: None, egress=rules)

    with pytest.raises(ForbiddenError, match="not public"):
        door.ask(MailServer(host=HOST, port=465, is_tls=True))


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        (HOST, 25, "not allowed for mail; allowed: 465, 587"),
        (HOST, 443, "not allowed for mail"),
        ("127.1", 465, "four plain numbers"),
        ("2130706433", 465, "four plain numbers"),
        ("a b", 465, "spaces"),
        ("x@y.example", 465, "user name"),
    ],
)
def test_t11_ports_and_names_are_judged(host: str, port: int, words: str) -> None:
    door = open_door(lambda: None, egress=Egress())
    http = RealHttp(in_transaction=lambda: False)

    with pytest.raises(ForbiddenError, match=words):
        door.ask(MailServer(host=host, port=port, is_tls=True))
    with pytest.raises(ForbiddenError, match=words):
        http.check_mail(host, port, None)


def test_check_connects_and_says_nothing(server: MailServer, postbox: Postbox) -> None:
    http = RealHttp(in_transaction=lambda: False, egress=egress())

    http.check_mail(server.host, server.port, None)

    assert postbox.logins == []


def test_no_mail_inside_a_transaction(server: MailServer, made: Paper) -> None:
    door = open_door(made.trust, in_transaction=lambda: True)

    with pytest.raises(RuntimeError, match="transaction"):
        door.send(letter(server))
    with pytest.raises(RuntimeError, match="transaction"):
        RealHttp(in_transaction=lambda: True).check_mail(HOST, 465, None)


def test_t8_nothing_of_a_letter_shows_its_password(server: MailServer) -> None:
    assert PASSWORD not in repr(letter(server))


def test_every_error_of_smtp_is_one_that_the_door_catches() -> None:
    assert issubclass(smtplib.SMTPException, OSError)
