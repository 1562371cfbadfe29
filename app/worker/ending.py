"""Ends a run, and says so in the audit and in the log."""

import logging

from sqlalchemy.orm import Session

from app import audit, runs
from app.runs import Claim, RunState, Why
from app.runtime import Runtime

log = logging.getLogger(__name__)


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
    audit.record(
        session,
        claim.tenant_id,
        f"run-{state}",
        actor="countersign",
        now=now,
        run=str(claim.run_id),
        why=why or claim.why,
    )
    log.info("run=%s state=%s why=%s", claim.run_id, state, why)
