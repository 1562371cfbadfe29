"""What is kept no longer than a site's admins want, and what is never taken away."""

import itertools
import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import audit, runs
from app.audit import AuditEvent
from app.figures import Counted, Hour
from app.http import Response
from app.runs import Attempt, RunState, RunStep
from app.runtime import Runtime
from app.tenants import Tenant, preferences
from app.tenants.preferences import DEFAULTS, Wanted
from app.worker import Worker, housekeeping, retaining
from sandbox import Jira
from tests.functional import old_runs
from tests.functional.fakes import Clock, Wire
from tests.functional.old_runs import OldRuns
from tests.functional.receiving import Desk, open_desk

Sessions = sessionmaker[Session]
Choose = Callable[..., None]
Keep = Callable[[], None]


@pytest.fixture
def tenant_id(site: Jira, sessions: Sessions) -> uuid.UUID:
    del site
    with sessions.begin() as session:
        return session.scalars(sa.select(Tenant.id)).one()


@pytest.fixture
def old(sessions: Sessions, tenant_id: uuid.UUID) -> OldRuns:
    return OldRuns(sessions=sessions, tenant_id=tenant_id)


@pytest.fixture
def choose(sessions: Sessions, tenant_id: uuid.UUID, clock: Clock) -> Choose:
    """Let a site's admin choose."""

    def change(**changes: Any) -> None:
        default = {
            "run_days": DEFAULTS.run_days,
            "audit_days": DEFAULTS.audit_days,
            "exchange_days": DEFAULTS.exchange_days,
            "notice_to": (),
            "on_call_role": "",
        }
        wanted = Wanted(**(default | changes))
        with sessions.begin() as session:
            preferences.change(session, tenant_id, wanted, actor="ada", now=clock())

    return change


def days(number: float) -> timedelta:
    return timedelta(days=number)


@pytest.fixture
def keep_house(runtime: Runtime, tenant_id: uuid.UUID) -> Callable[[], None]:
    """Do what a worker does in an hour, at a site whose hours are counted."""

    def keep() -> None:
        with runtime.sessions.begin() as session:
            session.merge(Counted(tenant_id=tenant_id, until=runtime.now()))
        Worker(runtime=runtime).keep_house()

    return keep


def test_site_that_chose_nothing_has_the_defaults(
    old: OldRuns, keep_house: Keep, clock: Clock
) -> None:
    gone = old.add(clock() - days(DEFAULTS.run_days + 0.01))
    kept = old.add(clock() - days(DEFAULTS.run_days - 0.01))
    recent = old.add(clock() - days(DEFAULTS.exchange_days - 0.01))

    keep_house()

    assert old.left() == {kept, recent}
    assert gone not in old.left()
    assert old.attempt(kept).request_head is None
    assert old.attempt(recent).request_head == "POST"


def test_run_goes_with_its_steps_and_attempts(
    old: OldRuns, keep_house: Keep, clock: Clock, choose: Choose
) -> None:
    choose(run_days=30)
    old.add(clock() - days(31))

    keep_house()

    assert (old.count(RunStep), old.count(Attempt)) == (0, 0)


@pytest.mark.parametrize(
    "state",
    [RunState.RECEIVED, RunState.RUNNING, RunState.FAILING, RunState.AMBIGUOUS],
)
def test_run_that_is_not_over_stays_however_old(
    old: OldRuns, clock: Clock, keep_house: Keep, state: RunState
) -> None:
    run_id = old.add(clock() - days(1000), state=state, due_at=None)

    keep_house()

    assert old.left() == {run_id}


def test_run_stays_as_long_as_a_replay_of_it_and_then_goes(
    old: OldRuns, keep_house: Keep, clock: Clock
) -> None:
    first = old.add(clock() - days(100))
    second = old.add(clock() - days(95), replay_of=first)
    third = old.add(clock() - days(10), replay_of=second)
    old.add(clock() - days(91))  # it goes: no other run is in its way

    keep_house()
    assert old.left() == {first, second, third}

    clock.advance(days(90))
    keep_house()
    assert old.left() == set()


def test_what_an_old_run_led_to_stays_with_its_depth(
    old: OldRuns, keep_house: Keep, clock: Clock
) -> None:
    cause = old.add(clock() - days(91))
    effect = old.add(clock() - days(89), caused_by=cause, depth=1)

    keep_house()

    assert old.left() == {effect}
    found = old.find(effect)
    assert (found.caused_by, found.depth) == (None, 1)


def test_events_go_by_age_and_not_by_anything_else(
    keep_house: Keep,
    sessions: Sessions,
    tenant_id: uuid.UUID,
    clock: Clock,
    choose: Choose,
) -> None:
    choose(audit_days=90)
    with sessions.begin() as session:
        for age in (91, 89):
            then = clock() - days(age)
            audit.record(session, tenant_id, "enabled", actor="jira", now=then)

    keep_house()

    with sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind == "enabled")
        ages = [clock() - row.happened_at for row in session.scalars(wanted)]
        assert days(91) not in ages
        assert days(89) in ages


def test_hours_are_counted_before_their_runs_go_and_kept_longer(
    old: OldRuns, worker: Worker, clock: Clock, choose: Choose, sessions: Sessions
) -> None:
    choose(run_days=30)
    old.add(clock() - days(31))
    with sessions.begin() as session:
        for age in (399, 401):
            begins_at = clock() - days(age)
            none = dict.fromkeys(("verified", "duplicates", "refused", "rescued"), 0)
            hour = Hour(
                tenant_id=old.tenant_id, begins_at=begins_at, ended={}, took={}, **none
            )
            session.add(hour)

    worker.keep_house()

    assert old.left() == set()
    with sessions.begin() as session:
        hours = session.scalars(sa.select(Hour).order_by(Hour.begins_at)).all()
        assert [clock() - hour.begins_at for hour in hours[:1]] == [days(399)]
        assert {"succeeded": 1} in [hour.ended for hour in hours]


def test_batches_leave_room_for_runs_between_them(
    old: OldRuns,
    runtime: Runtime,
    clock: Clock,
    keep_house: Keep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_house()
    monkeypatch.setattr(retaining, "BATCH", 2)
    for _ in range(5):
        old.add(clock() - days(100))

    seen = [len(old.left()) for _ in housekeeping.keep_house(runtime)]

    assert [left for left, _ in itertools.groupby(seen)] == [5, 3, 1, 0]


def test_worker_killed_between_batches_leaves_the_rest_to_the_next(
    old: OldRuns,
    runtime: Runtime,
    clock: Clock,
    keep_house: Keep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_house()
    monkeypatch.setattr(retaining, "BATCH", 2)
    for _ in range(5):
        old.add(clock() - days(100))
    killed = housekeeping.keep_house(runtime)
    while len(old.left()) == 5:
        next(killed)
    del killed

    Worker(runtime=runtime).keep_house()

    assert old.left() == set()


def test_addresses_of_a_site_that_left_are_forgotten_with_its_secrets(
    site: Jira,
    tenant_id: uuid.UUID,
    keep_house: Keep,
    sessions: Sessions,
    clock: Clock,
    choose: Choose,
) -> None:
    choose(run_days=60, notice_to=("ops@acme.example",))
    site.uninstall()

    for later, left in ((29.9, ("ops@acme.example",)), (0.2, ())):
        clock.advance(days(later))
        keep_house()
        with sessions.begin() as session:
            found = preferences.find(session, tenant_id)
        assert (found.notice_to, found.run_days) == (left, 60)


def test_t5_one_sites_choice_takes_nothing_of_another(
    old: OldRuns, sessions: Sessions, keep_house: Keep, clock: Clock, choose: Choose
) -> None:
    choose(run_days=30, exchange_days=0)
    with sessions.begin() as session:
        other = old_runs.tenant(session, clock())
    others = OldRuns(sessions=sessions, tenant_id=other)
    run_id = others.add(clock() - days(29))
    old.add(clock() - days(31))

    keep_house()

    assert old.left() == set()
    assert others.left() == {run_id}
    assert others.attempt(run_id).response_body == "ok"


def test_t5_nothing_is_deleted_by_another_tenants_id(
    old: OldRuns, sessions: Sessions, clock: Clock
) -> None:
    old.add(clock() - days(400))

    with sessions.begin() as session:
        other = old_runs.tenant(session, clock())
        for forget in (runs.prune, runs.forget_exchanges):
            assert forget(session, other, before=clock(), limit=10) == 0


# --- what deliveries sent and were answered


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def test_exchange_is_kept_as_long_as_chosen(desk: Desk, choose: Choose) -> None:
    choose(exchange_days=7)
    key, _ = desk.set_up()
    desk.deliver(key)

    desk.later(days=6.9)
    desk.worker.keep_house()
    assert desk.attempts()[0].request_head
    assert desk.step().act

    desk.later(days=0.2)
    desk.worker.keep_house()
    [attempt] = desk.attempts()
    assert attempt.request_head is None
    assert attempt.response_head is None
    assert attempt.response_body is None
    assert attempt.status == 200
    assert desk.step().act is None


def test_exchange_is_not_kept_at_all_if_nobody_wants_it(
    desk: Desk, choose: Choose
) -> None:
    choose(exchange_days=0)
    key, _ = desk.set_up()

    desk.deliver(key)

    [attempt] = desk.attempts()
    assert desk.receiver.got
    assert (attempt.request_head, attempt.response_head) == (None, None)
    assert attempt.response_body is None
    assert attempt.status == 200
    assert desk.step().act is None


def test_message_stays_until_nobody_has_to_send_it_again(
    desk: Desk, choose: Choose
) -> None:
    choose(exchange_days=0)
    key, _ = desk.set_up(honours_delivery_id=True)
    desk.receiver.answers = [Response(status=503)]
    desk.deliver(key)
    first = desk.receiver.got[0].body
    assert desk.step().act == first.decode()

    desk.later(hours=1)

    assert [request.body for request in desk.receiver.got] == [first, first]
    assert desk.step().act is None


def test_exchange_of_a_delivery_under_way_goes_and_its_message_stays(
    desk: Desk, choose: Choose
) -> None:
    choose(exchange_days=1)
    key, _ = desk.set_up()
    desk.receiver.answers = [Response(status=503)] * 50
    desk.deliver(key)
    desk.clock.advance(days(1.01))

    for _ in housekeeping.keep_house(desk.runtime):
        pass

    assert desk.attempts()[0].request_head is None
    assert json.loads(desk.step().act or "")


# --- how it is found


def plan(session: Session, statement: sa.Executable) -> str:
    """Return how the database would find the rows."""
    compiled = str(
        statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
    )
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    head = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    rows = session.connection().exec_driver_sql(head + compiled.replace("%", "%%"))
    return "\n".join(str(row) for row in rows)


def spied(sessions: Sessions, act: Callable[[Session], object]) -> list[sa.Executable]:
    """Return the statements that something executes."""
    seen: list[sa.Executable] = []
    with sessions.begin() as session:

        def note(state: Any) -> None:
            seen.append(state.statement)

        sa.event.listen(session, "do_orm_execute", note)
        act(session)
    return seen


def test_old_rows_are_found_by_an_index(
    old: OldRuns, sessions: Sessions, clock: Clock
) -> None:
    for _ in range(3):
        old.add(clock() - days(400))
    before, tenant_id = clock(), old.tenant_id
    expected = {
        runs.forget_exchanges: "ix_attempt_tenant_id_id_exchange",
        runs.prune: "ix_run_tenant_id_finished_at",
    }
    for forget, index in expected.items():

        def act(session: Session, forget: Any = forget) -> None:
            forget(session, tenant_id, before=before, limit=2)

        first, *_ = spied(sessions, act)
        with sessions.begin() as session:
            said = plan(session, first)
        if sessions.kw["bind"].dialect.name == "sqlite":
            # PostgreSQL chooses by figures that a few rows do not have.
            assert index in said, said
        assert not re.search(r"SCAN \w+'?$|Seq Scan", said, re.MULTILINE), said
