"""What others cost a site's claim: `python -m bench.claims`.

The same claim is timed beside ten runs of another site and beside a hundred thousand:
due, due and stopped, or resting until later; and beside a thousand sites that each have
a run which is not due. Both databases, all cases in turn in each round, medians.
"""

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session, sessionmaker

from app import db, runs, stops
from app.runs import Run, RunState
from app.stops import By
from app.tenants import Door, State, Tenant
from tests import services
from tests.shared import ROOT

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
FEW, CHUNK = 10, 10_000
OWN = 5
"""Runs of the site whose claim is timed."""

Sessions = sessionmaker[Session]


@click.command()
@click.option("--many", default=100_000, help="How many runs the other site has.")
@click.option("--rounds", default=30, help="How often each claim is timed.")
def main(many: int, rounds: int) -> None:
    """Time claims beside few runs of others, and beside many."""
    for name in ("sqlite", "postgresql"):
        with ExitStack() as stack:
            cases = {
                case: stack.enter_context(_database(name, fill, many))
                for case, fill in CASES.items()
            }
            click.echo(f"{name}, {many} runs, ms:")
            _compare(cases, rounds)


def _compare(cases: Mapping[str, Sessions], rounds: int) -> None:
    took: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, sessions in cases.items():
            took[case].append(_claim(sessions))
    base = statistics.median(took["few"])
    for case, found in took.items():
        median = statistics.median(found)
        worst = max(found)
        click.echo(
            f"  {case:9}{median:8.2f}{worst:8.2f} slowest {median / base:6.2f} times"
        )


def _claim(sessions: Sessions) -> float:
    """Return how many milliseconds a claim takes; it is not kept."""
    with sessions() as session, session.begin() as transaction:
        began = time.perf_counter()
        claim = runs.claim(session, now=NOW)
        took = (time.perf_counter() - began) * 1000
        assert claim is not None  # noqa: S101 -- else nothing was measured
        transaction.rollback()
    return took


@contextmanager
def _database(
    name: str, fill: Callable[[Sessions, int], None], many: int
) -> Iterator[Sessions]:
    with ExitStack() as stack:
        if name == "postgresql":
            url = stack.enter_context(services.postgres_database())
        else:
            folder = tempfile.TemporaryDirectory(prefix="countersign-bench-")
            url = f"sqlite:///{stack.enter_context(folder)}/bench.sqlite"
        config = Config(toml_file=ROOT / "pyproject.toml")
        config.attributes["database_url"] = url
        command.upgrade(config, "head")
        sessions = db.make_sessions(url)
        fill(sessions, many)
        _add(sessions, _site(sessions), OWN, NOW)
        with sessions.kw["bind"].connect() as connection:
            connection.exec_driver_sql("ANALYZE")
            connection.commit()
        yield sessions
        sessions.kw["bind"].dispose()


def _few(sessions: Sessions, many: int) -> None:
    del many
    _add(sessions, _site(sessions), FEW, NOW - timedelta(hours=1))


def _due(sessions: Sessions, many: int) -> None:
    _add(sessions, _site(sessions), many, NOW - timedelta(hours=1))


def _stopped(sessions: Sessions, many: int) -> None:
    site = _site(sessions)
    _add(sessions, site, many, NOW - timedelta(hours=1))
    with sessions.begin() as session:
        stops.stop(session, site, By(who="bench", now=NOW))


def _later(sessions: Sessions, many: int) -> None:
    _add(sessions, _site(sessions), many, NOW + timedelta(hours=1))


def _sites(sessions: Sessions, many: int) -> None:
    for _ in range(many // 100):
        _add(sessions, _site(sessions), 1, NOW + timedelta(hours=1))


def _many_due(sessions: Sessions, many: int) -> None:
    for _ in range(many // 100):
        _add(sessions, _site(sessions), 1, NOW - timedelta(hours=1))


CASES: Mapping[str, Callable[[Sessions, int], None]] = {
    "few": _few,
    "due": _due,
    "stopped": _stopped,
    "later": _later,
    "sites": _sites,
    "all due": _many_due,
}


def _site(sessions: Sessions) -> uuid.UUID:
    site = Tenant(
        id=uuid.uuid4(),
        state=State.ACTIVE,
        base_url=f"https://{uuid.uuid4().hex}.atlassian.net",
        enabled=True,
        installed_at=NOW,
        lifecycle_at=NOW,
    )
    with sessions.begin() as session:
        session.add(site)
        session.flush()
        return site.id


def _add(sessions: Sessions, site: uuid.UUID, count: int, due_at: datetime) -> None:
    for start in range(0, count, CHUNK):
        rows = [_run(site, n, due_at) for n in range(start, min(start + CHUNK, count))]
        with sessions.begin() as session:
            session.execute(sa.insert(Run), rows)


def _run(site: uuid.UUID, number: int, due_at: datetime) -> Mapping[str, Any]:
    run_id = db.new_id(due_at)
    return {
        "id": run_id,
        "tenant_id": site,
        "door": Door.CONNECT,
        "state": RunState.RECEIVED,
        "received_at": due_at,
        "due_at": due_at + timedelta(milliseconds=number),
        "fence": 0,
        "tries": 0,
        "issue_id": str(10_000 + number % 1000),
        "config": "{}",
        "rule_hash": "h",
        "unverified_hint": {},
        "token_hash": run_id.hex,
        "call_hash": run_id.hex,
        "depth": 0,
    }


if __name__ == "__main__":
    main()
