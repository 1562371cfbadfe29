"""Commands as an operator types them, and a site that they find."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from click.testing import CliRunner, Result
from sqlalchemy.orm import Session, sessionmaker

from app import keys, runs, vault
from app.cli import main
from app.crypto import Keyring, Secret
from app.db import new_id
from app.keys import Rotation
from app.runtime import utc_now
from app.tenants import Door, State, Tenant
from tests.functional.conftest import KEY

Env = Mapping[str, str]
SECRET = Secret("s3cret")


@dataclass(frozen=True)
class Planted:
    """A site with a secret, keys, and a run that is due."""

    tenant_id: uuid.UUID
    run_id: uuid.UUID


def environment(database_url: str, queue_url: str) -> Env:
    return {
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_DATABASE_URL": database_url,
        "COUNTERSIGN_QUEUE_URL": queue_url,
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
    }


def run(env: Env, *arguments: str, answer: str = "") -> Result:
    runner = CliRunner()
    return runner.invoke(main, arguments, env=env, input=answer, catch_exceptions=False)


def good(env: Env, *arguments: str) -> str:
    """Run a command that is to succeed; return what it said."""
    done = run(env, *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def call_of(tenant_id: uuid.UUID, body: bytes = b"") -> runs.Call:
    return runs.Call(
        door=Door.CONNECT,
        tenant_id=tenant_id,
        token_hash="t",
        raw_body=body,
        issue_id="1",
        config="",
        rule_hash="",
        unverified_hint={},
        webhook_id=None,
    )


def plant_site(session: Session) -> Tenant:
    """Add a site by the true clock, which is the commands' own."""
    now = utc_now() - timedelta(hours=1)
    tenant = Tenant(
        id=new_id(now),
        state=State.ACTIVE,
        base_url="https://acme.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    session.add(tenant)
    session.flush()
    return tenant


def plant(sessions: sessionmaker[Session]) -> Planted:
    now, keyring = utc_now() - timedelta(hours=1), Keyring.from_base64([KEY])
    fresh = keys.make(2)
    with sessions.begin() as session:
        tenant = plant_site(session)
        vault.put(session, keyring, tenant.shared_secret, SECRET, now=now)
        rotation = Rotation(tenant_id=tenant.id, actor="ada", now=now, fresh=fresh)
        keys.ensure(session, keyring, rotation)
        run_id = runs.record(session, call_of(tenant.id), now=now)
        assert run_id is not None
        return Planted(tenant.id, run_id)
