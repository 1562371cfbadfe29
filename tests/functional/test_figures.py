"""The figures of hours: what is counted once is what was counted on looking."""

import random
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import audit, figures
from app.audit import Kind
from app.db import new_id
from app.figures import HOUR, Figures, Hour, merged
from app.runs import Run, RunState
from app.tenants import Door
from app.worker import Worker
from tests.functional.fakes import Clock
from tests.functional.old_runs import OldRuns, tenant

Sessions = sessionmaker[Session]

CALLS = (
    Kind.VERIFICATION_ACCEPTED,
    Kind.VERIFICATION_DUPLICATE,
    Kind.VERIFICATION_REFUSED,
    Kind.TICKET_RESCUED,
    Kind.KEY_ROTATED,
)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def begin(clock: Clock) -> datetime:
    """Noon; whatever a test does happens after it."""
    return clock()


@pytest.fixture
def site(sessions: Sessions, begin: datetime) -> OldRuns:
    with sessions.begin() as session:
        return OldRuns(sessions=sessions, tenant_id=tenant(session, begin))


def heard(site: OldRuns, kind: str, *moments: datetime) -> None:
    with site.sessions.begin() as session:
        for moment in moments:
            audit.record(session, site.tenant_id, kind, actor="jira", now=moment)


def count(site: OldRuns, now: datetime) -> None:
    """Count all that is closed."""
    is_left = True
    while is_left:
        with site.sessions.begin() as session:
            is_left = figures.count_up(session, site.tenant_id, now=now)


def read(site: OldRuns, since: datetime, now: datetime) -> Sequence[Figures]:
    with site.sessions.begin() as session:
        return figures.read(session, site.tenant_id, since=since, now=now)


def rows(site: OldRuns) -> int:
    with site.sessions.begin() as session:
        counted = sa.select(sa.func.count()).select_from(Hour)
        return session.scalar(counted.where(Hour.tenant_id == site.tenant_id)) or 0


def busy(site: OldRuns, begin: datetime, hours: int, seed: int) -> None:
    """Let much happen at random moments, on the edges of hours above all."""
    chance = random.Random(seed)  # noqa: S311 -- spreads test data
    edges = [timedelta(0), timedelta(milliseconds=1), HOUR - timedelta(milliseconds=1)]
    for _ in range(25):
        at = begin + chance.randrange(hours) * HOUR
        at += chance.choice([*edges, timedelta(seconds=chance.randrange(3600))])
        heard(site, chance.choice(CALLS), at)
        state = chance.choice(list(RunState))
        took = timedelta(seconds=chance.uniform(-1, 4000))
        door = chance.choice([Door.CONNECT, Door.WATCHDOG])
        site.add(at, state=state, changed_at=at - took, door=door)


@pytest.mark.parametrize("seed", range(2))
def test_figures_are_the_same_before_and_after_they_are_counted(
    site: OldRuns, begin: datetime, seed: int
) -> None:
    busy(site, begin, hours=9, seed=seed)

    for minutes in (0, 3, 65, 66, 200, 539, 600):
        now = begin + minutes * MINUTE
        before = read(site, begin - HOUR, now)
        count(site, now)
        assert read(site, begin - HOUR, now) == before
    assert merged(read(site, begin, begin + 9 * HOUR)).runs > 8


def test_hour_is_counted_once_however_often_it_is_asked_for(
    site: OldRuns, begin: datetime
) -> None:
    heard(site, Kind.VERIFICATION_ACCEPTED, begin, begin + MINUTE)
    now = begin + 2 * HOUR

    for _ in range(3):
        count(site, now)

    assert rows(site) == 1
    assert merged(read(site, begin, now)).verified == 2


def test_what_is_committed_late_is_counted_with_its_hour(
    site: OldRuns, begin: datetime
) -> None:
    heard(site, Kind.VERIFICATION_ACCEPTED, begin)
    count(site, begin + HOUR + 4 * MINUTE)

    heard(site, Kind.VERIFICATION_REFUSED, begin + HOUR - SECOND)
    count(site, begin + HOUR + 5 * MINUTE)

    [first, second] = read(site, begin, begin + HOUR + 5 * MINUTE)
    assert (first.verified, first.refused) == (1, 1)
    assert second.is_empty


def test_empty_hours_are_read_and_take_no_row(site: OldRuns, begin: datetime) -> None:
    heard(site, Kind.VERIFICATION_ACCEPTED, begin, begin + 3 * HOUR)

    count(site, begin + 6 * HOUR)

    hours = read(site, begin - HOUR, begin + 6 * HOUR)
    assert rows(site) == 2
    assert [hour.verified for hour in hours] == [0, 1, 0, 0, 1, 0, 0, 0]
    assert [hour.begins_at for hour in hours][:2] == [begin - HOUR, begin]


def test_site_without_a_history_has_empty_hours(site: OldRuns, begin: datetime) -> None:
    assert all(hour.is_empty for hour in read(site, begin - 5 * HOUR, begin))

    count(site, begin + HOUR)

    assert all(hour.is_empty for hour in read(site, begin, begin + 2 * HOUR))


def test_long_outage_is_caught_up_in_steps(site: OldRuns, begin: datetime) -> None:
    heard(site, Kind.VERIFICATION_ACCEPTED, *(begin + n * HOUR for n in range(100)))
    now = begin + 100 * HOUR + 10 * MINUTE

    answers = []
    for _ in range(4):
        with site.sessions.begin() as session:
            answers.append(figures.count_up(session, site.tenant_id, now=now))

    assert answers == [True, True, False, False]
    assert merged(read(site, begin, now)).verified == 100


def test_months_without_anything_are_one_step(site: OldRuns, begin: datetime) -> None:
    months = 2400 * HOUR
    heard(site, Kind.VERIFICATION_ACCEPTED, begin, begin + months)
    now = begin + months + 2 * HOUR
    count(site, begin + 2 * HOUR)

    with site.sessions.begin() as session:
        is_left = figures.count_up(session, site.tenant_id, now=now)

    assert not is_left
    assert rows(site) == 2
    assert merged(read(site, begin + months, now)).verified == 1


def test_figures_stay_when_what_was_counted_is_forgotten(
    site: OldRuns, begin: datetime
) -> None:
    site.add(begin, changed_at=begin - SECOND)
    now = begin + 2 * HOUR
    before = read(site, begin, now)
    count(site, now)

    with site.sessions.begin() as session:
        session.execute(sa.delete(Run))

    assert read(site, begin, now) == before
    assert before[0].ended == {RunState.SUCCEEDED: 1}


def test_run_that_waits_for_an_answer_has_not_ended(
    site: OldRuns, begin: datetime
) -> None:
    site.add(begin, state=RunState.AMBIGUOUS)

    assert read(site, begin, begin)[0].is_empty


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 10),
        ({"changed_at": None}, 4),
        ({"replay_of": True}, 4),
        ({"replay_of": True, "door": Door.WATCHDOG}, 10),
    ],
)
def test_time_is_from_the_transition_or_from_when_a_replay_was_asked_for(
    site: OldRuns, begin: datetime, changes: dict[str, Any], seconds: int
) -> None:
    at = begin + MINUTE
    if "replay_of" in changes:
        changes = changes | {"replay_of": site.add(begin - 3 * HOUR)}
    given = {"received_at": at - 4 * SECOND, "changed_at": at - 10 * SECOND}

    site.add(at, **(given | changes))

    [hour] = read(site, begin, begin)
    took = hour.took_at_most(0.5)
    assert took is not None
    assert took / SECOND == pytest.approx(seconds, rel=0.05)


def test_t5_two_sites_have_their_own_figures(
    site: OldRuns, sessions: Sessions, begin: datetime
) -> None:
    with sessions.begin() as session:
        other = OldRuns(sessions=sessions, tenant_id=tenant(session, begin))
    heard(site, Kind.VERIFICATION_ACCEPTED, begin)
    heard(other, Kind.VERIFICATION_REFUSED, begin, begin + SECOND)
    other.add(begin)

    for now in (begin + MINUTE, begin + 2 * HOUR):
        count(site, now)
        assert merged(read(site, begin, now)).refused == 0
        assert merged(read(site, begin, now)).runs == 0
        assert merged(read(other, begin, now)).verified == 0
        assert merged(read(other, begin, now)).refused == 2


def test_worker_counts_before_it_forgets(
    site: OldRuns, worker: Worker, begin: datetime, clock: Clock
) -> None:
    old = begin - timedelta(days=200)
    site.add(old)
    clock.advance(timedelta(hours=2))

    worker.keep_house()

    with site.sessions.begin() as session:
        assert session.scalars(sa.select(Run.id)).all() == []
    [hour] = read(site, old, old)
    assert hour.ended == {RunState.SUCCEEDED: 1}


def plans(site: OldRuns, begin: datetime) -> str:
    """Return how the database finds what an hour came to."""
    seen: list[Any] = []
    with site.sessions.begin() as session:
        sa.event.listen(session, "do_orm_execute", seen.append)
        figures.read(session, site.tenant_id, since=begin, now=begin)
        told = []
        counting = ("count(", "run.finished_at >=")
        for state in seen:
            if not any(part in str(state.statement) for part in counting):
                continue
            head = "EXPLAIN QUERY PLAN "
            if session.get_bind().dialect.name == "postgresql":
                head = "EXPLAIN "
            compiled = state.statement.compile(
                session.get_bind(), compile_kwargs={"literal_binds": True}
            )
            rows = session.connection().exec_driver_sql(f"{head}{compiled}")
            told.append("\n".join(map(str, rows)))
    return "\n".join(told)


def long_history(site: OldRuns, begin: datetime) -> None:
    """Add 400 hours of two runs and two calls each, and let the database know."""
    with site.sessions.begin() as session:
        for half in range(800):
            at = begin - half * HOUR / 2
            values = {"state": RunState.SUCCEEDED, "received_at": at, "finished_at": at}
            texts = {"issue_id": "1", "config": "{}", "rule_hash": "h"}
            run_id = new_id(at)
            session.add(
                Run(
                    id=run_id,
                    tenant_id=site.tenant_id,
                    door=Door.CONNECT,
                    unverified_hint={},
                    token_hash=run_id.hex,
                    call_hash=run_id.hex,
                    **(values | texts),
                )
            )
            kind = CALLS[half % len(CALLS)]
            audit.record(session, site.tenant_id, kind, actor="jira", now=at)
    with site.sessions.begin() as session:
        session.execute(sa.text("ANALYZE"))


def test_present_hour_is_counted_by_indexes(site: OldRuns, begin: datetime) -> None:
    long_history(site, begin)

    plan = plans(site, begin)

    assert "ix_run_tenant_id_finished_at" in plan
    assert "Seq Scan" not in plan
    assert not re.search(r"SCAN (?!.*INDEX)", plan)
