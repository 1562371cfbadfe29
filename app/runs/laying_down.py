"""Lays a run down before it can rest: the process that carries it is to end."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.claims import Claim
from app.runs.settling import update_run
from app.runs.tables import Attempt, Run, RunStep, StepState


def lay_down(
    session: Session, claim: Claim, *, answer_within: timedelta, now: datetime
) -> None:
    """Give a claim back, so that another worker takes the run at once.

    Only where a call of the run went out and has no answer yet, nobody takes it before
    `answer_within` is over, counted from when it was sent. Who looks earlier may not
    see what the call does after all, and does it a second time.
    """
    begun_at = session.scalar(
        sa.select(sa.func.max(Attempt.begun_at))
        .join(
            RunStep,
            sa.and_(
                RunStep.tenant_id == Attempt.tenant_id,
                RunStep.id == Attempt.run_step_id,
            ),
        )
        .where(
            RunStep.tenant_id == claim.tenant_id,
            RunStep.run_id == claim.run_id,
            RunStep.state == StepState.BEGUN,
            Attempt.settled_at.is_(None),
        )
    )
    answered_at = begun_at and begun_at + answer_within
    update_run(
        session,
        claim,
        lease_until=answered_at if answered_at and answered_at > now else None,
        # It was carried until it had to be laid down: that is no failure of its.
        tries=sa.case((Run.tries > 0, Run.tries - 1), else_=0),
        # A thread that goes on for a moment settles nothing and renews no lease.
        fence=Run.fence + 1,
    )
