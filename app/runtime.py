"""The composition root: the objects that live as long as the process."""

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy.orm import Session, sessionmaker

from app import db
from app.crypto import Keyring
from app.http import Egress, Exempt, Mail, Network, RealHttp, RealMail
from app.patience import Patience
from app.queue import Queue
from app.quotas import Meter
from app.settings import PLAIN_HTTP, Settings


def egress_of(settings: Settings) -> Egress:
    """Return where requests may go: public, and what the operator adds (rule T11)."""
    exempt = []
    for entry in settings.egress_exceptions:
        tenant, _, network = entry.partition("=")
        exempt.append(
            Exempt(
                tenant_id=uuid.UUID(tenant),
                network=ip_network(network.removeprefix(PLAIN_HTTP)),
                plain_http=network.startswith(PLAIN_HTTP),
            )
        )
    if settings.development:
        # The sandbox is on this machine, by http, on a port of its own.
        exempt += [
            Exempt(tenant_id=None, network=ip_network(network), plain_http=True)
            for network in ("127.0.0.0/8", "::1/128")
        ]
    return Egress(
        ports=frozenset(settings.egress_ports),
        mail_ports=frozenset(settings.egress_mail_ports),
        exempt=tuple(exempt),
        any_port=settings.development,
    )


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What the edges hand down; nothing below them imports this."""

    settings: Settings
    sessions: sessionmaker[Session]
    keyring: Keyring
    http: Network
    mail: Mail
    queue: Queue
    now: Callable[[], datetime]
    meter: Meter = field(default_factory=Meter)
    """Counts what all our calls of Jira cost, until it is written down."""

    @functools.cached_property
    def reading(self) -> sessionmaker[Session]:
        """Transactions that only read: on SQLite they wait for nobody."""
        return db.reading(self.sessions)

    @functools.cached_property
    def recording(self) -> db.Recording:
        """Transactions that record what Jira waits for, on the short way."""
        return db.recording(self.sessions)

    @classmethod
    def build(cls, settings: Settings, patience: Patience | None = None) -> Self:
        """Wire the real parts; tests pass their own `http` and `now`.

        `patience` is a worker's unless something else is said.
        """
        egress, in_transaction = egress_of(settings), db.in_transaction
        patience = patience or Patience.of_work(settings)
        name = urlsplit(settings.base_url).hostname or ""
        return cls(
            settings=settings,
            sessions=db.make_sessions(settings.database_url, patience),
            keyring=Keyring.from_base64(settings.sealing_keys),
            http=RealHttp(in_transaction=in_transaction, egress=egress),
            mail=RealMail(in_transaction=in_transaction, egress=egress, name=name),
            queue=Queue(settings.queue_url),
            now=utc_now,
        )
