"""How far a step got, and the end of a run: in the audit and in the log."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app import audit, metrics, runs, stops
from app.runs import Claim, RunState, StepClaim, StepState, Why
from app.runtime import Runtime
from app.tenants import State, Tenant

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class End:
    """How far a step got: done, failed with a message, or open (it rests or waits)."""

    failure: str | None = None
    is_open: bool = False
    waits: bool = False
    """It has just begun to wait for an answer."""
    missing: uuid.UUID | None = None
    """The destination whose answer did not come, if it failed for want of that."""


DONE = End()
OPEN = End(is_open=True)
WAITS = End(is_open=True, waits=True)


def refuse_if_gone(session: Session, claim: Claim) -> None:
    """Send nothing more for a site that was uninstalled, or stopped, meanwhile."""
    stops.refuse_stopped(session, claim.tenant_id)
    tenant = session.get_one(Tenant, claim.tenant_id)
    if tenant.state is not State.ACTIVE:
        raise runs.TenantGoneError(tenant.state)


def rest_ambiguous(
    session: Session, claim: Claim, step: StepClaim, message: str, *, now: datetime
) -> None:
    """Leave a step that nobody can tell of, and its run, to a person."""
    runs.settle_step(
        session, claim, step, state=StepState.AMBIGUOUS, message=message, now=now
    )
    runs.change_state(
        session,
        claim,
        RunState.AMBIGUOUS,
        why=Why.CANNOT_TELL,
        message=message,
        now=now,
    )


def end_in(
    session: Session,
    runtime: Runtime,
    claim: Claim,
    state: RunState,
    because: tuple[Why, str] | None = None,
) -> None:
    """End the run in the caller's transaction; `because` is why, and in words."""
    now = runtime.now()
    why, message = because or (None, None)
    runs.change_state(session, claim, state, why=why, message=message, now=now)
    why = runs.why_of(session, claim)
    audit.record(
        session,
        claim.tenant_id,
        f"run-{state}",
        actor="countersign",
        now=now,
        run=str(claim.run_id),
        why=why,
    )
    metrics.RUNS_ENDED.labels(state).inc()
    log.info("run=%s state=%s why=%s", claim.run_id, state, why)
