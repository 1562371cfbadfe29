"""Calls that are stored, not run, until the secret that signed them is proven (T4).

Such a run is received and never due, so no worker takes it, and nothing else is to
wait for it: neither another run's turn nor the watchdog.
"""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.runs.tables import Run, RunState, Why

MOST_HELD = 1000
"""Calls stored for one candidate. Attack: who offers a secret of his own signs calls
without end in its hour, and each is a row."""


def count_held(session: Session, tenant_id: uuid.UUID, candidate_id: uuid.UUID) -> int:
    """Return how many calls are stored for this candidate."""
    stored = sa.select(sa.func.count()).where(*_held(tenant_id, candidate_id))
    return session.scalar(stored) or 0


def is_full(session: Session, tenant_id: uuid.UUID, candidate_id: uuid.UUID) -> bool:
    """Say whether no more calls are stored for it."""
    return count_held(session, tenant_id, candidate_id) >= MOST_HELD


def release(
    session: Session, tenant_id: uuid.UUID, candidate_id: uuid.UUID, *, now: datetime
) -> int:
    """Let what was stored be due at once: its secret is proven. Return how many."""
    released = session.execute(
        sa.update(Run)
        .where(*_held(tenant_id, candidate_id))
        .values(due_at=now, why=None)
        .returning(Run.id)
    )
    return len(released.all())


def end_held(
    session: Session, tenant_id: uuid.UUID, candidate_id: uuid.UUID, *, now: datetime
) -> int:
    """End what was stored for a secret that nobody proved: no step, no mint, audited.

    It ends as what Jira does not confirm, since nobody proven sent it, and takes
    nothing from the site's budget.
    """
    ended = session.scalars(
        sa.update(Run)
        .where(*_held(tenant_id, candidate_id))
        .values(
            state=RunState.UNCONFIRMED,
            why=Why.SECRET_DROPPED,
            message="the secret that signed the call was never proven",
            finished_at=now,
        )
        .returning(Run.id)
    ).all()
    for run_id in sorted(ended):
        audit.record(
            session,
            tenant_id,
            "run-unconfirmed",
            actor="countersign",
            now=now,
            run=str(run_id),
            why=Why.SECRET_DROPPED,
        )
    return len(ended)


def _held(
    tenant_id: uuid.UUID, candidate_id: uuid.UUID
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Run.tenant_id == tenant_id,
        Run.candidate_id == candidate_id,
        Run.state == RunState.RECEIVED,
        Run.due_at.is_(None),
    )
