"""Counts what the web edge judged and answered, and names each call in the log.

Jira waits for its call, so what is done here for each is a few microseconds: numbers go
up in memory, and the log asks for names only when it writes a line.
"""

import functools
import logging
import time
from collections.abc import Mapping

from flask import Flask, Response, g, has_request_context, request
from prometheus_client import Counter, Histogram

from app import metrics, tracing
from app.runs import Call
from app.tokens.checks import Reason
from app.web.context import runtime

log = logging.getLogger(__name__)

DOORS = frozenset(
    {"triggered.triggered", "forge_post_function.triggered_by_forge", "listening.hear"}
)
"""Endpoints that machines wait for: each of their calls is timed."""

_LET_IN = frozenset({"caller", "invocation", "heard", "verified"})
"""What guards leave in `g` once a token is verified."""


def init_app(flask: Flask) -> None:
    flask.before_request(_begin)
    flask.after_request(_end)


def refused(reason: Reason) -> None:
    """Count a call whose token was refused, once, under its reason."""
    g.is_refused = True
    _judged("refused", str(reason), str(request.endpoint)).inc()


def recorded(call: Call, *, route: str, seconds: float, is_told: bool) -> None:
    """Count a call that went the short way, which is none of Flask's (ADR 17)."""
    _answered("2xx").inc()
    _judged("accepted", "", route).inc()
    _door(route).observe(seconds)
    if is_told:
        trace = tracing.named_in(call.unverified_hint)
        names = {"tenant": str(call.tenant_id)} | ({"trace": trace} if trace else {})
        _tell(route, 204, seconds, names)


def ids() -> Mapping[str, str]:
    """Name whose call is served, and its trace, for a line of the log."""
    if not has_request_context():
        return {}
    tenant_id = g.get("tenant_id") or getattr(g.get("caller"), "tenant_id", None)
    names = {"tenant": str(tenant_id)} if tenant_id else {}
    trace = tracing.named(request.headers.get(tracing.HEADER))
    return names | ({"trace": trace} if trace else {})


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    _answered(metrics.status_class(response.status_code)).inc()
    route = str(request.endpoint)
    kept = g.__dict__  # each look through `g` itself goes by its proxy
    is_let_in = "is_refused" not in kept and not _LET_IN.isdisjoint(kept)
    if is_let_in:
        _judged("accepted", "", route).inc()
    if route in DOORS:
        seconds = time.perf_counter() - kept["began"]
        _door(route).observe(seconds)
        if is_let_in and runtime().settings.log_calls == "on":
            _tell(route, response.status_code, seconds, ids())
    return response


def _tell(route: str, status: int, seconds: float, names: Mapping[str, str]) -> None:
    about = {"route": route, "status": status, "ms": round(seconds * 1000, 1)}
    log.info("call served", extra={**about, **names})


# `labels` looks each of them up behind a lock, which takes as long as the rest.
@functools.cache
def _judged(outcome: str, reason: str, route: str) -> Counter:
    return metrics.VERIFICATIONS.labels(outcome, reason, route)


@functools.cache
def _answered(status: str) -> Counter:
    return metrics.ANSWERS.labels(status)


@functools.cache
def _door(route: str) -> Histogram:
    return metrics.DOOR_SECONDS.labels(route)
