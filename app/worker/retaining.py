"""What is kept for a time, then forgotten: how some of it goes, and how much it is."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import checkpoints, figures, forge, runs
from app.runtime import Runtime
from app.tenants import Tenant, preferences

BATCH = 200
"""Rows that one transaction deletes or changes. With their steps and attempts 200 runs
keep SQLite's other writers waiting for some 25 ms, 500 for 50."""

HOUR_DAYS = 400
"""How long the figures of an hour are kept; they name nobody."""


_Act = Callable[..., int]


@dataclass(frozen=True, kw_only=True)
class Sort:
    """One sort of rows that go by age."""

    name: str
    forget: Callable[[Session], int]
    """Deletes or empties some, and says how many; 0 when none is left."""
    count: Callable[[Session], int]
    """Says how many there are in all."""


@dataclass(frozen=True, kw_only=True)
class Went:
    """Rows of one sort that went, or would go; without a tenant, of all sites."""

    tenant_id: uuid.UUID | None
    name: str
    count: int


def sites(runtime: Runtime) -> Sequence[uuid.UUID]:
    """Return all of them: what those that left have here is kept no longer."""
    with runtime.sessions.begin() as session:
        return list(session.scalars(sa.select(Tenant.id).order_by(Tenant.id)))


def of_all(runtime: Runtime) -> Sequence[Sort]:
    """Return what has a time of its own, whoever's it is, and may be much."""
    now = runtime.now()
    return (
        Sort(
            name="calls",
            forget=partial(forge.forget_calls, now=now, limit=BATCH),
            count=partial(forge.count_old_calls, now=now),
        ),
    )


def of_site(runtime: Runtime, tenant_id: uuid.UUID) -> Sequence[Sort]:
    """Return what the site's admins do not want kept, and what nobody needs."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        kept = preferences.find(session, tenant_id)

    def forget_events(
        session: Session, of: uuid.UUID, *, before: datetime, limit: int
    ) -> int:
        return checkpoints.prune(
            session, runtime.keyring, of, before=before, now=now, limit=limit
        )

    def by_age(name: str, days: int, forget: _Act, count: _Act) -> Sort:
        before = now - timedelta(days=days)
        return Sort(
            name=name,
            forget=lambda session: forget(
                session, tenant_id, before=before, limit=BATCH
            ),
            count=lambda session: count(session, tenant_id, before=before),
        )

    return (
        by_age(
            "exchanges",
            kept.exchange_days,
            runs.forget_exchanges,
            runs.count_old_exchanges,
        ),
        by_age("runs", kept.run_days, runs.prune, runs.count_old),
        by_age("events", kept.audit_days, forget_events, checkpoints.count_old),
        by_age("hours", HOUR_DAYS, figures.forget_hours, figures.count_old_hours),
    )


def due(runtime: Runtime) -> Iterator[Went]:
    """Say what would go now, without any of it going; a short look for each sort."""
    every = of_all(runtime)
    sorts: list[tuple[uuid.UUID | None, Sort]] = [(None, each) for each in every]
    for tenant_id in sites(runtime):
        sorts += [(tenant_id, each) for each in of_site(runtime, tenant_id)]
    for of, sort in sorts:
        with runtime.sessions.begin() as session:
            count = sort.count(session)
        if count:
            yield Went(tenant_id=of, name=sort.name, count=count)
