"""The add-on as an issuer on a real port, and tokens made as deliveries get them."""

import itertools
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from app import db, destinations, keys
from app.crypto import KeyPair, Secret
from app.db import Base
from app.destinations import Change, Definition, Delivery, Signing
from app.keys import Rotation
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import State, Tenant
from app.web import create_app
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock
from tests.serving import serving

AUDIENCE = "https://deploy.example/in"
FACTS = {
    "issue_key": "DEMO-1",
    "project_id": "10000",
    "project_key": "DEMO",
    "workflow": "Demo workflow",
    "transition_id": "11",
    "transition": "Start progress",
    "from_id": "1",
    "from": "To Do",
    "to_id": "3",
    "to": "In Progress",
    "actor": "5b10a2844c20165700ede21g",
}


def _pairs() -> Iterator[KeyPair]:
    """Give pairs of which no eight in a row are the same; each is slow to make."""
    yield from itertools.cycle(keys.make(8))


_PAIRS = _pairs()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A tenant that is an issuer, and a destination of its own."""

    tenant_id: uuid.UUID
    destination_id: uuid.UUID
    issuer: str
    secret: Secret | None

    @property
    def subject(self) -> str:
        return (
            f"tenant:{self.tenant_id}:project:10000:destination:{self.destination_id}"
        )


@dataclass(frozen=True, kw_only=True)
class Minted:
    """One delivery as it arrives."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers["Authorization"]

    @property
    def token(self) -> str:
        return self.authorization.removeprefix("Bearer ")


@dataclass(frozen=True, kw_only=True)
class RealSigner:
    """A key that signs, laid open: for tokens that we would never make."""

    key_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class World:
    """The add-on, served, and its clock."""

    runtime: Runtime
    clock: Clock

    def source(self, signing: Signing = Signing.KEY_SET) -> Source:
        """Plant a tenant with keys and a destination."""
        now, tenant_id = self.clock(), uuid.uuid4()
        change = Change(tenant_id=tenant_id, actor="ada", now=now)
        definition = Definition(
            name="Deploy",
            url=AUDIENCE,
            project_ids=("10000",),
            signing=signing,
            environment="production",
        )
        with self.runtime.sessions.begin() as session:
            session.add(_tenant(tenant_id, now))
            session.flush()
            rotation = self.rotation(tenant_id, 2)
            keys.ensure(session, self.runtime.keyring, rotation)
            destination_id, secret = destinations.create(
                session, self.runtime.keyring, change, definition
            )
        return Source(
            tenant_id=tenant_id,
            destination_id=destination_id,
            issuer=destinations.issuer(self.runtime.settings.base_url, tenant_id),
            secret=secret,
        )

    def signer(self, source: Source) -> RealSigner:
        with self.runtime.sessions.begin() as session:
            found = keys.signer(
                session, self.runtime.keyring, source.tenant_id, now=self.clock()
            )
        return RealSigner(key_id=found.key_id, private_key=found.private_key.reveal())

    def rotation(self, tenant_id: uuid.UUID, count: int) -> Rotation:
        fresh = [next(_PAIRS) for _ in range(count)]
        return Rotation(tenant_id=tenant_id, actor="ada", now=self.clock(), fresh=fresh)

    def mint(self, source: Source, **changes: Any) -> Minted:
        """Make one attempt's request; `changes` are of its opened destination."""
        delivery = Delivery(
            id=db.new_id(self.clock()),
            tenant_id=source.tenant_id,
            destination_id=source.destination_id,
            project_id="10000",
            environment="production",
            at=self.clock(),
            run_id=uuid.uuid4(),
            rule_id="r_1",
            rule_name="Deploy",
            issue_id="10100",
            facts=FACTS,
        )
        base_url, now = self.runtime.settings.base_url, self.clock()
        with self.runtime.sessions.begin() as session:
            destination = destinations.get(
                session, source.tenant_id, source.destination_id
            )
            target = destinations.open_target(
                session, self.runtime.keyring, destination, now=now
            )
        target = replace(target, **changes)
        webhook = destinations.connector_of("webhook")
        body = webhook.body(target.settings, delivery, base_url=base_url).encode()
        signed = webhook.prepare(target, delivery, body, base_url=base_url, now=now)
        return Minted(headers=signed.request.headers, body=body)


def _tenant(tenant_id: uuid.UUID, now: datetime) -> Tenant:
    return Tenant(
        id=tenant_id,
        state=State.ACTIVE,
        base_url=f"https://{tenant_id}.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )


@contextmanager
def issuing(folder: Path, clock: Clock, **settings: str) -> Iterator[World]:
    """Serve the add-on on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        env = {
            "COUNTERSIGN_MODE": "development",
            "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}",
            "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder / 'issuer.sqlite'}",
            "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder / 'queue.sqlite'}",
            "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
        }
        runtime = replace(Runtime.build(Settings.from_env(env | settings)), now=clock)
        engine = runtime.sessions.kw["bind"]
        Base.metadata.create_all(engine)
        with serving(create_app(runtime), listening):
            yield World(runtime=runtime, clock=clock)
        engine.dispose()
