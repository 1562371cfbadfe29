"""Sites that have installed the add-on, written into our tables."""

from datetime import timedelta

from sqlalchemy.orm import Session

from app import vault
from app.crypto import Secret
from app.db import new_id
from app.runtime import Runtime
from app.tenants import Door, State, Tenant, TenantIdentity
from bench.hooks import calls

CHUNK = 1000
"""Sites that are written in one transaction."""


def install(runtime: Runtime, count: int, *, first: int = 0) -> list[Tenant]:
    """Let sites be installed whose names and secrets are those of `calls`."""
    found: list[Tenant] = []
    for start in range(first, first + count, CHUNK):
        numbers = range(start, min(start + CHUNK, first + count))
        with runtime.sessions.begin() as session:
            made = [_tenant(runtime, number) for number in numbers]
            session.add_all(made)
            session.flush()
            for number, tenant in zip(numbers, made, strict=True):
                _name(session, runtime, tenant, number)
            session.flush()
            session.expunge_all()
        found += made
    return found


def _tenant(runtime: Runtime, number: int) -> Tenant:
    now = runtime.now() - timedelta(days=30)
    return Tenant(
        id=new_id(now),
        state=State.ACTIVE,
        base_url=f"https://{calls.client_key(number)}.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
        proven_at=now,
    )


def _name(session: Session, runtime: Runtime, tenant: Tenant, number: int) -> None:
    now, name = runtime.now(), calls.client_key(number)
    session.add(
        TenantIdentity(
            id=new_id(now), tenant_id=tenant.id, door=Door.CONNECT, external_id=name
        )
    )
    secret = Secret(calls.secret(number))
    vault.put(session, runtime.keyring, tenant.shared_secret, secret, now=now)
