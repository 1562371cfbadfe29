"""Counts each hour once it is over; what is not counted yet is counted on looking."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.figures import counting
from app.figures.spans import HOUR, Figures, hour, hour_of
from app.figures.tables import Counted, Hour
from app.runs import RunState

SETTLING = timedelta(minutes=5)
"""How long after its end an hour is counted: what was under way is committed then."""

AT_ONCE, RUNS_AT_ONCE = 48, 5000
"""Hours that one call counts, and runs after which it counts no other hour: a long
outage is caught up in steps, each short enough for who waits to write."""


def count_up(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> bool:
    """Count a site's hours that are closed and not counted; say if some are left.

    Each hour is counted once, whoever calls and however often: the row that says how
    far we are is locked, and moves on with what was counted.
    """
    closed = hour_of(now - SETTLING)
    counted, runs = _locked(session, tenant_id, closed), 0
    if closed - counted.until > HOUR:
        # An outage, or an old site's first time: over what is empty in one go.
        first = counting.oldest(session, tenant_id, since=counted.until) or closed
        counted.until = max(counted.until, min(hour_of(first), closed))
    for begins_at in _hours(counted.until, min(closed, counted.until + AT_ONCE * HOUR)):
        figures = counting.count(session, tenant_id, begins_at)
        if not figures.is_empty:
            session.add(_row(tenant_id, figures))
        counted.until = figures.ends_at
        runs += figures.runs
        if runs >= RUNS_AT_ONCE:
            break
    return counted.until < closed


def read(
    session: Session, tenant_id: uuid.UUID, *, since: datetime, now: datetime
) -> Sequence[Figures]:
    """Return the hours from that of `since` to the present one, the empty ones too.

    Counted hours cost a row each. The others, as a rule the present hour and the one
    before, cost what happened in them, as `counting.count` says: the last hour's runs
    and not those of a month. While nobody counts, they become more.
    """
    first = hour_of(since)
    counted = session.get(Counted, tenant_id)
    until = counted.until if counted else counting.oldest(session, tenant_id)
    kept = _kept(session, tenant_id, first, until) if counted else {}
    return [
        counting.count(session, tenant_id, begins_at)
        if until and begins_at >= hour_of(until)
        else kept.get(begins_at, hour(begins_at))
        for begins_at in _hours(first, hour_of(now) + HOUR)
    ]


def _hours(first: datetime, end: datetime) -> Iterator[datetime]:
    while first < end:
        yield first
        first += HOUR


def _locked(session: Session, tenant_id: uuid.UUID, closed: datetime) -> Counted:
    """Return how far the site is counted; at first, up to where its history begins."""
    found = session.get(Counted, tenant_id, with_for_update=True)
    if found is not None:
        return found
    began = counting.oldest(session, tenant_id) or closed
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # Two workers may both be first; then the second waits here, and goes on from there.
    session.execute(
        insert(Counted)
        .values(tenant_id=tenant_id, until=min(hour_of(began), closed))
        .on_conflict_do_nothing()
    )
    return session.get_one(Counted, tenant_id, with_for_update=True)


def _kept(
    session: Session, tenant_id: uuid.UUID, first: datetime, until: datetime | None
) -> dict[datetime, Figures]:
    rows = session.scalars(
        sa.select(Hour).where(
            Hour.tenant_id == tenant_id,
            Hour.begins_at >= first,
            # A worker may be counting right now: then these hours are counted here.
            Hour.begins_at < until,
        )
    )
    return {row.begins_at: _figures(row) for row in rows}


def _figures(row: Hour) -> Figures:
    return Figures(
        begins_at=row.begins_at,
        ends_at=row.begins_at + HOUR,
        verified=row.verified,
        duplicates=row.duplicates,
        refused=row.refused,
        rescued=row.rescued,
        ended={RunState(state): number for state, number in row.ended.items()},
        took={int(bucket): number for bucket, number in row.took.items()},
    )


def _row(tenant_id: uuid.UUID, figures: Figures) -> Hour:
    return Hour(
        tenant_id=tenant_id,
        begins_at=figures.begins_at,
        verified=figures.verified,
        duplicates=figures.duplicates,
        refused=figures.refused,
        rescued=figures.rescued,
        ended=dict(figures.ended),
        took={str(bucket): number for bucket, number in figures.took.items()},
    )
