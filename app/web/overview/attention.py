"""What of a site needs a person's attention, read so that it may be asked for often.

Every question is of one tenant (rule T5), and none looks through its history.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.audit import Event, Kind
from app.db import UTCDateTime
from app.destinations import Destination, DestinationHealth, DestinationState
from app.rules import KnownRule
from app.runs import Run, RunState
from app.web.destinations import destination_page
from app.web.words import Shown

MOST = 100
"""Of anything that is counted or listed here; more is said to be more."""

RESCUES = 5

MISSED_LOOKS = 3
LONGEST_LOOK = timedelta(minutes=15)
"""Longer than a look may take without a sign of life."""

_HEARTBEAT = sa.table("heartbeat", sa.column("beat_at", UTCDateTime()))
"""The watchdog's own row. It stands beside the web edge and not below, so its class
cannot be imported here; when it looked last, people may know all the same."""


@dataclass(frozen=True, kw_only=True)
class TroubledRule:
    """A rule that somebody should look at."""

    name: str
    workflow: str
    transition: str
    overdue: int
    stopped_because: str | None
    unsound_because: str | None


@dataclass(frozen=True, kw_only=True)
class HeldDestination:
    """A destination and how it is, as far as the overview says it."""

    id: uuid.UUID
    name: str
    state: DestinationState
    is_reached: bool
    is_failing: bool
    standing: Shown

    @property
    def is_troubled(self) -> bool:
        paused = self.state is DestinationState.PAUSED
        return self.state is DestinationState.DISABLED or (
            not paused and (self.is_failing or not self.is_reached)
        )


def has_rules(session: Session, tenant_id: uuid.UUID) -> bool:
    """Say whether any workflow had a rule of ours when we looked last."""
    live = sa.select(KnownRule.id).where(
        KnownRule.tenant_id == tenant_id, KnownRule.gone_at.is_(None)
    )
    return session.scalar(live.limit(1)) is not None


def rules(session: Session, tenant_id: uuid.UUID) -> Sequence[TroubledRule]:
    """Return the rules with overdue issues, a stopped watch or an open gate."""
    rows = session.execute(
        sa.select(
            KnownRule.name,
            KnownRule.workflow,
            KnownRule.transition_name,
            KnownRule.overdue,
            KnownRule.watch_stopped_at,
            KnownRule.watch_stopped_because,
            KnownRule.unsound_because,
        )
        .where(
            KnownRule.tenant_id == tenant_id,
            KnownRule.gone_at.is_(None),
            sa.or_(
                KnownRule.overdue > 0,
                KnownRule.watch_stopped_at.is_not(None),
                KnownRule.unsound_because.is_not(None),
            ),
        )
        .order_by(KnownRule.workflow, KnownRule.transition_id, KnownRule.id)
        .limit(MOST)
    )
    return [
        TroubledRule(
            name=row.name,
            workflow=row.workflow,
            transition=row.transition_name,
            overdue=row.overdue or 0,
            stopped_because=(row.watch_stopped_because or "it was told to")
            if row.watch_stopped_at
            else None,
            unsound_because=row.unsound_because,
        )
        for row in rows
    ]


def unanswered(session: Session, tenant_id: uuid.UUID) -> int:
    """Return how many runs need an answer; at most one more than `MOST`."""
    some = (
        sa.select(Run.id)
        .where(Run.tenant_id == tenant_id, Run.state == RunState.AMBIGUOUS)
        .limit(MOST + 1)
    )
    count = sa.select(sa.func.count()).select_from(some.subquery())
    return session.scalar(count) or 0


def destinations(
    session: Session, tenant_id: uuid.UUID, *, now: datetime
) -> Sequence[HeldDestination]:
    """Return the site's destinations, those in trouble first."""
    health = sa.and_(
        DestinationHealth.tenant_id == Destination.tenant_id,
        DestinationHealth.destination_id == Destination.id,
    )
    rows = session.execute(
        sa.select(
            Destination.id,
            Destination.name,
            Destination.state,
            DestinationHealth.open_until,
            DestinationHealth.failing_since,
            DestinationHealth.succeeded_at,
        )
        .join(DestinationHealth, health)
        .where(
            Destination.tenant_id == tenant_id,
            Destination.state != DestinationState.DELETED,
        )
        .order_by(Destination.name, Destination.id)
    )
    found = []
    for id_, name, state, open_until, failing_since, succeeded_at in rows:
        ahead = open_until if open_until and open_until > now else None
        found.append(
            HeldDestination(
                id=id_,
                name=name,
                state=state,
                is_reached=ahead is None,
                is_failing=failing_since is not None,
                standing=destination_page.standing(
                    state, ahead, failing_since, succeeded_at
                ),
            )
        )
    return sorted(found, key=lambda each: not each.is_troubled)


def last_look(session: Session) -> datetime | None:
    """Return when the watchdog last began to look at all sites."""
    return session.scalar(sa.select(_HEARTBEAT.c.beat_at))


def is_late(looked_at: datetime | None, *, every: timedelta, now: datetime) -> bool:
    """Say whether a look is missing; before the very first one, none is."""
    if looked_at is None:
        return False
    return now - looked_at > max(MISSED_LOOKS * every, LONGEST_LOOK)


def rescues(
    session: Session, tenant_id: uuid.UUID, *, since: datetime
) -> Sequence[Event]:
    """Return the latest issues that the watchdog moved on."""
    wanted = audit.Wanted(kinds=frozenset({Kind.TICKET_RESCUED}), since=since)
    page = audit.page(session, tenant_id, wanted, before=None, limit=RESCUES)
    return page.events


def latest_of(session: Session, tenant_id: uuid.UUID, *kinds: Kind) -> Event | None:
    """Return the newest event of these kinds.

    Each kind is asked for by itself: of several at once, a database would sort all that
    a site has of them.
    """
    found = [audit.find_latest(session, tenant_id, kind) for kind in kinds]
    return max((event for event in found if event), key=lambda e: e.id, default=None)


def latest_refused(session: Session, tenant_id: uuid.UUID) -> Event | None:
    """Return the newest call of Jira's that was refused; a listener is not Jira."""
    wanted = audit.Wanted(
        kinds=frozenset({Kind.VERIFICATION_REFUSED}),
        not_routes=frozenset({"listening.hear"}),
    )
    page = audit.page(session, tenant_id, wanted, before=None, limit=1)
    return next(iter(page.events), None)
