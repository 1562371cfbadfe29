"""Chooses the run that is carried out next, and takes it so that nobody else does."""

import functools
import uuid
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app import quotas, stops
from app.runs.tables import Run
from app.runs.turns import FIRST, Turns

LISTED = 16
"""Of so many sites that have a run due, one is chosen."""

WINDOW = 100
"""Of so many due runs of a site one is chosen. More of them in hand at once, or a
hundred of one issue in front, hold up no other site, only this one's later runs."""

_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Run.due_at.type)


def take(session: Session, turns: Turns, *, now: datetime) -> Run | None:
    """Return the run that is next, locked until the transaction ends; None if none is.

    How much a site has due counts for nothing, only that it has something.
    """
    for due in _rounds(session, turns, now):
        for tenant_id in turns.order(due):
            run = _take(session, tenant_id, now)
            if run is not None:
                return run
    return None


def _rounds(session: Session, turns: Turns, now: datetime) -> Iterator[list[uuid.UUID]]:
    """Yield the tenants that have a run which is due; so many at once, where many do.

    Then it begins behind who was served last, and goes once round.
    """
    last = turns.last
    found = _due(session, FIRST, now)
    if len(found) < LISTED:
        yield found
        return
    found = _due(session, last, now)
    yield found
    while len(found) == LISTED:
        found = _due(session, found[-1], now)
        yield found
    behind = FIRST
    while behind < last:
        found = _due(session, behind, now)
        yield [each for each in found if each <= last]
        behind = found[-1] if len(found) == LISTED else last


def _due(session: Session, behind: uuid.UUID, now: datetime) -> list[uuid.UUID]:
    """Return the first tenants behind that one which have a run that is due."""
    asked = {"now": now, "behind": behind}
    return sorted(session.scalars(_tenants(), asked))


# Each statement is made once: to make one takes longer than the database for it.


@functools.cache
def _tenants() -> sa.Select[uuid.UUID]:
    """Return what goes from one tenant of the index to the next, and stops soon.

    What it costs grows with the tenants that have open runs, and not with their runs.
    """
    # In the very order of the index: by any other a database may find it by another.
    in_order = (Run.tenant_id, Run.due_at, Run.id)
    open_runs = sa.select(Run.tenant_id).where(Run.due_at.is_not(None))
    next_one = open_runs.order_by(*in_order).limit(1)
    first = next_one.where(Run.tenant_id > sa.bindparam("behind"))
    first_row = sa.select(first.scalar_subquery().label("tenant_id"))
    tenants = first_row.cte("open_tenant", recursive=True)
    after = next_one.where(Run.tenant_id > tenants.c.tenant_id).correlate(tenants)
    tenants = tenants.union_all(
        sa.select(after.scalar_subquery()).where(tenants.c.tenant_id.is_not(None))
    )
    oldest = (
        sa.select(Run.due_at)
        .where(Run.tenant_id == tenants.c.tenant_id, Run.due_at.is_not(None))
        .order_by(*in_order)
        .limit(1)
        .correlate(tenants)
        .scalar_subquery()
    )
    # No ORDER BY: to sort, a database would go to the last tenant first.
    return (
        sa.select(tenants.c.tenant_id)
        .where(oldest <= _NOW, *_is_free(tenants.c.tenant_id))
        .limit(LISTED)
    )


def _is_free(
    tenant_id: sa.ColumnElement[uuid.UUID],
) -> tuple[sa.ColumnElement[bool], ...]:
    return stops.is_free(tenant_id), quotas.is_awake(tenant_id, _NOW)


def _take(session: Session, tenant_id: uuid.UUID, now: datetime) -> Run | None:
    """Take the tenant's longest due run of an issue of which none is in hand.

    So runs of one issue are carried out one after the other, in the order in which
    they are due, however many workers there are: each goes for the first one of an
    issue, and past the whole issue if that one is taken, or about to be.
    """
    asked = {"now": now, "tenant_id": tenant_id}
    waiting = session.execute(_waiting(), asked).all()
    busy = {row.issue_id for row in waiting if not _is_over(row.lease_until, now)}
    for row in waiting:
        if row.issue_id in busy:
            continue
        busy.add(row.issue_id)
        run = session.scalar(_one(), {"now": now, "run_id": row.id})
        if run is not None:
            return run
    return None


@functools.cache
def _waiting() -> sa.Select[uuid.UUID, str, datetime | None]:
    """Return the longest due runs of a tenant, those in hand among them."""
    return (
        sa.select(Run.id, Run.issue_id, Run.lease_until)
        .where(Run.tenant_id == sa.bindparam("tenant_id"), Run.due_at <= _NOW)
        .order_by(Run.due_at, Run.id)
        .limit(WINDOW)
    )


@functools.cache
def _one() -> sa.Select[Run]:
    """Return what takes a run, unless somebody else has it or is about to."""
    return (
        sa.select(Run)
        .where(
            Run.id == sa.bindparam("run_id"),
            Run.due_at <= _NOW,
            sa.or_(Run.lease_until.is_(None), Run.lease_until <= _NOW),
            *_is_free(Run.tenant_id.expression),
        )
        .with_for_update(skip_locked=True)
        .options(undefer(Run.config), undefer(Run.unverified_hint))
    )


def _is_over(lease_until: datetime | None, now: datetime) -> bool:
    return lease_until is None or lease_until <= now
