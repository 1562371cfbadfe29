"""Compares the events of one checkpoint with what was signed of them."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import findings, hashing
from app.checkpoints.findings import Finding
from app.checkpoints.hashing import COLUMNS, Event, Leaf
from app.checkpoints.statement import Statement
from app.checkpoints.tables import AmendmentRow
from app.db import is_of, moment_of

LATE = timedelta(hours=1)
"""How long an event may be written before it is committed. A request that takes long
notes when it began, and clocks of two machines differ; neither by an hour."""

MORE = 100
"""Events beyond those of a checkpoint that are looked at. Attack: a million put in."""

PAIRED = 50
"""Changed events among which it is looked for two that changed places."""

Digests = Mapping[uuid.UUID, bytes]

Trusts = Callable[[int], bool]
"""Says of a checkpoint, by its number, whether its list of amendments is genuine."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """One checkpoint's part of a history, and what was signed of it."""

    said: Statement
    before: Statement | None
    """The checkpoint before, if it is as it was signed."""
    leaves: Sequence[Leaf]


def compare(session: Session, found: Range, trusts: Trusts) -> Iterator[Finding]:
    """Yield what is wrong with the events of a checkpoint whose list is genuine."""
    said = found.said
    rows = hashing.read(
        session,
        sa.select(*COLUMNS)
        .where(*_under(said))
        .order_by(AuditEvent.id)
        .limit(said.count + MORE),
    )
    expected = _expected(session, found, trusts)
    wrong = [row for row in rows if not _is_as(said.tenant_id, row, expected)]
    yield from _changed(said.tenant_id, wrong, expected)
    broken = {row.id for row in wrong}
    for row in rows:
        finding = None if row.id in broken else _misplaced(row, found)
        if finding is not None:
            yield finding
    yield from _missing(session, said, set(expected) - {row.id for row in rows})


def judge_open(
    event: Event, newest: Statement | None, *, now: datetime
) -> Finding | None:
    """Return what is wrong with an event that no checkpoint has; mostly, nothing is.

    Attack: an event is put in where there was none, as if it had just been written. It
    cannot be older than what the newest checkpoint has. Nor is it of a time to come:
    such a one would stay the newest, and come under no checkpoint until then.
    """
    if event.claimed_issuer is not None or not is_of(event.id, event.happened_at):
        return findings.misdated(event)
    if moment_of(event.id) > now + LATE:
        return findings.early(event.id)
    if newest and moment_of(event.id) < newest.through - LATE:
        return findings.late(event.id, newest.seq, newest.through)
    return None


def _under(said: Statement) -> Sequence[sa.ColumnElement[bool]]:
    return (
        AuditEvent.tenant_id == said.tenant_id,
        AuditEvent.checkpoint_id == said.id,
    )


def _expected(session: Session, found: Range, trusts: Trusts) -> Digests:
    """Return what each event is to hash to: as signed, but for attested changes.

    Attack: an event is changed, and a person is erased from it afterwards, lawfully.
    What is attested is a change of something else than what was signed, so it is passed
    over.
    """
    expected = {leaf.event_id: leaf.digest for leaf in found.leaves}
    tenant_id = found.said.tenant_id
    rows = session.execute(
        sa.select(AmendmentRow.event_id, AmendmentRow.seq)
        .add_columns(AmendmentRow.old, AmendmentRow.new)
        .where(
            AmendmentRow.tenant_id == tenant_id,
            AmendmentRow.event_id.in_(
                sa.select(AuditEvent.id).where(*_under(found.said))
            ),
            AmendmentRow.seq > found.said.seq,
        )
        .order_by(AmendmentRow.seq)
    )
    for row in rows:
        if expected.get(row.event_id) == row.old and trusts(row.seq):
            expected[row.event_id] = row.new
    return expected


def _is_as(tenant_id: uuid.UUID, row: Event, expected: Digests) -> bool:
    # An issuer that is claimed would make it no event of a tenant's.
    is_own = row.claimed_issuer is None
    return is_own and hashing.digest(tenant_id, row) == expected.get(row.id)


def _changed(
    tenant_id: uuid.UUID, wrong: Sequence[Event], expected: Digests
) -> Iterator[Finding]:
    pairs = set[tuple[uuid.UUID, uuid.UUID]]()
    places = [row.id for row in wrong if row.id in expected][:PAIRED]
    for row in wrong:
        if row.id not in expected:
            yield findings.foreign(row.id)
            continue
        own = _own_place(tenant_id, row, places, expected)
        if own is None:
            yield findings.changed(row)
            continue
        pair = (min(row.id, own), max(row.id, own))
        if pair not in pairs:
            yield findings.swapped(*pair)
        pairs.add(pair)


def _own_place(
    tenant_id: uuid.UUID,
    row: Event,
    places: Sequence[uuid.UUID],
    expected: Digests,
) -> uuid.UUID | None:
    """Return whose text the event has, if it is that of another one."""
    for place in places:
        as_there = hashing.digest(tenant_id, row, event_id=place)
        if place != row.id and as_there == expected[place]:
            return place
    return None


def _misplaced(row: Event, found: Range) -> Finding | None:
    """Return what is wrong with an event that is as it was when it was sealed."""
    if not is_of(row.id, row.happened_at):
        return findings.misdated(row)
    before = found.before
    # A clock that was set back says nothing of the events.
    if before is None or found.said.made_at < before.made_at:
        return None
    if moment_of(row.id) < before.through - LATE:
        return findings.late(row.id, before.seq, before.through)
    return None


def _missing(
    session: Session, said: Statement, event_ids: set[uuid.UUID]
) -> Iterator[Finding]:
    if not event_ids:
        return
    elsewhere = set(
        session.scalars(sa.select(AuditEvent.id).where(AuditEvent.id.in_(event_ids)))
    )
    for event_id in sorted(event_ids):
        if event_id in elsewhere:
            yield findings.taken_out(event_id, said.seq)
        else:
            yield findings.missing(event_id)
