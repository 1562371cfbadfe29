"""Counts what happened in an hour, from the runs and the audit themselves."""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.audit import AuditEvent, Kind, left_out
from app.db import least_id
from app.figures.durations import bucket
from app.figures.spans import HOUR, Figures
from app.runs import Run, RunState
from app.tenants import Door

COUNTED = (
    Kind.VERIFICATION_ACCEPTED,
    Kind.VERIFICATION_DUPLICATE,
    Kind.VERIFICATION_REFUSED,
    Kind.TICKET_RESCUED,
)

LEFT_OUT = {counted: kind for kind, counted in audit.LEFT_OUT.items()}
"""Which kind the events count that stand for those that were not written."""

ENDS = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.SKIPPED,
    RunState.UNCONFIRMED,
    RunState.DUPLICATE,
)
"""States that a run keeps. One that waits for a person's answer goes on later, and
must not be counted in an hour that is closed by then."""

TIMED = (RunState.SUCCEEDED, RunState.FAILED)


def count(session: Session, tenant_id: uuid.UUID, begins_at: datetime) -> Figures:
    """Return what one hour came to, by two ranges of indexes.

    It costs what happened in it: of a site's million runs in 30 days, some 1400 runs,
    read one by one for their times, and as many events as index entries.
    """
    ends_at = begins_at + HOUR
    happened = _events(session, tenant_id, begins_at, ends_at)
    ended: Counter[RunState] = Counter()
    took: Counter[int] = Counter()
    for state, lasted in _ends(session, tenant_id, begins_at, ends_at):
        ended[state] += 1
        if state in TIMED:
            took[bucket(lasted)] += 1
    return Figures(
        begins_at=begins_at,
        ends_at=ends_at,
        verified=happened[Kind.VERIFICATION_ACCEPTED],
        duplicates=happened[Kind.VERIFICATION_DUPLICATE],
        refused=happened[Kind.VERIFICATION_REFUSED],
        rescued=happened[Kind.TICKET_RESCUED],
        ended=dict(ended),
        took=dict(took),
    )


def oldest(
    session: Session, tenant_id: uuid.UUID, *, since: datetime | None = None
) -> datetime | None:
    """Return when the first of what is kept of a site happened; from `since` on."""
    events = sa.select(AuditEvent.happened_at).where(AuditEvent.tenant_id == tenant_id)
    ends = sa.select(Run.finished_at).where(
        Run.tenant_id == tenant_id, Run.finished_at.is_not(None)
    )
    if since is not None:
        events = events.where(AuditEvent.id >= least_id(since))
        ends = ends.where(Run.finished_at >= since)
    event = session.scalar(events.order_by(AuditEvent.id).limit(1))
    end = session.scalar(ends.order_by(Run.finished_at).limit(1))
    return min((moment for moment in (event, end) if moment), default=None)


def _events(
    session: Session, tenant_id: uuid.UUID, begins_at: datetime, ends_at: datetime
) -> Counter[str]:
    """Return how often each kind happened; an event's id says when it did."""
    rows = session.execute(
        sa.select(AuditEvent.kind, sa.func.count().label("number"))
        .where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.kind.in_(COUNTED),
            AuditEvent.id >= least_id(begins_at),
            AuditEvent.id < least_id(ends_at),
        )
        .group_by(AuditEvent.kind)
    )
    happened = Counter({row.kind: row.number for row in rows})
    for counted in session.scalars(
        sa.select(AuditEvent).where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.kind.in_(LEFT_OUT),
            AuditEvent.id >= least_id(begins_at),
            AuditEvent.id < least_id(ends_at),
        )
    ):
        # Few: a flood is written as some samples and the number of the others (T13).
        happened[LEFT_OUT[Kind(counted.kind)]] += left_out(counted)
    return happened


def _ends(
    session: Session, tenant_id: uuid.UUID, begins_at: datetime, ends_at: datetime
) -> Iterator[tuple[RunState, timedelta]]:
    """Return how each run ended and how long it took.

    What a person carried out again took its time from when he asked for that; a rescue
    from the transition, for that is how long the ticket was held.
    """
    began_at = sa.case(
        (
            sa.and_(Run.replay_of.is_not(None), Run.door != Door.WATCHDOG),
            Run.received_at,
        ),
        else_=sa.func.coalesce(Run.changed_at, Run.received_at),
    )
    # As bare as the driver has them: only what is between the two counts, and giving a
    # thousand moments their zone takes longer than to read them.
    bare = sa.DateTime(timezone=True)
    rows = session.execute(
        sa.select(
            sa.type_coerce(Run.state, sa.Text()),
            sa.type_coerce(Run.finished_at, bare),
            sa.type_coerce(began_at, bare),
        ).where(
            Run.tenant_id == tenant_id,
            Run.finished_at >= begins_at,
            Run.finished_at < ends_at,
        )
    )
    for state, finished_at, began in rows:
        if state in ENDS:
            yield RunState(state), finished_at - began
