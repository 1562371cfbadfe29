"""Deletes a tenant's events by age, as its admins chose; for no other reason.

Whole ranges go, the oldest first, and in the same transaction a checkpoint says so.
What no checkpoint has is not deleted.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import hashing, statement
from app.checkpoints.chain import Chain, Link, append, lock
from app.checkpoints.tables import AmendmentRow, Checkpoint
from app.crypto import Keyring
from app.db import least_id
from app.tokens import checkpoint

log = logging.getLogger(__name__)

RANGES = 200
"""Checkpoints that one transaction looks at: many have few events."""


@dataclass(frozen=True, kw_only=True)
class _Old:
    """Ranges that may go: up to which checkpoint, and their events."""

    through: int
    ranges: int
    events: Sequence[uuid.UUID]


def prune(
    session: Session,
    keyring: Keyring,
    tenant_id: uuid.UUID,
    *,
    before: datetime,
    now: datetime,
    limit: int,
) -> int:
    """Delete the oldest ranges all of whose events happened before.

    At least one range, if one is old enough, and else no more than `limit` events.
    Return how many events and ranges went.
    """
    is_any = sa.select(Checkpoint.id).where(Checkpoint.tenant_id == tenant_id).limit(1)
    if session.scalar(is_any) is None:
        return 0
    chain = lock(session, keyring, tenant_id, now=now)
    old = _old(session, chain, before, limit)
    # A range without events, which says what was pruned or amended before it, goes with
    # those. Alone it is not worth another one, or an empty history would grow for ever.
    if not old.events and old.ranges < RANGES:
        return 0
    append(session, chain, Link(pruned_through=old.through), now=now)
    session.execute(
        sa.delete(AuditEvent).where(
            AuditEvent.tenant_id == tenant_id, AuditEvent.id.in_(old.events)
        )
    )
    session.execute(
        sa.delete(AmendmentRow).where(
            AmendmentRow.tenant_id == tenant_id, AmendmentRow.seq <= old.through
        )
    )
    session.execute(
        sa.update(Checkpoint)
        .where(Checkpoint.tenant_id == tenant_id, Checkpoint.seq <= old.through)
        .where(Checkpoint.leaves.is_not(None))
        .values(leaves=None)
    )
    return len(old.events) + old.ranges


def count_old(session: Session, tenant_id: uuid.UUID, *, before: datetime) -> int:
    """Count the events that happened before and are under a checkpoint.

    Of the last range some may stay, until its youngest is old enough.
    """
    old = sa.select(sa.func.count(AuditEvent.id)).where(
        AuditEvent.tenant_id == tenant_id,
        AuditEvent.id < least_id(before),
        AuditEvent.checkpoint_id.is_not(None),
    )
    return session.scalar(old) or 0


def _old(session: Session, chain: Chain, before: datetime, limit: int) -> _Old:
    through = chain.newest.pruned_through if chain.newest else 0
    rows = session.execute(
        sa.select(Checkpoint.seq, Checkpoint.jws)
        .where(Checkpoint.tenant_id == chain.tenant_id, Checkpoint.seq > through)
        .order_by(Checkpoint.seq)
        .limit(RANGES)
    ).all()
    ranges, events = 0, list[uuid.UUID]()
    for row in rows:
        found = _events(session, chain, row, before)
        if found is None or (events and len(events) + len(found) > limit):
            break
        through, ranges = row.seq, ranges + 1
        events += found
    return _Old(through=through, ranges=ranges, events=events)


def _events(
    session: Session, chain: Chain, row: sa.Row[int, str], before: datetime
) -> Sequence[uuid.UUID] | None:
    """Return the events of a range that is old enough; None for any other.

    Attack: who changes the list of a range has us delete younger events. A range that
    is not as it was signed stays, and so does all that is younger.
    """
    try:
        said = statement.parse(checkpoint.read(row.jws, chain.public))
    except ValueError:
        said = None
    # One by one: a list is long, and mostly the first range is too young already.
    wanted = (Checkpoint.tenant_id == chain.tenant_id, Checkpoint.seq == row.seq)
    packed = session.scalar(sa.select(Checkpoint.leaves).where(*wanted)) or b""
    if said is None or said.seq != row.seq or said.root != hashing.root(packed):
        log.error("tenant=%s checkpoint=%s is broken", chain.tenant_id, row.seq)
        return None
    events = [leaf.event_id for leaf in hashing.unpack(packed)]
    return None if any(key >= least_id(before) for key in events) else events
