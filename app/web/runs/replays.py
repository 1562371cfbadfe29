"""A person's wish that a run, or one delivery of it, be carried out again."""

import uuid

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from app import audit, runs, tenants
from app.runs import NoSuchRunError, NotReplayableError
from app.web.context import caller, runtime

bp = Blueprint("replays", __name__, url_prefix="/api/v1")


@bp.post("/runs/<uuid:run_id>/replay")
def run(run_id: uuid.UUID) -> ResponseReturnValue:
    """Let the whole run be carried out again, as a new one."""
    return _replay(run_id, None)


@bp.post("/runs/<uuid:run_id>/steps/<uuid:step_id>/replay")
def delivery(run_id: uuid.UUID, step_id: uuid.UUID) -> ResponseReturnValue:
    """Let one delivery be made again: under a new id, with a fresh token."""
    return _replay(run_id, step_id)


def _replay(run_id: uuid.UUID, step_id: uuid.UUID | None) -> ResponseReturnValue:
    now, tenant_id = runtime().now(), caller().tenant_id
    with runtime().sessions.begin() as session:
        tenants.refuse_unless_active(session, tenant_id, caller().door)
        try:
            new = runs.replay(session, tenant_id, run_id, step_id=step_id, now=now)
        except NoSuchRunError:
            abort(404)
        except NotReplayableError as error:
            return {"error": "not-replayable", "message": str(error)}, 409
        audit.record(
            session,
            tenant_id,
            "run-replayed",
            actor=caller().account_id,
            now=now,
            run=str(new),
            replay_of=str(run_id),
            step=str(step_id) if step_id else None,
        )
    # No wake-up: the workers' sweep finds the run within a second.
    return {"run": str(new)}, 202
