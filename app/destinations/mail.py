"""Kind: e-mail, handed to a mail server that takes mail from who has a login.

Sources: RFC 5321 (SMTP), RFC 5322 (messages), RFC 3834 (Auto-Submitted).
"""

import json
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from app.destinations import events, mail_words, scrubbing
from app.destinations.answers import Judged
from app.destinations.attempting import Exchange, Form, Line, Signed, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.destinations.mail_forms import Credentials, Inputs, Settings
from app.http import Letter, MailServer, Network, Reply, Request, Response, SendError

_SCHEMES = {"tls": "smtps", "starttls": "smtp"}

EmailTarget = Target[Settings, Credentials]


class Email(Connector[Settings, Credentials]):
    """Hands one letter over; `Message-ID` lets mailboxes see that two are one."""

    kind = "email"
    title = "E-mail"
    about = "Sends a letter to people that an admin named, by your own mail server"
    url_key = "settings.host"
    per_minute = 20
    may_repeat = True
    settings_form = Settings
    credentials_form = Credentials

    def url(self, settings: Settings, credentials: Credentials | None) -> str:
        del credentials
        return f"{_SCHEMES[settings.security]}://{settings.host}:{settings.port}"

    def check(
        self,
        network: Network,
        settings: Settings,
        credentials: Credentials | None,
        *,
        tenant_id: uuid.UUID,
    ) -> None:
        del credentials
        network.check_mail(settings.host, int(settings.port), tenant_id)

    def misfit(self, settings: Settings, credentials: Credentials) -> str:
        del settings
        given = (credentials.user, credentials.password)
        if len({bool(each.get_secret_value()) for each in given}) > 1:
            return "give both user and password, or neither"
        return ""

    def place(self, settings: Settings) -> str:
        count = len(settings.recipients)
        return f"{count} {'mailbox' if count == 1 else 'mailboxes'} by {settings.host}"

    def inputs(self, settings: Settings) -> type[Form]:
        del settings
        return Inputs

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        del settings, base_url
        subject = delivery.inputs.get("subject", "Countersign: a test")
        text = delivery.inputs.get("text", events.TEST_WORDS)
        about = f"{text.rstrip()}\n\n-- \n{events.in_words(delivery)}\n"
        said = {"subject": subject, "text": about}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    def prepare(
        self,
        target: EmailTarget,
        delivery: Delivery,
        body: bytes,
        *,
        base_url: str,
        now: datetime,
    ) -> Signed:
        """Make the letter: the same in each attempt, its id and its date included."""
        del now
        letter = _letter(target.settings, delivery, json.loads(body), base_url)
        shown = {name: str(value) for name, value in letter.items()}
        # An attempt's page is no list of addresses.
        shown["To"] = f"({len(target.settings.recipients)} recipients)"
        request = Request(
            method="MAIL",
            url=target.url,
            headers=shown,
            body=letter.as_bytes(policy=policy.SMTP),
            tenant_id=target.tenant_id,
        )
        credentials = self.hidden(target, shown)
        head = scrubbing.request_head(request, credentials)
        return Signed(request=request, head=head, credentials=credentials)

    def hidden(
        self, target: EmailTarget, headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the login, and as one text, as AUTH PLAIN sends it."""
        user, password = super().hidden(target, headers)
        return (user, password, f"\0{user}\0{password}") if password else ()

    def send(self, target: EmailTarget, signed: Signed, line: Line) -> Exchange:
        letter = Letter(
            server=_server(target),
            sender=target.settings.sender,
            recipients=target.settings.recipients,
            content=signed.request.body,
        )
        started, answer = time.monotonic(), None
        try:
            answer = line.mail.send(letter)
            judged = mail_words.judge(answer, len(letter.recipients))
        except SendError as error:
            judged = mail_words.judge_silence(error)
        return _exchange(signed.head, signed.credentials, (judged, answer, started))

    def has_trial(self, settings: Settings) -> bool:
        del settings
        return True

    def trial(self, target: EmailTarget, line: Line) -> Exchange:
        """Connect, secure, log in, leave: whether it takes a letter, a letter says."""
        started, answer = time.monotonic(), None
        try:
            answer = line.mail.ask(_server(target))
            judged = mail_words.judge_trial(answer)
        except SendError as error:
            judged = mail_words.judge_silence(error)
        head = f"NOOP {target.url}"
        return _exchange(head, self.hidden(target, {}), (judged, answer, started))


def _server(target: EmailTarget) -> MailServer:
    settings, credentials = target.settings, target.credentials
    return MailServer(
        host=settings.host,
        port=int(settings.port),
        is_tls=settings.security == "tls",
        user=credentials.user.get_secret_value(),
        password=credentials.password.get_secret_value(),
        tenant_id=target.tenant_id,
    )


def _letter(
    settings: Settings, delivery: Delivery, said: Mapping[str, str], base_url: str
) -> EmailMessage:
    """Return the message; `EmailMessage` encodes what is no plain ASCII."""
    letter = EmailMessage()
    letter["From"] = settings.sender
    letter["To"] = ", ".join(settings.recipients)
    letter["Subject"] = said["subject"]
    letter["Date"] = format_datetime(delivery.at)
    letter["Message-ID"] = f"<{delivery.id}@{urlsplit(base_url).hostname}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(said["text"], charset="utf-8", cte="quoted-printable")
    return letter


def _exchange(
    head: str, hidden: tuple[str, ...], came: tuple[Judged, Reply | None, float]
) -> Exchange:
    judged, answer, started = came
    exchange = Exchange(
        judged=judged,
        duration_ms=round((time.monotonic() - started) * 1000),
        request_head=head,
    )
    if answer is None:
        return exchange
    shown = Response(
        status=answer.code,
        headers={"About": answer.stage},
        body=answer.text.encode(errors="replace"),
    )
    return Exchange(
        judged=judged,
        duration_ms=exchange.duration_ms,
        request_head=head,
        response_head=scrubbing.response_head(shown, hidden),
        response_body=scrubbing.response_body(shown, hidden),
    )
