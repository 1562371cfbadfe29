"""What was said of a delivery ends it, whatever else was about to.

An answer is heard in a transaction of its own, at any moment. So whoever settles a
step, or leaves it, asks for its answer in that very transaction.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from app import audit, runs
from app.runs import Claim, Result, StepClaim, StepState
from app.worker.ending import DONE, End


def heard(
    session: Session, claim: Claim, step: StepClaim, *, now: datetime
) -> End | None:
    """Settle it by what was said of it, if anything was; hold it meanwhile."""
    said = runs.hold_step(session, claim, step, now=now)
    if said is None:
        return None
    who = "a listener" if said.listener_id else "the receiver, when asked,"
    words = f"{who} said that it {said.result}"
    if said.result is Result.FAILED:
        return End(failure=words)
    runs.settle_step(session, claim, step, state=StepState.DONE, message=words, now=now)
    return DONE


def last_word(
    session: Session, claim: Claim, step: StepClaim, end: End, *, now: datetime
) -> End:
    """Return how a step ends that is to fail: it may have been answered meanwhile."""
    answered = heard(session, claim, step, now=now)
    if answered is not None and (answered.failure is None or end.missing is not None):
        return answered
    if end.missing is not None:
        audit.record(
            session,
            claim.tenant_id,
            "answer-missing",
            actor="countersign",
            now=now,
            run=str(claim.run_id),
            destination=str(end.missing),
        )
    return end
