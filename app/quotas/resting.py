"""Writes down what was counted, and says which sites rest, until when and why."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import Base
from app.quotas.meter import Taken, Wanted
from app.quotas.tables import Rest, RestCause, SpentPoints

HOUR = timedelta(hours=1)
"""Jira's quota of points is full again at each full hour of UTC."""

FIRST, LONGEST = timedelta(seconds=2), timedelta(seconds=30)
"""Rests where Jira does not say how long: each twice the one before."""

APART = timedelta(minutes=1)
"""A rest that begins so long after the one before is a first one again."""

JITTER = 0.3
"""By up to this share such a rest is longer, so that sites do not come back at once."""

KEPT = timedelta(days=2)
"""How long an hour's points are kept."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much of the points of an hour one site may have."""

    pool: int
    """Points that all sites have together."""
    percent: int

    @property
    def points(self) -> int:
        return self.pool * self.percent // 100


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A rest that is not over."""

    cause: RestCause
    since: datetime
    until: datetime


def note(
    session: Session, taken: Taken, share: Share, *, now: datetime
) -> list[tuple[uuid.UUID, RestCause, datetime]]:
    """Write down what was counted; return who rests for it, why, and until when."""
    began = []
    hour = _hour(now)
    # In one order, so that two processes that do it at once wait, and never both.
    for tenant_id in sorted({*taken.spent, *taken.rests}):
        wanted = taken.rests.get(tenant_id)
        if wanted is not None:
            until = _rest(session, tenant_id, wanted, now=now)
            began.append((tenant_id, wanted.cause, until))
        if points := taken.spent.get(tenant_id, 0):
            total = _spend(session, tenant_id, hour, points)
            if total >= share.points:
                full = Wanted(cause=RestCause.SHARE, wait=hour + HOUR - now)
                until = _rest(session, tenant_id, full, now=now)
                if total - points < share.points:
                    began.append((tenant_id, full.cause, until))
    return began


def is_awake(
    tenant_id: sa.ColumnElement[uuid.UUID], now: sa.ColumnElement[datetime]
) -> sa.ColumnElement[bool]:
    """Return the condition that the tenant of a row does not rest at `now`.

    As `stops.is_free`: for the statement that takes a row, answered once for it.
    """
    return tenant_id.not_in(sa.select(Rest.tenant_id).where(Rest.until > now))


def find(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> Standing | None:
    """Return the tenant's rest, if it is not over."""
    row = session.get(Rest, tenant_id)
    if row is None or row.until <= now:
        return None
    return Standing(cause=row.cause, since=row.since, until=row.until)


def count_resting(session: Session, *, now: datetime) -> int:
    """Count tenants that rest, for a monitor; none is named."""
    resting = sa.select(sa.func.count()).select_from(Rest).where(Rest.until > now)
    return session.scalar(resting) or 0


def forget(session: Session, *, now: datetime) -> None:
    """Forget what was spent in hours that are long over, and rests that are."""
    session.execute(sa.delete(SpentPoints).where(SpentPoints.hour < now - KEPT))
    session.execute(sa.delete(Rest).where(Rest.until < now - KEPT))


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def _rest(
    session: Session, tenant_id: uuid.UUID, wanted: Wanted, *, now: datetime
) -> datetime:
    """Let the tenant rest, unless it rests for longer already; return until when."""
    before = session.get(Rest, tenant_id, populate_existing=True)
    follows = before is not None and now - before.until < APART
    times = before.times + 1 if before and follows else 1
    wait = wanted.wait
    if wait is None:
        wait = min(FIRST * 2 ** min(times - 1, 9), LONGEST)
        wait *= 1 + random.uniform(0, JITTER)  # noqa: S311 -- spreads load, guards nothing
    values = {
        "tenant_id": tenant_id,
        "cause": wanted.cause,
        "since": now,
        "until": now + wait,
        "times": times,
    }
    insert = _insert(session)(Rest).values(values)
    longer = {name: insert.excluded[name] for name in values if name != "tenant_id"}
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[Rest.tenant_id],
            set_=longer,
            where=Rest.until < insert.excluded.until,
        )
    )
    return now + wait


def _spend(session: Session, tenant_id: uuid.UUID, hour: datetime, points: int) -> int:
    """Add to what the tenant has spent in the hour; return the sum."""
    insert = _insert(session)(SpentPoints).values(
        tenant_id=tenant_id, hour=hour, points=points
    )
    total: int | None = session.scalar(
        insert.on_conflict_do_update(
            index_elements=[SpentPoints.tenant_id, SpentPoints.hour],
            set_={"points": SpentPoints.points + insert.excluded.points},
        ).returning(SpentPoints.points)
    )
    assert total is not None  # noqa: S101 -- it inserts or updates, always
    return total


def _insert(session: Session) -> Callable[[type[Base]], Any]:
    dialect = session.get_bind().dialect.name
    return postgresql.insert if dialect == "postgresql" else sqlite.insert
