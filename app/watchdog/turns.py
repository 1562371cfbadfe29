"""Whose turn it is to look: one at a time, and none too soon after an outage."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import insert_once
from app.stops import Span
from app.watchdog.tables import Heartbeat

LEASE = timedelta(minutes=10)
"""How long a look may stay silent before another takes the turn."""

OUTAGE = 2
"""Looks that must have been missed before it counts as an outage of ours."""

SHORTEST_OUTAGE = timedelta(minutes=1)
"""However often we look: a look that took long is no outage."""

_ONLY = 1


class LostTurnError(Exception):
    """The lease ran out and another has the turn: walk away."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    holder: uuid.UUID
    resumed_at: datetime | None
    """When we came back after an outage: calls lost in it are given a deadline more."""

    def after(self, stop: Span | None, *, every: timedelta) -> "Turn":
        """Return the turn for a tenant that was stopped: for it, that was an outage."""
        if stop is None or not _is_outage(stop.resumed_at - stop.stopped_at, every):
            return self
        resumed_at = max(stop.resumed_at, self.resumed_at or stop.resumed_at)
        return replace(self, resumed_at=resumed_at)


def take(
    session: Session, *, every: timedelta, due_only: bool, now: datetime
) -> Turn | None:
    """Take the turn; None while another has it, or if the last look was just now."""
    # The first look of all: there was no outage, and nothing to come too early for.
    values = {"id": _ONLY, "beat_at": now - every}
    insert_once(session, Heartbeat, values)
    row = session.get_one(Heartbeat, _ONLY, with_for_update=True)
    if row.lease_until is not None and row.lease_until > now:
        return None
    if due_only and now - row.beat_at < every:
        return None
    if _is_outage(now - row.beat_at, every):
        row.resumed_at = now
    row.beat_at, row.holder, row.lease_until = now, uuid.uuid4(), now + LEASE
    return Turn(holder=row.holder, resumed_at=row.resumed_at)


def keep(session: Session, turn: Turn, *, now: datetime) -> None:
    """Renew the lease; raise `LostTurnError` if another has the turn by now."""
    kept = session.execute(
        sa.update(Heartbeat)
        .where(Heartbeat.id == _ONLY, Heartbeat.holder == turn.holder)
        .values(lease_until=now + LEASE)
        .returning(Heartbeat.id)
    )
    if kept.first() is None:
        raise LostTurnError


def give_back(session: Session, turn: Turn) -> None:
    """Let others look; the look is over."""
    session.execute(
        sa.update(Heartbeat)
        .where(Heartbeat.id == _ONLY, Heartbeat.holder == turn.holder)
        .values(holder=None, lease_until=None)
    )


def _is_outage(silence: timedelta, every: timedelta) -> bool:
    return silence > max(OUTAGE * every, SHORTEST_OUTAGE)
