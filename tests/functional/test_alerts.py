"""What an operator is told outside Jira: numbers for a monitor, and mail over TLS."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import orm

from app import alerts
from app.rules import KnownRule
from app.runtime import Runtime
from app.tenants import Tenant, preferences
from app.tenants.preferences import Wanted
from app.watchdog import Watchdog
from app.web import create_app
from sandbox import Jira
from tests.functional.fakes import Clock
from tests.functional.gates import gate, lost

PASSWORD = "pass word/1"
Sessions = orm.sessionmaker[orm.Session]


@dataclass
class Mailbox:
    """A mail server's memory; `is_full` makes it refuse what comes."""

    received: list[Message] = field(default_factory=list)
    is_full: bool = False
    refused: set[str] = field(default_factory=set)
    """Addresses that it takes no mail for."""

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del server, session, options
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 -- aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        if self.is_full:
            return "452 mailbox full"
        assert isinstance(envelope.content, bytes)
        self.received.append(message_from_bytes(envelope.content))
        return "250 OK"


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    del server, session, envelope, mechanism
    assert isinstance(data, LoginPassword)
    given = (data.login, data.password)
    return AuthResult(success=given == (b"countersign", PASSWORD.encode()))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of the mail server, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("mail") / "server.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(params=["smtps", "smtp"])
def smtp_url(
    request: pytest.FixtureRequest, mailbox: Mailbox, certificate: Path
) -> Iterator[str]:
    """A real mail server, by TLS from the start or by STARTTLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    implicit = request.param == "smtps"
    loop = asyncio.new_event_loop()

    def connected() -> SMTP:
        return SMTP(
            mailbox,
            loop=loop,
            hostname="127.0.0.1",
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            authenticator=authenticate,
            auth_required=not implicit,
            auth_require_tls=not implicit,
        )

    listening = loop.create_server(
        connected, "127.0.0.1", 0, ssl=context if implicit else None
    )
    server = loop.run_until_complete(listening)
    serving = threading.Thread(target=loop.run_forever)
    serving.start()
    port = server.sockets[0].getsockname()[1]
    query = "" if implicit else "?starttls"
    yield f"{request.param}://countersign:pass%20word%2F1@127.0.0.1:{port}{query}"
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    server.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture
def mailing(runtime: Runtime, smtp_url: str) -> Watchdog:
    settings = runtime.settings.model_copy(
        update={
            "smtp_url": smtp_url,
            "alert_from": "countersign@example.com",
            "alert_to": ("oncall@example.com", "boss@example.com"),
        }
    )
    return Watchdog(runtime=replace(runtime, settings=settings))


@pytest.mark.usefixtures("trusted")
def test_operator_is_told_once_a_day_that_a_jira_refuses_us(
    site: Jira, mailing: Watchdog, mailbox: Mailbox, clock: Clock
) -> None:
    site.refuses_addon = True

    mailing.watch()
    mailing.watch()
    assert len(mailbox.received) == 1
    clock.advance(timedelta(days=1))
    mailing.watch()

    assert len(mailbox.received) == 2
    mail = mailbox.received[0]
    assert mail["To"] == "oncall@example.com, boss@example.com"
    assert "acme.atlassian.net" in mail["Subject"]
    assert "accepts no call of ours" in str(mail.get_payload())


@pytest.mark.usefixtures("trusted")
def test_mail_that_cannot_be_sent_is_tried_at_the_next_look(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site.refuses_addon = True
    mailbox.is_full = True
    mailing.watch()
    assert "alert not sent" in caplog.text

    mailbox.is_full = False
    mailing.watch()

    assert len(mailbox.received) == 1


def test_mail_server_with_a_strange_certificate_is_told_nothing(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site.refuses_addon = True

    mailing.watch()

    assert mailbox.received == []
    assert "SSLCertVerificationError" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.usefixtures("trusted")
def test_stopped_watch_and_overdue_tickets_are_told(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    sessions: Sessions,
    clock: Clock,
) -> None:
    site.add_post_function("Dispatch", gate())
    mailing.watch()
    clock.advance(timedelta(minutes=1))
    lost(site)
    with sessions.begin() as session:
        row = session.scalars(sa.select(KnownRule)).one()
        row.watch_stopped_at = clock()
    for _ in range(8):
        clock.advance(timedelta(minutes=5))
        mailing.watch()

    told = [str(mail.get_payload()) for mail in mailbox.received]
    assert any("stopped for Deploy" in each for each in told)
    assert any("past the deadline of their hold: 1" in each for each in told)
    assert len(told) == 2


@pytest.mark.usefixtures("trusted")
def test_t4_site_that_leaves_with_tickets_in_a_hold_is_told_of_outside_jira(
    site: Jira, mailing: Watchdog, mailbox: Mailbox, clock: Clock
) -> None:
    """Jira takes no call of ours any more when it says so: no comment can be left."""
    site.add_post_function("Dispatch", gate())
    mailing.watch()
    clock.advance(timedelta(seconds=1))
    site.uninstall()

    for _ in range(3):
        clock.advance(timedelta(hours=12))
        mailing.watch()

    [mail] = mailbox.received
    assert "left-with-holds at https://acme.atlassian.net" in str(mail["Subject"])
    assert "has rules that hold tickets: 1" in str(mail.get_payload())


@pytest.fixture
def named(site: Jira, sessions: Sessions, clock: Clock) -> Callable[..., None]:
    """Let the site's admins name whom of theirs to tell."""
    del site

    def name(*addresses: str) -> None:
        wanted = Wanted(
            run_days=90,
            audit_days=365,
            exchange_days=30,
            notice_to=addresses,
            on_call_role="",
        )
        with sessions.begin() as session:
            tenant_id = session.scalars(sa.select(Tenant.id)).one()
            preferences.change(session, tenant_id, wanted, actor="ada", now=clock())

    return name


@pytest.mark.usefixtures("trusted")
def test_site_and_operator_are_told_apart(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    named: Callable[..., None],
    clock: Clock,
) -> None:
    named("ops@acme.example", "night@acme.example")
    site.refuses_addon = True

    mailing.watch()
    mailing.watch()

    operator, sites = mailbox.received
    assert operator["To"] == "oncall@example.com, boss@example.com"
    assert sites["To"] == "ops@acme.example, night@acme.example"
    assert "acme.example" not in operator.as_string()
    assert "oncall" not in sites.as_string()
    assert "boss" not in sites.as_string()
    clock.advance(timedelta(days=1))
    mailing.watch()
    assert len(mailbox.received) == 4


@pytest.mark.usefixtures("trusted")
def test_site_cannot_have_its_own_words_mailed_to_strangers(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    named: Callable[..., None],
    sessions: Sessions,
    clock: Clock,
) -> None:
    named("stranger@elsewhere.example")
    site.add_post_function("Dispatch", gate(name="Buy pills"))
    mailing.watch()
    with sessions.begin() as session:
        session.scalars(sa.select(KnownRule)).one().watch_stopped_at = clock()

    mailing.watch()

    operator, sites = (str(mail.get_payload()) for mail in mailbox.received)
    assert "stopped for Buy pills" in operator
    assert "Rules that the watchdog stopped for: 1." in sites
    assert "Buy pills" not in mailbox.received[1].as_string()


@pytest.mark.usefixtures("trusted")
def test_address_that_takes_no_mail_keeps_nobody_else_from_being_told(
    site: Jira,
    mailing: Watchdog,
    mailbox: Mailbox,
    named: Callable[..., None],
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    named("nobody@acme.example")
    mailbox.refused.add("nobody@acme.example")
    site.refuses_addon = True

    mailing.watch()
    mailing.watch()

    assert [mail["To"] for mail in mailbox.received] == [
        "oncall@example.com, boss@example.com"
    ]
    assert caplog.text.count("alert not sent: SMTPRecipientsRefused") == 1
    assert "nobody@acme.example" not in caplog.text
    del clock


@pytest.mark.usefixtures("trusted")
def test_no_mail_inside_a_transaction(mailing: Watchdog, sessions: Sessions) -> None:
    trouble = alerts.Trouble(tenant_id=UUID(int=1), cause="c", site="s", words="w")

    with sessions.begin() as session:
        session.execute(sa.text("SELECT 1"))
        with pytest.raises(RuntimeError, match="transaction"):
            alerts.send(mailing.runtime.settings, trouble)


def scraped(
    client: FlaskClient, token: str = "", peer: str = "127.0.0.1", **headers: str
) -> tuple[int, str]:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    answer = client.get(
        "/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": peer}
    )
    return answer.status_code, answer.text


@pytest.fixture
def troubled(site: Jira, runtime: Runtime, sessions: Sessions) -> Jira:
    site.add_post_function("Dispatch", gate())
    Watchdog(runtime=runtime).watch()
    site.refuses_addon = True
    Watchdog(runtime=runtime).watch()
    with sessions.begin() as session:
        row = session.scalars(sa.select(KnownRule)).one()
        row.overdue, row.unsound_because = 3, "“Deployed” (81) leads out"
    return site


@pytest.mark.usefixtures("troubled")
def test_metrics_count_what_is_wrong(client: FlaskClient) -> None:
    status, text = scraped(client)

    assert status == 200
    assert "countersign_tenants_refusing 1.0" in text
    assert "countersign_tickets_held_overdue 3.0" in text
    assert "countersign_rules_unsound 1.0" in text
    assert "acme" not in text


@pytest.mark.usefixtures("troubled")
def test_readiness_tells_the_numbers_and_stays_ready(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json == {
        "status": "ok",
        "tenants_refusing": 1,
        "tickets_held_overdue": 3,
        "rules_unsound": 1,
        "stopped": False,
        "tenants_stopped": 0,
        "tenants_resting": 0,
    }


def test_site_that_left_is_no_trouble(troubled: Jira, client: FlaskClient) -> None:
    troubled.uninstall()

    assert "countersign_tenants_refusing 0.0" in scraped(client)[1]
    assert "countersign_rules_unsound 0.0" in scraped(client)[1]


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"]
)
def test_metrics_are_for_this_machine_and_not_for_whom_its_proxy_serves(
    client: FlaskClient, header: str
) -> None:
    assert scraped(client)[0] == 200
    assert scraped(client, **{header: "127.0.0.1"})[0] == 404
    assert scraped(client, peer="203.0.113.9")[0] == 404


def test_metrics_are_for_who_has_the_token(
    runtime: Runtime, app: Flask, wanted: Callable[[str], FlaskClient]
) -> None:
    del runtime, app
    client = wanted("s3cret")

    assert scraped(client, "s3cret", peer="203.0.113.9")[0] == 200
    assert scraped(client, "other", peer="203.0.113.9")[0] == 404
    assert scraped(client, peer="203.0.113.9")[0] == 404
    assert scraped(wanted(""), " ", peer="203.0.113.9")[0] == 404


@pytest.fixture
def wanted(runtime: Runtime) -> Callable[[str], FlaskClient]:
    """Return a client of an add-on with this metrics token."""

    def make(token: str) -> FlaskClient:
        settings = runtime.settings.model_copy(update={"metrics_token": token})
        return create_app(replace(runtime, settings=settings)).test_client()

    return make
