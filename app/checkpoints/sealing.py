"""Brings what happened under checkpoints, a bounded number of events at a time."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import hashing
from app.checkpoints.chain import Link, append, lock
from app.checkpoints.hashing import COLUMNS, Leaf
from app.crypto import Keyring
from app.db import least_id, moment_of
from app.tenants import Tenant

EVENTS = 1000
"""Events of one checkpoint."""

SPAN = timedelta(days=1)
"""Between the first event of a checkpoint and its last. Only whole checkpoints are
deleted by age, so no event stays for longer than this beyond what admins chose."""

SETTLING = timedelta(seconds=30)
"""How old an event is at least. Which events a checkpoint has is said by each of them
and not by a range of ids, so one that is committed late is none the worse: it comes
under the next one. This only lets most of them come in their order."""


def waiting(session: Session, *, now: datetime) -> Sequence[uuid.UUID]:
    """Return the tenants that have events to bring under a checkpoint."""
    is_open = (
        sa.select(AuditEvent.id)
        .where(AuditEvent.tenant_id == Tenant.id, *_open(now))
        .exists()
    )
    return session.scalars(
        sa.select(Tenant.id).where(is_open).order_by(Tenant.id)
    ).all()


def seal(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> int:
    """Bring the tenant's oldest open events under one checkpoint; return how many."""
    chain = lock(session, keyring, tenant_id, now=now)
    rows = hashing.read(
        session,
        sa.select(*COLUMNS)
        .where(AuditEvent.tenant_id == tenant_id, *_open(now))
        .order_by(AuditEvent.id)
        .limit(EVENTS),
    )
    if not rows:
        return 0
    end = least_id(moment_of(rows[0].id) + SPAN)
    rows = [row for row in rows if row.id < end]
    nonces = {row.id: hashing.new_nonce() for row in rows}
    leaves = [
        Leaf(row.id, hashing.digest(tenant_id, row, nonce=nonces[row.id]))
        for row in rows
    ]
    # By the events' own clocks: the worker's may be wrong, and judges nobody.
    through = moment_of(rows[-1].id)
    said = append(session, chain, Link(leaves=leaves, through=through), now=now)
    session.connection().execute(
        sa.update(AuditEvent.__table__)  # type: ignore[arg-type]
        .where(AuditEvent.id == sa.bindparam("event"))
        .values(checkpoint_id=said.id, nonce=sa.bindparam("chance")),
        [{"event": key, "chance": nonce} for key, nonce in nonces.items()],
    )
    return len(rows)


def _open(now: datetime) -> Sequence[sa.ColumnElement[bool]]:
    return (
        AuditEvent.checkpoint_id.is_(None),
        AuditEvent.id < least_id(now - SETTLING),
    )
