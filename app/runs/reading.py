"""One run with everything that is known of it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app.runs.listing import ListedRun, listed
from app.runs.resolving import NoSuchRunError
from app.runs.tables import Run, RunState

RELATIVES = 20
"""Runs that are named of those that a run led to, and of its replays."""

_SORTED = 1000
"""Of how many the newest are named."""


@dataclass(frozen=True, kw_only=True)
class Relative:
    """Another run, as far as it takes to follow a link to it."""

    id: uuid.UUID
    state: RunState
    rule_name: str | None
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class WholeRun(ListedRun):
    config: str
    """The rule as Jira sent it."""
    unverified_hint: Mapping[str, Any]
    """What the call said of the transition: claims, until Jira confirmed the run."""
    replays: Sequence[Relative]
    led_to: Sequence[Relative]
    """Runs that this one's steps set off."""


def get(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> WholeRun:
    """Return one of the tenant's runs.

    Raise `NoSuchRunError` for another tenant's ids as for made-up ones (rule T5).
    """
    row = session.scalar(
        sa.select(Run)
        .where(Run.tenant_id == tenant_id, Run.id == run_id)
        .options(undefer(Run.config), undefer(Run.unverified_hint))
    )
    if row is None:
        raise NoSuchRunError(run_id)
    [run] = listed(session, tenant_id, [row])
    return WholeRun(
        **vars(run),
        config=row.config,
        unverified_hint=row.unverified_hint,
        replays=_relatives(session, tenant_id, Run.replay_of == run_id),
        led_to=_relatives(session, tenant_id, Run.caused_by == run_id),
    )


def _relatives(
    session: Session, tenant_id: uuid.UUID, how: sa.ColumnElement[bool]
) -> Sequence[Relative]:
    # Found first and sorted then: asked for both at once, SQLite reads all runs of the
    # tenant in the order of ids, and there may be a million.
    found = (
        sa.select(Run.id, Run.state, Run.rule_name, Run.received_at)
        .where(Run.tenant_id == tenant_id, how)
        .limit(_SORTED)
        .subquery()
    )
    newest = sa.select(found).order_by(found.c.id.desc()).limit(RELATIVES)
    return [Relative(**row._asdict()) for row in session.execute(newest)]
