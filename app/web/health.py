"""Whether this process lives, whether it can do its work, and what is wrong outside."""

import hmac
import ipaddress

import sqlalchemy as sa
from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app import alerts
from app.alerts import Counts
from app.web.context import runtime, web

bp = Blueprint("health", __name__)

METRICS = {
    "tenants_refusing": "Sites whose Jira accepts no call of ours",
    "tickets_held_overdue": "Tickets past the deadline of their hold at the last look",
    "rules_unsound": "Gates with a way out of their hold that is open to others",
    "stopped": "1 while the operator has stopped everything",
    "tenants_stopped": "Sites that the operator has stopped by themselves",
    "tenants_resting": "Sites whose runs wait for a limit of Jira's, or their share",
}
"""What is told of `Counts`, each by the name of its member."""


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer as long as the process can answer at all."""
    return {"status": "ok"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 while new calls can be recorded; 503 when not, or when stopping.

    The numbers change nothing about that: one site in trouble is no reason to send the
    calls of all others elsewhere, and what is stopped is still heard and recorded.
    """
    if web().draining.is_set():
        return {"status": "stopping"}, 503
    counts = _counts()
    return {"status": "ok"} | {name: getattr(counts, name) for name in METRICS}


@bp.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Tell a Prometheus server what is wrong; to this machine, or with the token."""
    if not (_is_local() or _has_token()):
        abort(404)
    registry, counts = CollectorRegistry(), _counts()
    for name, words in METRICS.items():
        gauge = Gauge(f"countersign_{name}", words, registry=registry)
        gauge.set(getattr(counts, name))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _counts() -> Counts:
    with runtime().sessions.begin() as session:
        session.execute(sa.text("SELECT 1 FROM run LIMIT 1"))
        return alerts.count(session, now=runtime().now())


def _is_local() -> bool:
    # Attack: the TLS proxy in front of us is on this machine, so everybody's requests
    # come from it. A proxy says for whom it asks; who asks for himself does not.
    if any(
        name.startswith(("X-Forwarded", "Forwarded")) for name, _ in request.headers
    ):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _has_token() -> bool:
    wanted = runtime().settings.metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return (
        bool(wanted)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode(), wanted.encode())
    )
