"""`Mail` by SMTP: TLS always, judged addresses, one deadline for the whole (T11)."""

import contextlib
import re
import smtplib
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.http import deadlines, smtp
from app.http.egress import RESOLVE_SECONDS, Egress, ForbiddenError
from app.http.mail import Letter, MailServer, Reply, Stage
from app.http.messages import SendError

_TAKEN = frozenset({250, 251})
_GO_ON, _CLOSING = 354, 421
_DOTS = re.compile(rb"(?m)^\.")
_KEPT_TEXT = 2000

_STAGES: tuple[tuple[type[smtplib.SMTPResponseException], Stage], ...] = (
    (smtplib.SMTPConnectError, Stage.GREETING),
    (smtplib.SMTPHeloError, Stage.GREETING),
    (smtplib.SMTPAuthenticationError, Stage.LOGIN),
    (smtplib.SMTPResponseException, Stage.SECURITY),
)


@dataclass
class _Progress:
    is_sent: bool = False
    """The end of the letter may have left us."""


Act = Callable[[smtplib.SMTP, _Progress], Reply]


class RealMail:
    """`Mail` over `smtplib`, refusing to work while a transaction is open."""

    def __init__(
        self,
        *,
        in_transaction: Callable[[], bool],
        egress: Egress,
        name: str,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """`name` is what we call ourselves; `trust` says whose certificates count."""
        self._in_transaction = in_transaction
        self._egress = egress
        self._name = name
        self._trust = trust

    def send(self, letter: Letter) -> Reply:
        def act(talk: smtplib.SMTP, progress: _Progress) -> Reply:
            return _hand_over(talk, letter, progress)

        return self._talk(letter.server, act)

    def ask(self, server: MailServer) -> Reply:
        def act(talk: smtplib.SMTP, progress: _Progress) -> Reply:
            del progress
            return _reply(Stage.END, *talk.noop())

        return self._talk(server, act)

    def _talk(self, server: MailServer, act: Act) -> Reply:
        if self._in_transaction():
            raise RuntimeError("mail inside a transaction")
        host = self._egress.judge_mail(server.host, server.port)
        until = time.monotonic() + deadlines.DEADLINE_SECONDS
        progress = _Progress()

        def connect() -> socket.socket:
            return self._connected(host, server.port, server.tenant_id)

        try:
            with (
                deadlines.cut_at(until),
                smtp.opened(
                    server, connect, context=self._trust(), name=self._name
                ) as talk,
            ):
                return act(talk, progress)
        except smtp.NoTlsError as error:
            words = "it offers no STARTTLS, and nothing is sent without TLS"
            raise ForbiddenError(words) from error
        except smtp.NoLoginError as error:
            words = "it offers no login: leave user and password empty, or ask its host"
            raise ForbiddenError(words) from error
        except smtplib.SMTPResponseException as error:
            stage = next(each for kind, each in _STAGES if isinstance(error, kind))
            return _reply(stage, error.smtp_code, error.smtp_error)
        except (OSError, ValueError) as error:
            # A socket that is cut while it is read may end in a `ValueError`.
            cause = _cause(error, until)
            raise SendError(cause, sent=progress.is_sent) from error

    def _connected(
        self, host: str, port: int, tenant_id: uuid.UUID | None
    ) -> socket.socket:
        """Connect to an address of the name, all of which were judged."""
        within = deadlines.current.left(RESOLVE_SECONDS)
        found = self._egress.addresses(
            host, port, plain=False, tenant_id=tenant_id, within=within
        )
        problem: OSError = TimeoutError()
        for address in found:
            try:
                return deadlines.connected(str(address), port)
            except OSError as error:
                problem = error
        raise problem


@contextlib.contextmanager
def unjudged(server: MailServer, *, name: str) -> Iterator[smtplib.SMTP]:
    """Talk to the operator's own server, which no tenant can name (docs/adr/0008)."""

    def connect() -> socket.socket:
        return deadlines.connected(server.host, server.port)

    context = ssl.create_default_context()
    with (
        deadlines.cut_at(time.monotonic() + deadlines.DEADLINE_SECONDS),
        smtp.opened(server, connect, context=context, name=name) as talk,
    ):
        yield talk


def _hand_over(talk: smtplib.SMTP, letter: Letter, progress: _Progress) -> Reply:
    """Hand the letter over for those recipients that the server takes it for.

    Its end is one line with a dot: whatever breaks before that left us, nobody has got
    the letter.
    """
    code, text = talk.mail(letter.sender)
    if code not in _TAKEN:
        return _reply(Stage.SENDER, code, text)
    refused: list[tuple[int, bytes]] = []
    for recipient in letter.recipients:
        code, text = talk.rcpt(recipient)
        if code == _CLOSING:
            return _reply(Stage.RECIPIENTS, code, text)
        if code not in _TAKEN:
            refused.append((code, text))
    codes = tuple(code for code, _ in refused)
    if len(refused) == len(letter.recipients):
        # One that may be taken later counts for all.
        code, text = min(refused, key=lambda each: each[0])
        return _reply(Stage.RECIPIENTS, code, text, codes)
    code, text = talk.docmd("DATA")
    if code != _GO_ON:
        return _reply(Stage.CONTENT, code, text, codes)
    talk.send(_DOTS.sub(b"..", letter.content))
    progress.is_sent = True
    talk.send(b".\r\n")
    code, text = talk.getreply()
    return _reply(Stage.END, code, text, codes)


def _reply(
    stage: Stage, code: int, text: bytes | str, refused: tuple[int, ...] = ()
) -> Reply:
    said = text if isinstance(text, str) else text.decode(errors="replace")
    return Reply(stage=stage, code=code, text=said[:_KEPT_TEXT], refused=refused)


def _cause(error: Exception, until: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not good for this name, or not trusted (SSLError)"
    late = time.monotonic() >= until or isinstance(error, TimeoutError)
    return "the answer took too long" if late else type(error).__name__
