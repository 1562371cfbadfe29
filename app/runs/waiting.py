"""What a delivery waits for: its turn, and an answer that nobody can give."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.claims import Claim, StepClaim
from app.runs.settling import Answer, update_step
from app.runs.tables import (
    Attempt,
    AttemptOutcome,
    Run,
    RunState,
    RunStep,
    StepState,
)


def note_waiting(
    session: Session, claim: Claim, step: StepClaim, *, now: datetime
) -> datetime:
    """Note when a delivery was first to go; return that moment."""
    row = session.get_one(RunStep, step.id)
    if row.waiting_since is None:
        update_step(session, claim, step, waiting_since=now)
        return now
    return row.waiting_since


def is_behind(session: Session, claim: Claim, destination_id: uuid.UUID) -> bool:
    """Say whether an earlier run still has to deliver to it for the same issue.

    One that is not confirmed yet counts if its rule names the destination: it has no
    steps so far, and would come to it second.
    """
    planned = sa.exists().where(
        RunStep.tenant_id == claim.tenant_id,
        RunStep.run_id == Run.id,
        RunStep.destination_id == destination_id,
        RunStep.state.in_((StepState.PENDING, StepState.BEGUN)),
    )
    earlier = (
        sa.select(Run.id)
        .where(
            Run.tenant_id == claim.tenant_id,
            Run.issue_id == claim.issue_id,
            Run.id < claim.run_id,
            sa.or_(
                sa.and_(Run.state == RunState.RUNNING, planned),
                sa.and_(
                    Run.state == RunState.RECEIVED,
                    Run.config.contains(destination_id.hex),
                ),
            ),
        )
        .limit(1)
    )
    return session.scalar(earlier) is not None


def was_perhaps_done(session: Session, claim: Claim, step: StepClaim) -> bool:
    """Say whether an attempt at the step may have had its effect, for all we know.

    A person who said that it had not (`resolve`) settled those before.
    """
    since = session.get_one(RunStep, step.id).waiting_since
    if since is None:
        return False
    unclear = sa.select(Attempt.id).where(
        Attempt.tenant_id == claim.tenant_id,
        Attempt.run_step_id == step.id,
        Attempt.begun_at >= since,
        sa.or_(Attempt.outcome == AttemptOutcome.UNKNOWN, Attempt.outcome.is_(None)),
    )
    return session.scalar(unclear.limit(1)) is not None


def last_attempt(session: Session, claim: Claim, step: StepClaim) -> Answer:
    """Return what came of the newest attempt at a step that was begun."""
    row = session.scalars(
        sa.select(Attempt)
        .where(Attempt.tenant_id == claim.tenant_id, Attempt.run_step_id == step.id)
        .order_by(Attempt.id.desc())
        .limit(1)
    ).one()
    outcome = row.outcome or AttemptOutcome.UNKNOWN
    return Answer(outcome=outcome, status=row.status, message=row.message)
