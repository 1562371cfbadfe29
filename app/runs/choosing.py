"""Chooses the run that is carried out next, and takes it so that nobody else does."""

import functools
import hashlib
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, undefer

from app import quotas, stops
from app.runs.tables import Run
from app.runs.turns import Due, Turns

WINDOW = 100
"""Of so many due runs of a site one is chosen. More of them in hand at once, or a
hundred of one issue in front, hold up no other site, only this one's later runs."""

_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=Run.due_at.type)


def take(session: Session, turns: Turns, *, now: datetime) -> Run | None:
    """Return the run that is next, locked until the transaction ends; None if none is.

    How much a site has due counts for nothing, only that it has something.
    """
    for tenant_id in turns.order(_due(session, now)):
        run = _take(session, tenant_id, now)
        if run is not None:
            return run
    return None


def _due(session: Session, now: datetime) -> list[Due]:
    """Return every tenant that has a run which is due."""
    return [Due(*row) for row in session.execute(_tenants(), {"now": now})]


# Each statement is made once: to make one takes longer than the database for it.


@functools.cache
def _tenants() -> sa.Select[uuid.UUID, datetime]:
    """Return what goes from one tenant of the index to the next.

    What it costs grows with the tenants that have open runs, and not with their runs.
    """
    open_runs = sa.select(Run.tenant_id).where(Run.due_at.is_not(None))
    open_runs = open_runs.order_by(Run.tenant_id).limit(1)
    first = sa.select(open_runs.scalar_subquery().label("tenant_id"))
    tenants = first.cte("open_tenant", recursive=True)
    behind = open_runs.where(Run.tenant_id > tenants.c.tenant_id).correlate(tenants)
    tenants = tenants.union_all(
        sa.select(behind.scalar_subquery()).where(tenants.c.tenant_id.is_not(None))
    )
    oldest = (
        sa.select(sa.func.min(Run.due_at))
        .where(Run.tenant_id == tenants.c.tenant_id, Run.due_at.is_not(None))
        .correlate(tenants)
        .scalar_subquery()
    )
    since = sa.select(tenants.c.tenant_id, oldest.label("since")).subquery()
    return sa.select(since.c.tenant_id, since.c.since).where(
        since.c.since <= _NOW, *_is_free(since.c.tenant_id)
    )


def _is_free(
    tenant_id: sa.ColumnElement[uuid.UUID],
) -> tuple[sa.ColumnElement[bool], ...]:
    return stops.is_free(tenant_id), quotas.is_awake(tenant_id, _NOW)


def _take(session: Session, tenant_id: uuid.UUID, now: datetime) -> Run | None:
    """Take the tenant's longest due run of an issue of which none is in hand.

    So runs of one issue are carried out one after the other, in the order in which
    they are due, however many workers there are.
    """
    asked = {"now": now, "tenant_id": tenant_id}
    waiting = session.execute(_waiting(), asked).all()
    busy = {row.issue_id for row in waiting if not _is_over(row.lease_until, now)}
    for row in waiting:
        if row.issue_id in busy:
            continue
        busy.add(row.issue_id)  # if it is not to be had, those behind it wait as well
        if not _reserve(session, f"{tenant_id} {row.issue_id}"):
            continue
        same = [other.id for other in waiting if other.issue_id == row.issue_id]
        wanted = {"now": now, "run_id": row.id, "of_issue": same}
        run = session.scalar(_one(), wanted)
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
    """Return what takes a run, unless it or another of its issue is in hand.

    Of the issue it was asked before; one may have been taken, and committed, since.
    """
    other = aliased(Run)
    of_issue = other.id.in_(sa.bindparam("of_issue", expanding=True))
    in_hand = sa.exists().where(of_issue, other.lease_until > _NOW)
    return (
        sa.select(Run)
        .where(
            Run.id == sa.bindparam("run_id"),
            Run.due_at <= _NOW,
            sa.not_(in_hand),
            *_is_free(Run.tenant_id.expression),
        )
        .with_for_update(skip_locked=True, of=Run)
        .options(undefer(Run.config), undefer(Run.unverified_hint))
    )


def _reserve(session: Session, issue: str) -> bool:
    """Keep an issue's runs for this transaction; False if another one has them.

    On SQLite nobody else writes now. On PostgreSQL two workers could each take one of
    two runs, seeing neither's lease: so an issue has a lock of its own. Two issues may
    share one; then one of them waits for its turn.
    """
    if session.get_bind().dialect.name != "postgresql":
        return True
    digest = hashlib.sha256(issue.encode()).digest()
    lock = sa.func.pg_try_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))
    return bool(session.scalar(sa.select(lock)))


def _is_over(lease_until: datetime | None, now: datetime) -> bool:
    return lease_until is None or lease_until <= now
