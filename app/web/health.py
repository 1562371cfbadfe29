"""Whether this process lives, whether it can do its work, and what is wrong outside."""

import sqlalchemy as sa
from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from app import alerts, metrics
from app.alerts import Counts
from app.web import errors
from app.web.context import runtime, web
from app.web.gauges import TROUBLES, Gauges

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer as long as the process can answer at all."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 while new calls can be recorded; 503 when not, or when stopping.

    After a failure a row is written, to see whether it is over.

    The numbers change nothing about that: one site in trouble is no reason to send the
    calls of all others elsewhere, and what is stopped is still heard and recorded.
    """
    if web().draining.is_set():
        return {"status": "stopping"}, 503, errors.AGAIN
    web().recordability.prove()
    counts = _counts()
    return {"status": "ok"} | {name: getattr(counts, name) for name in TROUBLES}


@bp.get("/metrics", endpoint="metrics")
def figures() -> ResponseReturnValue:
    """Tell a Prometheus server what is wrong; to this machine, or with the token."""
    if not metrics.may_read(request.environ, runtime().settings.metrics_token):
        abort(404)
    text = metrics.exposed(Gauges(runtime()))
    return Response(text, content_type=metrics.CONTENT_TYPE)


def _counts() -> Counts:
    with runtime().sessions.begin() as session:
        session.execute(sa.text("SELECT 1 FROM run LIMIT 1"))
        return alerts.count(session)
