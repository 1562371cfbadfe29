"""A real mail server on this machine, with TLS by an authority made for the test.

It speaks SMTP as `aiosmtpd` has it, and has odd moods besides.
"""

import asyncio
import gc
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "smtp.acme.example"
USER, PASSWORD = "countersign", "pass word/1"


@dataclass(frozen=True)
class Received:
    """One letter, and whom it is for."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def letter(self) -> EmailMessage:
        read = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read

    @property
    def text(self) -> str:
        return str(self.letter.get_content()).replace("\r\n", "\n")


@dataclass
class Postbox:
    """What the server got, and how it is to behave."""

    received: list[Received] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    """Instead of its own: to `MAIL`, `DATA`, `END`, `NOOP`, or to one recipient."""
    drops: str = ""
    """After which word of ours it hangs up: `DATA`, or `END`."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    open: list[asyncio.BaseTransport] = field(default_factory=list)
    """Every connection that there was, so that each can be closed."""
    is_secure: list[bool] = field(default_factory=list)
    """Of each letter that was begun: whether that was under TLS."""
    callers: list[str | None] = field(default_factory=list)
    """Of each letter that was begun: what the caller calls itself."""
    farewells: int = 0
    no_login: frozenset[str] = frozenset()
    """Ways to log in that it does not offer."""

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's names, here and below
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del options
        self.is_secure.append(is_secure(server))
        self.callers.append(session.host_name)
        if not session.authenticated:
            return "530 5.7.0 log in first"
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del server, session, options
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_NOOP(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, arg: str
    ) -> str:
        del server, session, envelope, arg
        return self.replies.get("NOOP", "250 OK")

    async def handle_QUIT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session, envelope
        self.farewells += 1
        return "221 Bye"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session
        if "END" in self.replies:
            return self.replies["END"]
        assert isinstance(envelope.content, bytes)
        self.received.append(
            Received(
                sender=str(envelope.mail_from),
                recipients=tuple(envelope.rcpt_tos),
                content=envelope.content,
            )
        )
        if self.drops == "END":
            hang_up(server)
        return "250 OK: queued"

    def let_in(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        data: object,
    ) -> AuthResult:
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given)
        message = f"535 5.7.8 not you, {given[0]} with {given[1]}"
        if given == (USER, PASSWORD):
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=message)


class Moody(SMTP):
    """aiosmtpd's server, but for what its postbox says of DATA."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(self.event_handler, Postbox)
        self.event_handler.open.append(transport)
        super().connection_made(transport)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        postbox = self.event_handler
        assert isinstance(postbox, Postbox)
        if "DATA" in postbox.replies:
            await self.push(postbox.replies["DATA"])
        elif postbox.drops == "DATA":
            hang_up(self)
        else:
            await super().smtp_DATA(arg)


def is_secure(server: SMTP) -> bool:
    assert server.transport is not None
    return server.transport.get_extra_info("cipher") is not None


def hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


@dataclass(frozen=True)
class Paper:
    """The certificate of a server, and of the authority that vouches for it."""

    server: Path
    authority: Path

    def trust(self) -> ssl.SSLContext:
        """Return what trusts this authority, and no other."""
        return ssl.create_default_context(cafile=self.authority)


def paper(folder: Path, host: str = HOST) -> Paper:
    """Make a throw-away authority, and a certificate by it for one name."""
    ours, theirs = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("Authority of a test", ours, "Authority of a test", ours)
    leaf = certificate(host, theirs, "Authority of a test", ours, host)
    pem = serialization.Encoding.PEM
    private = theirs.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Paper(server=folder / "server.pem", authority=folder / "authority.pem")
    made.server.write_bytes(private + leaf.public_bytes(pem))
    made.authority.write_bytes(root.public_bytes(pem))
    return made


def certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    host: str = "",
) -> x509.Certificate:
    now = datetime.now(UTC)
    common = x509.NameOID.COMMON_NAME
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(common, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(common, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(key_id, critical=False)
        .add_extension(signer_id, critical=False)
    )
    if host:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    is_root = x509.BasicConstraints(ca=not host, path_length=None)
    return builder.add_extension(is_root, critical=True).sign(signer, hashes.SHA256())


@contextmanager
def serving(postbox: Postbox, made: Paper, *, is_tls: bool) -> Iterator[int]:
    """Serve on a port of loopback: by TLS, or by STARTTLS, which is required then."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server)
    loop = asyncio.new_event_loop()

    def connected() -> SMTP:
        return Moody(
            postbox,
            loop=loop,
            hostname=HOST,
            tls_context=None if is_tls else context,
            require_starttls=not is_tls,
            authenticator=postbox.let_in,
            auth_require_tls=not is_tls,
            auth_exclude_mechanism=postbox.no_login,
        )

    listening = loop.create_server(
        connected, "127.0.0.1", 0, ssl=context if is_tls else None
    )
    server = loop.run_until_complete(listening)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(_closed(postbox))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    postbox.open.clear()
    with warnings.catch_warnings():
        # A handshake that a client broke off leaves halves of a connection behind, of
        # which asyncio complains wherever they are found: let that be here.
        warnings.simplefilter("ignore", ResourceWarning)
        del server, listening
        gc.collect()


async def _closed(postbox: Postbox) -> None:
    """Close what a client left open, also in the middle of a handshake.

    Nobody is told of a connection before that is over; only its loop knows.
    """
    loop = asyncio.get_running_loop()
    known = getattr(loop, "_transports", {})
    # Time and again: one may have been accepted just now, and each layer of TLS takes
    # the loop once around.
    for _ in range(20):
        for transport in (*postbox.open, *known.values()):
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
