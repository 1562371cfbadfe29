"""A destination's breaker and bucket: in the database, so all workers share them."""

import math
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.destinations.answers import GONE, UNAUTHORIZED, Judged, Verdict
from app.destinations.tables import Destination, DestinationHealth

TRIPS_AT = 5
"""Failures in a row that open the breaker."""

DENIED_AT = 2
"""Fresh tokens in a row answered 401 that open it: waiting will not set up trust."""

FIRST_OPENING, LONGEST_OPENING = 60, 15 * 60
"""Seconds."""

PROBE = timedelta(seconds=60)
"""How long others wait while one delivery finds out whether it works again; longer
than the deadline of one request."""

GIVEN_UP_AFTER = timedelta(days=5)
"""Failures only, for so long, and a destination is disabled."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Not now: when to ask again, and why, for a page."""

    until: datetime
    words: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one result changed, for the audit."""

    disabled_because: str | None = None
    recovered: bool = False


def create(session: Session, destination: Destination, *, now: datetime) -> None:
    """Begin its history: healthy, and with a full bucket."""
    values = {
        "destination_id": destination.id,
        "tenant_id": destination.tenant_id,
        "tokens": float(destination.per_minute),
        "filled_at": now,
    }
    session.add(DestinationHealth(**values))


def locked(session: Session, destination: Destination) -> DestinationHealth:
    """Return its row, held until the transaction ends: deliveries take turns here."""
    return session.get_one(DestinationHealth, destination.id, with_for_update=True)


def find(session: Session, tenant_id: uuid.UUID) -> dict[uuid.UUID, DestinationHealth]:
    """Return the health of all the tenant's destinations, by their ids."""
    rows = session.scalars(
        sa.select(DestinationHealth).where(DestinationHealth.tenant_id == tenant_id)
    )
    return {row.destination_id: row for row in rows}


def admit(
    health: DestinationHealth, destination: Destination, *, now: datetime
) -> Wait | None:
    """Let one delivery go now, or say when to ask again."""
    if health.open_until and health.open_until > now:
        return Wait(
            until=_spread(health.open_until, now),
            words="it failed several times in a row and is left alone for a while",
        )
    if wait := _fill(health, destination.per_minute, now):
        return wait
    if health.open_until:  # half open: this one finds out, the others wait for it
        health.open_until = now + PROBE
        # One failure of this one opens it again, and for longer.
        health.failures = min(health.failures, TRIPS_AT - 1)
        health.denials = min(health.denials, DENIED_AT - 1)
    health.tokens -= 1
    return None


def settle(health: DestinationHealth, judged: Judged, *, now: datetime) -> Turn:
    """Note one result; return what it changed."""
    if judged.verdict is Verdict.ACCEPTED:
        recovered = health.open_until is not None
        health.failures = health.denials = health.open_for = 0
        health.open_until = health.failing_since = None
        health.succeeded_at = now
        return Turn(recovered=recovered)
    health.failing_since = health.failing_since or now
    health.denials = health.denials + 1 if judged.status == UNAUTHORIZED else 0
    _trip(health, judged, now)
    if judged.status == GONE:
        return Turn(disabled_because="it answered 410: it is gone for good")
    if now - health.failing_since >= GIVEN_UP_AFTER:
        return Turn(disabled_because="every delivery has failed for five days")
    return Turn()


def _trip(health: DestinationHealth, judged: Judged, now: datetime) -> None:
    """Count a failure of the destination's, and open the breaker if that is enough.

    A delivery that it refused for what it is says nothing of the next one.
    """
    denied = health.denials >= DENIED_AT
    if judged.verdict is Verdict.REJECTED and not denied:
        # It answered, so a breaker that was finding out may close; the next failure
        # opens it again.
        health.open_until = None
        health.failures = min(health.failures, TRIPS_AT - 1)
        return
    health.failures += 1
    # At the mark and not above it: those that were under way when it opened say
    # nothing new, and must not make the wait longer.
    if health.denials == DENIED_AT or (not denied and health.failures == TRIPS_AT):
        longer = health.open_for * 2 or FIRST_OPENING
        health.open_for = min(longer, LONGEST_OPENING)
        health.open_until = now + timedelta(seconds=health.open_for)


def _fill(health: DestinationHealth, per_minute: int, now: datetime) -> Wait | None:
    """Fill the bucket for the time that passed; wait if it is still empty."""
    passed = max((now - health.filled_at).total_seconds(), 0.0)
    rate = per_minute / 60
    health.tokens = min(float(per_minute), health.tokens + passed * rate)
    health.filled_at = now
    if health.tokens >= 1:
        return None
    seconds = math.ceil((1 - health.tokens) / rate)
    return Wait(
        until=_spread(now + timedelta(seconds=seconds), now),
        words=f"it takes {per_minute} deliveries a minute, and has had them",
    )


def _spread(until: datetime, now: datetime) -> datetime:
    """Return a moment soon after: who all wait for one must not come all at once."""
    wait = (until - now).total_seconds()
    return until + timedelta(seconds=random.uniform(0, min(wait, 10)))  # noqa: S311 -- spreads load, guards nothing
