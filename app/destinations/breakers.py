"""How the breakers of all tenants' destinations stand: for a monitor."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.destinations.tables import Destination, DestinationHealth, DestinationState
from app.tenants import State, Tenant

NAMED = 20
"""Destinations with an open breaker that are told one by one: a monitor keeps every
name that it was ever told. The others are in the numbers."""

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
STATES = (
    CLOSED,
    OPEN,
    HALF_OPEN,
    DestinationState.PAUSED.value,
    DestinationState.DISABLED.value,
)


@dataclass(frozen=True, kw_only=True)
class Number:
    """How many destinations of one kind stand so."""

    kind: str
    state: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Failing:
    """One destination that is left alone for a while, by ids alone."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    kind: str
    since: datetime


def numbers(session: Session, *, now: datetime) -> Sequence[Number]:
    """Count the destinations of all active tenants by kind and by how they stand."""
    opened = DestinationHealth.open_until
    state = sa.case(
        (
            Destination.state != DestinationState.ACTIVE,
            sa.type_coerce(Destination.state, sa.Text()),
        ),
        (opened.is_(None), sa.literal(CLOSED)),
        (opened > now, sa.literal(OPEN)),
        else_=sa.literal(HALF_OPEN),
    ).label("state")
    counted = (
        sa.select(Destination.kind, state, sa.func.count().label("number"))
        .join_from(*_JOINED)
        .where(*_there())
        .group_by(Destination.kind, state)
    )
    return [Number(**row._asdict()) for row in session.execute(counted)]


def failing(session: Session, *, now: datetime) -> Sequence[Failing]:
    """Return those whose breaker is open, longest failing first; at most `NAMED`."""
    since = DestinationHealth.failing_since
    found = (
        sa.select(
            Destination.id,
            Destination.tenant_id,
            Destination.kind,
            since.label("since"),
        )
        .join_from(*_JOINED)
        .where(
            *_there(),
            Destination.state == DestinationState.ACTIVE,
            DestinationHealth.open_until > now,
            since.is_not(None),
        )
        .order_by(since, Destination.id)
        .limit(NAMED)
    )
    return [Failing(**row._asdict()) for row in session.execute(found)]


_JOINED = (
    Destination,
    DestinationHealth,
    DestinationHealth.destination_id == Destination.id,
)


def _there() -> tuple[sa.ColumnElement[bool], ...]:
    active = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
    is_kept = Destination.state != DestinationState.DELETED
    return (is_kept, Destination.tenant_id.in_(active))
