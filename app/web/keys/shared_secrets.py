"""What Jira shares with us, version by version: its age, its end, its last use."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.audit import AuditEvent, Kind
from app.db import least_id
from app.tenants import Tenant
from app.vault import Version

SHOWN = 5
"""Versions that are shown; each install makes one."""

LOOKED_THROUGH = 2000
"""Verified calls that are looked through for one version's last use."""


@dataclass(frozen=True, kw_only=True)
class ShownVersion:
    """One version of the shared secret, without the secret."""

    generation: int
    received_at: datetime
    accepted_until: datetime | None
    """None for the version that is current."""
    has_ended: bool
    used_at: datetime | None
    """When a call that it signed was last verified, as far as was looked."""
    proven_at: datetime | None
    """Of the current one: since when Jira answers calls that we sign with it."""


def read(session: Session, tenant: Tenant, *, now: datetime) -> Sequence[ShownVersion]:
    """Return the tenant's newest versions, the newest first."""
    found = vault.versions(session, tenant.shared_secret)[:SHOWN]
    return [
        ShownVersion(
            generation=version.generation,
            received_at=version.created_at,
            accepted_until=version.expires_at,
            has_ended=version.expires_at is not None and version.expires_at <= now,
            used_at=_used_at(session, tenant.id, version),
            proven_at=tenant.proven_at if version.expires_at is None else None,
        )
        for version in found
    ]


def _used_at(
    session: Session, tenant_id: uuid.UUID, version: Version
) -> datetime | None:
    """Return when a call with this version was last verified.

    Looked for from the version's end backwards, in its own time only: it cannot have
    been used before or after. Ids are in the order of time, so that is a range of them.
    """
    within = [AuditEvent.id >= least_id(version.created_at)]
    if version.expires_at is not None:
        within.append(AuditEvent.id <= least_id(version.expires_at))
    latest = (
        sa.select(AuditEvent.id, AuditEvent.happened_at, AuditEvent.detail)
        .where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.kind == Kind.VERIFICATION_ACCEPTED,
            *within,
        )
        .order_by(AuditEvent.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )
    # The text is canonical JSON, in which quotes of a value are escaped: no value can
    # pretend to be this key. A number ends with a comma or with the object.
    named = f'%"secret_generation":{version.generation}'
    fits = sa.or_(*(latest.c.detail.like(named + end) for end in (",%", "}")))
    return session.scalar(
        sa.select(latest.c.happened_at)
        .where(fits)
        .order_by(latest.c.id.desc())
        .limit(1)
    )
