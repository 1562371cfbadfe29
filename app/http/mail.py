"""What goes through the door for mail: letters and replies as values."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from app.http.messages import SendError


class Stage(StrEnum):
    """How far a talk with a mail server came: what its last word was about."""

    GREETING = "greeting"
    SECURITY = "security"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENTS = "recipients"
    CONTENT = "content"
    """Whether it wants to hear the letter at all."""
    END = "end"
    """The whole letter; or, where there is none, the whole talk."""


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """A server that takes mail from who has a login, and how to reach it."""

    host: str
    port: int
    is_tls: bool
    """TLS from the start; if not, by STARTTLS. Never without."""
    user: str = ""
    """Empty: it takes mail without a login."""
    password: str = field(default="", repr=False)
    tenant_id: uuid.UUID | None = None
    """For whom it is reached: the operator's exceptions name tenants."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message, and whom the server is told to bring it to."""

    server: MailServer
    sender: str
    recipients: Sequence[str]
    content: bytes = field(repr=False)
    """Headers and text, with CRLF at the end of each line."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The last word of a mail server."""

    stage: Stage
    code: int
    text: str = field(default="", repr=False)
    refused: tuple[int, ...] = ()
    """With which codes it refused recipients; the letter went to the others."""


class Mail(Protocol):
    """What sends letters."""

    def send(self, letter: Letter) -> Reply:
        """Return the server's last word; raise `SendError` where there was none.

        `SendError.sent` says whether the end of the letter may have arrived: without
        its end, no server takes it.
        """
        ...

    def ask(self, server: MailServer) -> Reply:
        """Reach the server, log in, and leave, without a letter."""
        ...


class NoMail:
    """`Mail` where there is no way for it."""

    def send(self, letter: Letter) -> Reply:
        return self.ask(letter.server)

    def ask(self, server: MailServer) -> Reply:
        raise SendError(f"there is no way for mail to {server.host}", sent=False)
