"""What processes count, for Prometheus: one list of everything that is ever counted.

No label has a value that a caller can make up, or the name of a site, an issue or a
person: each is one of few (docs/adr/0019). What stands in the database is not counted
here, but read when somebody asks.

Processes of one machine count together if `PROMETHEUS_MULTIPROC_DIR` names a folder;
`countersign serve` sees to that. prometheus_client reads it while it is imported.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

_OWN = CollectorRegistry()

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Seconds that an answer at a door takes; Jira waits for it."""
_OUTSIDE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
"""Seconds of one exchange, which ends after twenty."""
_WAITED = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
"""Seconds from a transition's call to a delivery that was taken, retries included."""


def _counter(name: str, words: str, *labels: str) -> Counter:
    return Counter(f"countersign_{name}", words, labels, registry=_OWN)


def _histogram(
    name: str, words: str, *labels: str, buckets: tuple[float, ...]
) -> Histogram:
    return Histogram(
        f"countersign_{name}", words, labels, buckets=buckets, registry=_OWN
    )


VERIFICATIONS = _counter(
    "verifications",
    "Incoming tokens by judgement; a refused one with its reason",
    "outcome",
    "reason",
    "route",
)
DUPLICATES = _counter("duplicates", "Verified calls that had been recorded before")
ANSWERS = _counter("http_answers", "What was answered at all routes", "status")
DOOR_SECONDS = _histogram(
    "door_seconds",
    "How long a door took to answer one call",
    "route",
    buckets=_QUICK,
)
RUNS_ENDED = _counter("runs_ended", "Runs that workers ended", "state")
ATTEMPTS = _counter(
    "delivery_attempts", "Attempts at deliveries that went out", "kind", "outcome"
)
ATTEMPT_SECONDS = _histogram(
    "delivery_attempt_seconds",
    "How long a receiver took to answer one attempt",
    "kind",
    buckets=_OUTSIDE,
)
DELIVERY_SECONDS = _histogram(
    "delivery_seconds",
    "From the transition's call to the attempt that was taken",
    "kind",
    buckets=_WAITED,
)
JIRA_CALLS = _counter("jira_calls", "Our calls to Jira by what it answered", "status")
JIRA_THROTTLED = _counter("jira_throttled", "Calls that Jira answered with 429")

_OF_PROXIES = ("HTTP_X_FORWARDED", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
"""What the names of headers begin with by which a proxy says that it is one."""

TOO_MANY = 429
NO_ANSWER = "none"


def count_attempt(kind: str, outcome: str, seconds: float) -> None:
    """Count one attempt at a delivery."""
    ATTEMPTS.labels(kind, outcome).inc()
    ATTEMPT_SECONDS.labels(kind).observe(seconds)


def count_jira(status: int | None) -> None:
    """Count one call to Jira; None if it did not answer."""
    JIRA_CALLS.labels(NO_ANSWER if status is None else status_class(status)).inc()
    if status == TOO_MANY:
        JIRA_THROTTLED.inc()


def status_class(status: int) -> str:
    return f"{status // 100}xx"


def exposed(*more: Collector) -> bytes:
    """Return everything that was counted, and `more`, as Prometheus reads it."""
    asked = CollectorRegistry()
    if values.ValueClass is values.MutexValue:
        asked.register(_OWN)
    else:
        MultiProcessCollector(asked)  # type: ignore[no-untyped-call]
    for each in more:
        asked.register(each)
    return prometheus_client.generate_latest(asked)


def may_read(environ: Mapping[str, Any], token: str) -> bool:
    """Say whether who asks, by WSGI, is this machine or has the token, if there is one.

    Attack: the TLS proxy in front of us is on this machine, so everybody's requests
    come from it. A proxy says for whom it asks; who asks for himself does not.
    """
    return _has_token(environ, token) or _is_local(environ)


def _is_local(environ: Mapping[str, Any]) -> bool:
    if any(name.startswith(_OF_PROXIES) for name in environ):
        return False
    try:
        return ipaddress.ip_address(environ.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(environ: Mapping[str, Any], wanted: str) -> bool:
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return (
        bool(wanted)
        and scheme.lower() == "bearer"
        and hmac.compare_digest(given.strip().encode(), wanted.encode())
    )
