"""Whether this process lives, and whether it can do its work."""

import sqlalchemy as sa
from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.web.context import runtime, web

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer as long as the process can answer at all."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 while new calls can be recorded; 503 when not, or when stopping."""
    if web().draining.is_set():
        return {"status": "stopping"}, 503
    with runtime().sessions.begin() as session:
        session.execute(sa.text("SELECT 1 FROM run LIMIT 1"))
    return {"status": "ok"}
