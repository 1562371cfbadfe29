"""Forgets what was kept long enough: whole runs, and what deliveries sent and got.

A few rows at a time, found by an index, so that no transaction is long and none reads
more than it deletes.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.db import least_id
from app.runs.answered import StepAnswer
from app.runs.claims import Claim, StepClaim
from app.runs.tables import Attempt, Run, RunState, RunStep, StepState

_ENDED = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.SKIPPED,
    RunState.UNCONFIRMED,
    RunState.DUPLICATE,
)
"""Not the ambiguous ones: they wait for a person's word, however long."""

_SETTLED = (StepState.DONE, StepState.FAILED)


def prune(
    session: Session, tenant_id: uuid.UUID, *, before: datetime, limit: int
) -> int:
    """Delete at most `limit` of a tenant's runs that ended before; return how many.

    Their steps and attempts go with them. A run that was carried out again stays until
    its last replay goes: a replay is about the change that the first call reported, and
    without that run nobody could tell which.
    """
    old = session.scalars(
        sa.select(Run.id)
        .where(*_is_old(tenant_id, before))
        .order_by(Run.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not old:
        return 0
    # What such a run led to stays, with the depth that it has.
    session.execute(
        sa.update(Run)
        .where(Run.tenant_id == tenant_id, Run.caused_by.in_(old))
        .values(caused_by=None)
    )
    session.execute(sa.delete(Run).where(Run.tenant_id == tenant_id, Run.id.in_(old)))
    return len(old)


def count_old(session: Session, tenant_id: uuid.UUID, *, before: datetime) -> int:
    """Count the runs that may go. Each may free one that it is a replay of."""
    old = sa.select(sa.func.count(Run.id)).where(*_is_old(tenant_id, before))
    return session.scalar(old) or 0


def count_old_exchanges(
    session: Session, tenant_id: uuid.UUID, *, before: datetime
) -> int:
    """Count the attempts whose exchange may go."""
    old = sa.select(sa.func.count(Attempt.id)).where(*_is_kept(tenant_id, before))
    return session.scalar(old) or 0


def _is_old(tenant_id: uuid.UUID, before: datetime) -> Sequence[sa.ColumnElement[bool]]:
    replay = aliased(Run)
    is_replayed = (
        sa.select(replay.id)
        .where(replay.tenant_id == tenant_id, replay.replay_of == Run.id)
        .exists()
    )
    return (
        Run.tenant_id == tenant_id,
        Run.finished_at < before,
        Run.state.in_(_ENDED),
        ~is_replayed,
    )


def _is_kept(
    tenant_id: uuid.UUID, before: datetime
) -> Sequence[sa.ColumnElement[bool]]:
    return (
        Attempt.tenant_id == tenant_id,
        Attempt.id < least_id(before),
        Attempt.request_head.is_not(None),
    )


def forget_exchanges(
    session: Session, tenant_id: uuid.UUID, *, before: datetime, limit: int
) -> int:
    """Empty what at most `limit` attempts sent and were answered; return how many.

    The message itself goes as well, unless its delivery is not settled: then the next
    attempt has to carry the same bytes. That there was an attempt, when, and what came
    of it, stays as long as the run.
    """
    old = session.execute(
        sa.select(Attempt.id, Attempt.run_step_id)
        .where(*_is_kept(tenant_id, before))
        .order_by(Attempt.id)
        .limit(limit)
    ).all()
    if not old:
        return 0
    session.execute(
        sa.update(Attempt)
        .where(Attempt.tenant_id == tenant_id, Attempt.id.in_([row.id for row in old]))
        .values(request_head=None, response_head=None, response_body=None)
    )
    steps = {row.run_step_id for row in old}
    session.execute(
        sa.update(RunStep)
        .where(
            RunStep.tenant_id == tenant_id,
            RunStep.id.in_(steps),
            RunStep.state.in_(_SETTLED),
        )
        .values(act=None)
    )
    session.execute(
        sa.update(StepAnswer)
        .where(
            StepAnswer.tenant_id == tenant_id,
            StepAnswer.run_step_id.in_(steps),
            StepAnswer.id < least_id(before),
        )
        .values(message="", url="", claims={})
    )
    return len(old)


def forget_message(session: Session, claim: Claim, step: StepClaim) -> None:
    """Empty what a delivery was to say: it is settled, or it ends now."""
    session.execute(
        sa.update(RunStep)
        .where(RunStep.tenant_id == claim.tenant_id, RunStep.id == step.id)
        .values(act=None)
    )
