"""Runs that were open in a backup: how many there are, and their end without an act.

What they did between the backup and the loss of what it was made from, nobody knows.
So the operator may end them (rule T14); tickets that they held are then the watchdog's,
which asks Jira how each stands now.
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.tables import Run, RunState, Why

_OPEN = (RunState.RECEIVED, RunState.RUNNING, RunState.FAILING)

WORDS = (
    "it was open in a backup that this instance was restored from: look in Jira, and at"
    " its destinations, how far it got"
)


def open_runs(session: Session, *, before: datetime) -> dict[uuid.UUID, int]:
    """Return how many runs of each tenant would go on that were received before."""
    rows = session.execute(
        sa.select(Run.tenant_id, sa.func.count())
        .where(Run.state.in_(_OPEN), Run.received_at <= before)
        .group_by(Run.tenant_id)
        .order_by(Run.tenant_id)
    )
    return {row[0]: row[1] for row in rows}


def give_up(
    session: Session,
    tenant_id: uuid.UUID,
    *,
    before: datetime,
    limit: int,
    now: datetime,
) -> list[uuid.UUID]:
    """End some of a tenant's runs as failed; return which.

    A worker that had one in hand settles nothing more: its fence is over.
    """
    some = (
        sa.select(Run.id)
        .where(
            Run.tenant_id == tenant_id,
            Run.state.in_(_OPEN),
            Run.received_at <= before,
        )
        .order_by(Run.id)
        .limit(limit)
    )
    ended = session.scalars(
        sa.update(Run)
        .where(Run.tenant_id == tenant_id, Run.id.in_(some))
        .values(
            state=RunState.FAILED,
            why=Why.RESTORED,
            message=WORDS,
            finished_at=now,
            due_at=None,
            lease_until=None,
            fence=Run.fence + 1,
        )
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(ended)
