"""Which run led to which: how a loop of rules is known and stopped (rule T12)."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import least_id
from app.runs.tables import Attempt, Run, RunState, RunStep, StepState
from app.tokens.checks import LEEWAY

ECHO = timedelta(seconds=60)
"""How long after we began a transition a call about it counts as our own echo."""

MAX_DEPTH = 4
"""A run at this depth fails as a loop: a rule set off rules that set it off again."""


_NOTHING_DONE = (RunState.UNCONFIRMED, RunState.DUPLICATE)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """How many runs a tenant had, by whether Jira confirmed them."""

    believed: int
    unconfirmed: int


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The run that set another one off."""

    run_id: uuid.UUID
    depth: int


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The call that a run goes back to: of a replay, that of the first run."""

    run_id: uuid.UUID
    received_at: datetime
    history_id: str | None


def origin(session: Session, run: Run) -> Origin:
    """Return where a run began, however often it was replayed since."""
    while run.replay_of is not None:
        run = session.scalars(
            sa.select(Run).where(
                Run.tenant_id == run.tenant_id, Run.id == run.replay_of
            )
        ).one()
    return Origin(run_id=run.id, received_at=run.received_at, history_id=run.history_id)


def parent_by_transition(
    session: Session,
    tenant_id: uuid.UUID,
    *,
    issue_id: str,
    to_status: str,
    changed_at: datetime,
) -> Parent | None:
    """Return the run that lately began to move this issue to this status, if any.

    `changed_at` is when Jira's history says that it moved: calls may come late.
    """
    found = session.execute(
        sa.select(Run.id, Run.depth)
        .join(
            RunStep, sa.and_(RunStep.tenant_id == tenant_id, RunStep.run_id == Run.id)
        )
        .join(
            Attempt,
            sa.and_(Attempt.tenant_id == tenant_id, Attempt.run_step_id == RunStep.id),
        )
        .where(
            Run.tenant_id == tenant_id,
            Attempt.issue_id == issue_id,
            Attempt.to_status == to_status,
            Attempt.begun_at >= changed_at - ECHO,
            Attempt.begun_at <= changed_at + LEEWAY,
        )
        .order_by(Attempt.begun_at.desc())
        .limit(1)
    ).first()
    return Parent(run_id=found.id, depth=found.depth) if found else None


def parent_by_creation(
    session: Session, tenant_id: uuid.UUID, unverified_run_id: str
) -> Parent | None:
    """Return the run that an issue's property names as its maker, if it is one of ours.

    The property is writable by whoever may edit the issue. Naming a run that is not
    the maker only makes the next run deeper, so it can stop but never start anything.
    """
    try:
        run_id = uuid.UUID(unverified_run_id)
    except ValueError:
        return None
    found = session.execute(
        sa.select(Run.id, Run.depth, RunStep.config)
        .join(
            RunStep, sa.and_(RunStep.tenant_id == tenant_id, RunStep.run_id == Run.id)
        )
        .where(
            Run.tenant_id == tenant_id,
            Run.id == run_id,
            RunStep.state != StepState.PENDING,
        )
    )
    makers = (row for row in found if row.config.get("do") == "create-issue")
    maker = next(makers, None)
    return Parent(run_id=maker.id, depth=maker.depth) if maker else None


def spent(session: Session, tenant_id: uuid.UUID, *, since: datetime) -> Spent:
    """Return what a tenant's calls came to since then: what its budget counts."""
    rows = session.execute(
        sa.select(Run.state, sa.func.count())
        .where(Run.tenant_id == tenant_id, Run.id > least_id(since))
        .group_by(Run.state)
    )
    counts = {row[0]: row[1] for row in rows}
    nothing = sum(counts.get(state, 0) for state in _NOTHING_DONE)
    waiting = counts.get(RunState.RECEIVED, 0)
    return Spent(believed=sum(counts.values()) - nothing - waiting, unconfirmed=nothing)
