"""Who calls, and what would prove it: read in one statement, and held to in another.

Every call to the Connect door begins here. What is read may be remembered for a while
(`app/web/express/`), because what is written for a call that it let in is written only
if `still_callers` says, in that very transaction, that it is still so.
"""

import functools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import db, vault
from app.crypto import Keyring
from app.db import Among, Question
from app.tenants.candidates import Fate, SecretCandidate
from app.tenants.standing import refuse_inactive
from app.tenants.tables import (
    OFFERED_SECRET,
    SHARED_SECRET,
    Door,
    State,
    Tenant,
    TenantIdentity,
)
from app.tokens.checks import Reason, Refused
from app.vault import Opened, SecretVersion


class Proof(NamedTuple):
    """By which name somebody called, and which secret signed his call."""

    identity_id: uuid.UUID
    version_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class Known:
    """A tenant that may call, as it stood when it was read."""

    name: str
    identity_id: uuid.UUID
    tenant: Tenant
    secrets: tuple[Opened, ...]
    """What its tokens may be signed with, the newest first."""
    version_ids: Mapping[int, uuid.UUID]
    """Which row each of them is, by its generation. Generations begin anew once all
    versions are gone, so they stand for a secret only together with that."""
    offered: tuple[uuid.UUID, Opened] | None
    """The secret that a re-install offers, by its candidate's id, if one waits."""

    def proof(self, generation: int) -> Proof:
        """Return what has to be so still when something is written for the call."""
        return Proof(self.identity_id, self.version_ids[generation])


def get_known(session: Session, keyring: Keyring, name: str, *, now: datetime) -> Known:
    """Return who calls by this name at the Connect door; raise `Refused` for nobody.

    One statement, so a secret that is proven meanwhile is seen as offered or as
    accepted, and never as neither.
    """
    rows = session.execute(_ROWS, {"name": name, "now": now}).all()
    if not rows:
        raise Refused(Reason.UNKNOWN_TENANT, name)
    tenant: Tenant = rows[0].Tenant
    if rows[0].ended_at is not None:
        raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)
    refuse_inactive(tenant)
    found = {SHARED_SECRET: list[Opened](), OFFERED_SECRET: list[Opened]()}
    version_ids = {}
    for row in rows:
        version = row.SecretVersion
        if version is None:
            continue
        secret = keyring.open(version.sealed, context=vault.context_of(version))
        found[version.kind].append(Opened(secret, version.generation))
        if version.kind == SHARED_SECRET:
            version_ids[version.generation] = version.id
    candidate_id, offered = rows[0].candidate_id, found[OFFERED_SECRET]
    session.expunge_all()
    return Known(
        name=name,
        identity_id=rows[0].identity_id,
        tenant=tenant,
        secrets=tuple(found[SHARED_SECRET]),
        version_ids=version_ids,
        offered=(candidate_id, offered[0]) if candidate_id and offered else None,
    )


def hold(connection: sa.Connection, proofs: Iterable[Proof]) -> None:
    """Let the tenants of these be as they are until the transaction ends.

    It may wait for who changes one of them. What counts is asked after that, and by the
    clock as it is after that: PostgreSQL, which waits in the middle of a statement,
    goes on with the names and secrets that it found before; and a secret that was
    revoked meanwhile counted still when the wait began.
    """
    if connection.dialect.name == "sqlite":
        return  # whoever writes there is alone from the beginning
    _hold.ask(connection, {"identities": {proof.identity_id for proof in proofs}})


def still_callers(
    connection: sa.Connection, proofs: Iterable[Proof], *, now: datetime
) -> frozenset[Proof]:
    """Return which of these count; the caller holds their tenants (`hold`).

    Attack: a call with a secret that was revoked, or of a tenant that has just left, is
    let in by what a process remembers of before.
    """
    wanted = set(proofs)
    ids = {
        "identities": {proof.identity_id for proof in wanted},
        "versions": {proof.version_id for proof in wanted},
    }
    found = set(_still.ask(connection, ids, now=now))
    stored = functools.partial(db.stored, connection.dialect)
    return frozenset(
        proof for proof in wanted if tuple(stored(each) for each in proof) in found
    )


_counts = sa.or_(
    SecretVersion.expires_at.is_(None), SecretVersion.expires_at > sa.bindparam("now")
)
_waits = sa.and_(
    SecretCandidate.tenant_id == Tenant.id,
    SecretCandidate.fate == Fate.WAITING,
    SecretCandidate.drop_at > sa.bindparam("now"),
)
_versions = sa.and_(
    SecretVersion.tenant_id == Tenant.id,
    SecretVersion.kind.in_((SHARED_SECRET, OFFERED_SECRET)),
    _counts,
)
_ROWS = (
    sa.select(
        Tenant,
        SecretVersion,
        TenantIdentity.id.label("identity_id"),
        TenantIdentity.ended_at,
        SecretCandidate.id.label("candidate_id"),
    )
    .select_from(TenantIdentity)
    .join(Tenant, Tenant.id == TenantIdentity.tenant_id)
    .outerjoin(SecretVersion, _versions)
    .outerjoin(SecretCandidate, _waits)
    .where(
        TenantIdentity.door == Door.CONNECT,
        TenantIdentity.external_id == sa.bindparam("name"),
    )
    .order_by(SecretVersion.generation.desc())
)
_identity, _tenant, _version = (
    cast("sa.Table", each.__table__) for each in (TenantIdentity, Tenant, SecretVersion)
)


@Question
def _hold(among: Among) -> sa.Select[Any]:
    theirs = sa.select(_identity.c.tenant_id).where(among(_identity.c.id, "identities"))
    return (
        sa.select(_tenant.c.id)
        .where(_tenant.c.id.in_(theirs))
        .order_by(_tenant.c.id)  # two who lock several lock them in one order
        .with_for_update(read=True)
    )


@Question
def _still(among: Among) -> sa.Select[Any]:
    return (
        sa.select(_identity.c.id, _version.c.id)
        .select_from(_version)
        .join(_tenant, _tenant.c.id == _version.c.tenant_id)
        .join(_identity, _identity.c.tenant_id == _tenant.c.id)
        .where(
            among(_version.c.id, "versions"),
            _version.c.kind == SHARED_SECRET,
            _counts,
            among(_identity.c.id, "identities"),
            _identity.c.ended_at.is_(None),
            _tenant.c.state == State.ACTIVE,
        )
    )
