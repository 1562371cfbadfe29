"""What a person says of a step that nobody could tell from outside."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.tables import Role, Run, RunState, RunStep, StepState


class NoSuchRunError(LookupError):
    """This tenant has no such run, or the run no such step."""


def resolve(
    session: Session,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    step_id: uuid.UUID,
    *,
    happened: bool,
    now: datetime,
) -> bool:
    """Settle an ambiguous step by hand and let its run go on; it is due at once.

    Return False if the step is not ambiguous (any more). Raise `NoSuchRunError` for
    another tenant's ids as for made-up ones (rule T5).
    """
    run = hold_run(session, tenant_id, run_id)
    step = session.scalar(
        sa.select(RunStep)
        .where(
            RunStep.tenant_id == tenant_id,
            RunStep.run_id == run_id,
            RunStep.id == step_id,
        )
        .with_for_update()
    )
    if run is None or step is None:
        raise NoSuchRunError(run_id)
    if step.state is not StepState.AMBIGUOUS:
        return False
    step.state = StepState.DONE if happened else StepState.PENDING
    step.settled_at = now if happened else None
    # A delivery's time begins anew, and what was unclear about it is clear now.
    step.waiting_since = None
    go_on(run, step, now=now)
    return True


def hold_run(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Run | None:
    """Return the tenant's run, held until the transaction ends.

    Always before its steps: who takes both in another order waits for ever.
    """
    return session.scalar(
        sa.select(Run)
        .where(Run.tenant_id == tenant_id, Run.id == run_id)
        .with_for_update()
    )


def go_on(run: Run, step: RunStep, *, now: datetime) -> None:
    """Let a run go on that rested for want of an answer; it is due at once."""
    failing = step.role is Role.ON_FAILURE
    run.state = RunState.FAILING if failing else RunState.RUNNING
    run.due_at, run.finished_at, run.tries = now, None, 0
    run.why = run.message = None
