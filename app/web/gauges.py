"""What stands in the database and the queue, as Prometheus reads it: see `health`.

Every web process tells the same, whichever of them is asked. When the database is away
that is told, and what was counted is told all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import alerts, runs
from app.alerts import Counts
from app.destinations import breakers
from app.destinations.breakers import Failing, Number
from app.queue import QueueError
from app.runs.backlog import Backlog
from app.runtime import Runtime

TROUBLES = {
    "tenants_refusing": "Sites whose Jira accepts no call of ours",
    "tickets_held_overdue": "Tickets past the deadline of their hold at the last look",
    "rules_unsound": "Gates with a way out of their hold that is open to others",
    "stopped": "1 while the operator has stopped everything",
    "tenants_stopped": "Sites that the operator has stopped by themselves",
}
"""What is told of `Counts`, each by the name of its member."""


@dataclass(frozen=True, kw_only=True)
class Stand:
    """How everything stands at one moment."""

    now: datetime
    counts: Counts
    backlog: Backlog
    destinations: tuple[Number, ...]
    failing: tuple[Failing, ...]


def read(session: Session, *, now: datetime) -> Stand:
    """Read it; some milliseconds, however many runs there are."""
    return Stand(
        now=now,
        counts=alerts.count(session),
        backlog=runs.count_backlog(session, now=now),
        destinations=tuple(breakers.numbers(session, now=now)),
        failing=tuple(breakers.failing(session, now=now)),
    )


@dataclass(frozen=True, eq=False)
class Gauges(Collector):
    """Asks when it is asked."""

    runtime: Runtime

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all that can be read now."""
        stand = self._stand()
        yield _one("database_up", "1 while the database answers", float(bool(stand)))
        if stand is not None:
            yield from _told(stand)
        waiting = self._waiting()
        yield _one("queue_up", "1 while the queue answers", float(waiting is not None))
        if waiting is not None:
            yield _one("queue_waiting", "Wake-ups that no worker has taken", waiting)

    def _stand(self) -> Stand | None:
        try:
            with self.runtime.reading.begin() as session:
                return read(session, now=self.runtime.now())
        except (DBAPIError, sa.exc.TimeoutError):
            return None

    def _waiting(self) -> int | None:
        try:
            return self.runtime.queue.waiting()
        except QueueError:
            return None


def _told(stand: Stand) -> Iterator[GaugeMetricFamily]:
    for name, words in TROUBLES.items():
        yield _one(name, words, float(getattr(stand.counts, name)))
    yield from _backlog(stand)
    yield from _breakers(stand)


def _backlog(stand: Stand) -> Iterator[GaugeMetricFamily]:
    states = _many("runs", "Runs under way or in doubt, up to 5000", "state")
    for state, number in sorted(stand.backlog.states.items()):
        states.add_metric([state], number)
    yield states
    yield _one("runs_due", "Runs that a worker might take now", stand.backlog.due)
    since = stand.backlog.due_since
    age = 0.0 if since is None else (stand.now - since).total_seconds()
    words = "How long the run is due that has waited for longest"
    yield _one("oldest_due_run_age_seconds", words, age)


def _breakers(stand: Stand) -> Iterator[GaugeMetricFamily]:
    words = "Destinations by kind, and how their breaker stands"
    destinations = _many("destinations", words, "kind", "state")
    for each in stand.destinations:
        destinations.add_metric([each.kind, each.state], each.number)
    yield destinations
    words = "Since when a destination with an open breaker fails: the 20 longest"
    failing = _many(
        "destination_failing_seconds", words, "kind", "tenant", "destination"
    )
    for one in stand.failing:
        ids = [str(one.tenant_id), str(one.id)]
        failing.add_metric([one.kind, *ids], (stand.now - one.since).total_seconds())
    yield failing


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"countersign_{name}", words, value=value)


def _many(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"countersign_{name}", words, labels=labels)
