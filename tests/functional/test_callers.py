"""Who may still call, asked for many at once (T4, T5)."""

import itertools
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app import vault
from app.crypto import Secret
from app.db import new_id
from app.runtime import Runtime
from app.tenants import Door, State, Tenant, TenantIdentity, callers
from app.tenants.callers import Proof

MANY = 9


@pytest.fixture
def proofs(runtime: Runtime) -> list[Proof]:
    """Some sites, and what proves that each of them calls."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        return [_installed(session, runtime, number, now) for number in range(MANY)]


def _installed(session: Session, runtime: Runtime, number: int, now: datetime) -> Proof:
    name = f"site-{number}"
    tenant = Tenant(
        id=new_id(now),
        state=State.ACTIVE,
        base_url=f"https://{name}.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    session.add(tenant)
    session.flush()
    identity = TenantIdentity(
        id=new_id(now), tenant_id=tenant.id, door=Door.CONNECT, external_id=name
    )
    session.add(identity)
    secret = Secret(f"{name}-secret-of-more-than-thirty-two-bytes")
    vault.put(session, runtime.keyring, tenant.shared_secret, secret, now=now)
    session.flush()
    known = callers.get_known(session, runtime.keyring, name, now=now)
    return known.proof(known.secrets[0].generation)


def still(runtime: Runtime, proofs: list[Proof]) -> frozenset[Proof]:
    with runtime.recording.begin() as connection:
        callers.hold(connection, proofs)
        return callers.still_callers(connection, proofs, now=runtime.now())


def test_all_who_may_call_count(runtime: Runtime, proofs: list[Proof]) -> None:
    for count in (1, 2, MANY):
        assert still(runtime, proofs[:count] * 2) == set(proofs[:count])


def test_t4_each_counts_for_himself(runtime: Runtime, proofs: list[Proof]) -> None:
    """Attack: whoever may call no more is let in by who is written with him."""
    left, revoked, ended, *others = proofs
    now = runtime.now()
    with runtime.sessions.begin() as session:
        gone = session.get_one(TenantIdentity, left.identity_id)
        session.get_one(Tenant, gone.tenant_id).state = State.UNINSTALLED
        version = session.get_one(vault.SecretVersion, revoked.version_id)
        version.expires_at = now - timedelta(seconds=1)
        session.get_one(TenantIdentity, ended.identity_id).ended_at = now

    assert still(runtime, proofs) == set(others)
    assert still(runtime, [left, revoked, ended]) == set()


def test_t5_nobody_counts_by_the_secret_of_another(
    runtime: Runtime, proofs: list[Proof]
) -> None:
    """Attack: one site's name with the secret of another that calls beside it."""
    pairs = itertools.pairwise(proofs)
    mixed = [Proof(one.identity_id, other.version_id) for one, other in pairs]

    assert still(runtime, mixed) == set()
    assert still(runtime, [*mixed, proofs[0]]) == {proofs[0]}
