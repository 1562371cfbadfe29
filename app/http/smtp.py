"""A talk by SMTP over TLS, or none: connected, secured, logged in.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS).
"""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from app.http import deadlines
from app.http.mail import MailServer

MOST_SAID = 64 * 1024
"""Bytes that we listen to, before TLS and within it."""

QUIT_SECONDS = 2

Connect = Callable[[], socket.socket]


class NoTlsError(smtplib.SMTPException):
    """The server offers no STARTTLS."""


class NoLoginError(smtplib.SMTPException):
    """The server offers no login that we know."""


@contextlib.contextmanager
def opened(
    server: MailServer, connect: Connect, *, context: ssl.SSLContext, name: str
) -> Iterator[smtplib.SMTP]:
    """Talk to the server under TLS, as who has the login; then leave politely.

    Raise `OSError`, of which `SMTPException` is one. What a server says to our leaving
    changes nothing of what it said before.
    """
    talk = _Talk(server, connect, context, name)
    try:
        talk.secure()
        yield talk
        with contextlib.suppress(OSError):
            if talk.sock is not None:
                talk.sock.settimeout(QUIT_SECONDS)
            talk.docmd("QUIT")
    finally:
        talk.close()


class _Talk(smtplib.SMTP):
    def __init__(
        self, server: MailServer, connect: Connect, context: ssl.SSLContext, name: str
    ) -> None:
        self._server, self._made, self._tls = server, connect, context
        seconds = deadlines.READ_SECONDS
        super().__init__(server.host, server.port, local_hostname=name, timeout=seconds)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect as we were told, and not by the name: it was judged before."""
        del port
        deadlines.current.connection = self
        self.sock = made = self._made()
        if self._server.is_tls:
            # Bound by the time that is left, as a whole.
            made = self._tls.wrap_socket(made, server_hostname=host)
        made.settimeout(timeout)
        return made

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Capped(self.sock.makefile("rb"))
        return super().getreply()

    def secure(self) -> None:
        self.ehlo_or_helo_if_needed()
        if not self._server.is_tls:
            if not self.has_extn("starttls"):
                # Attack: whoever is in between drops the offer.
                raise NoTlsError("no STARTTLS")
            self.starttls(context=self._tls)
            self.ehlo_or_helo_if_needed()
        if self._server.user:
            if not self.has_extn("auth"):
                raise NoLoginError("no AUTH")
            self._let_in()

    def _let_in(self) -> None:
        try:
            self.login(self._server.user, self._server.password)
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
            raise
        except smtplib.SMTPException as error:
            raise NoLoginError("no login that we know") from error


class _Capped:
    """What the server says, up to a limit.

    Attack: a reply whose lines never end fills the memory until the deadline.
    """

    def __init__(self, file: Any) -> None:  # noqa: ANN401 -- a socket's file
        self._file, self._left = file, MOST_SAID

    def readline(self, size: int) -> bytes:
        line: bytes = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the server says too much")
        return line

    def close(self) -> None:
        self._file.close()
