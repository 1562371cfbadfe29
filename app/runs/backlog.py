"""How much is to be done, over all tenants: for a monitor, and cheap whatever there is.

Nothing here reads a table: what is under way is found by when it is due, and no more
of it than a bound. Runs that ended are counted when they end (`app.metrics`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import stops
from app.runs.tables import Run, RunState
from app.tenants import State, Tenant

MOST = 5_000
"""Runs that are looked at, the longest due first: more are counted as so many."""

MOST_IN_DOUBT = 100
"""Runs of one tenant that wait for a person's word; more are counted as so many."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """How many runs stand how, up to `MOST`; no tenant is named."""

    states: Mapping[RunState, int]
    """Runs under way, and those that wait for a person's word."""
    due: int
    """How many a worker might take now: of no tenant that is stopped."""
    due_since: datetime | None
    """Since when the one that has waited for longest is due."""


def count_backlog(session: Session, *, now: datetime) -> Backlog:
    """Count what is under way, and what of it is due."""
    # Not "IS NOT NULL", by which SQLite begins at the million that ended.
    first = (
        sa.select(Run.state, Run.due_at, Run.lease_until, Run.tenant_id)
        .where(Run.due_at >= _EVER)
        .order_by(Run.due_at)
        .limit(MOST)
        .subquery()
    )
    is_waiting = sa.and_(
        first.c.due_at <= now,
        sa.or_(first.c.lease_until.is_(None), first.c.lease_until <= now),
        stops.is_free(first.c.tenant_id),
    )
    rows = session.execute(
        sa.select(
            first.c.state,
            sa.func.count().label("number"),
            sa.func.count(sa.case((is_waiting, 1))).label("due"),
            sa.func.min(sa.case((is_waiting, first.c.due_at))).label("since"),
        ).group_by(first.c.state)
    ).all()
    states = Counter({row.state: row.number for row in rows})
    states[RunState.AMBIGUOUS] = _in_doubt(session)
    return Backlog(
        states={state: states[state] for state in _shown(states)},
        due=sum(row.due for row in rows),
        due_since=min((row.since for row in rows if row.since), default=None),
    )


def _shown(states: Iterable[RunState]) -> set[RunState]:
    """Return the states that are always told, and whatever else was found."""
    under_way = {RunState.RECEIVED, RunState.RUNNING, RunState.FAILING}
    return under_way | {RunState.AMBIGUOUS} | set(states)


def _in_doubt(session: Session) -> int:
    """Count runs that nobody but a person can end.

    Tenant by tenant, with a bound each: a database that is asked for all at once may
    read through every run there is.
    """
    some: sa.Select[Any] = (
        sa.select(Run.id)
        .where(Run.tenant_id == Tenant.id, Run.state == RunState.AMBIGUOUS)
        .limit(MOST_IN_DOUBT)
        .correlate(Tenant)
    )
    number = sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery()
    each = sa.select(number.label("number")).where(Tenant.state == State.ACTIVE)
    return session.scalar(sa.select(sa.func.sum(each.subquery().c.number))) or 0
