"""The operator's brake: nothing is carried out, nothing is lost, and it goes on."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from app import runs, stops
from app.audit import AuditEvent
from app.http import Request, Response
from app.runs import Run, RunState
from app.runtime import Runtime
from app.stops import By
from app.tenants import Door, Tenant
from app.watchdog import Watchdog
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import gate, lost, shut
from tests.functional.opening import page_at
from tests.functional.receiving import START, Desk, open_desk

Runs = Callable[[], list[Run]]


class Operator:
    """Whoever sits at the shell."""

    def __init__(self, sessions: sessionmaker[Session], clock: Clock) -> None:
        self.sessions = sessions
        self.clock = clock

    def stop(self, tenant_id: uuid.UUID | None = None) -> bool:
        by = By(who="olga", why="the disk is full", now=self.clock())
        with self.sessions.begin() as session:
            return stops.stop(session, tenant_id, by)

    def resume(self, tenant_id: uuid.UUID | None = None) -> bool:
        with self.sessions.begin() as session:
            return stops.resume(session, tenant_id, By(who="olga", now=self.clock()))

    def the_tenant(self) -> uuid.UUID:
        with self.sessions.begin() as session:
            return session.scalars(sa.select(Tenant.id)).one()


@pytest.fixture
def operator(sessions: sessionmaker[Session], clock: Clock) -> Operator:
    return Operator(sessions, clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def watchdog(runtime: Runtime) -> Watchdog:
    return Watchdog(runtime=runtime)


def events(sessions: sessionmaker[Session], kind: str) -> list[Mapping[str, object]]:
    with sessions.begin() as session:
        rows = session.scalars(sa.select(AuditEvent).where(AuditEvent.kind == kind))
        return [row.facts for row in rows]


def test_nothing_begins_while_stopped_and_all_of_it_runs_after(
    site: Jira, worker: Worker, operator: Operator, wire: Wire, all_runs: Runs
) -> None:
    site.add_post_function(START, rule({"do": "add-label", "label": "done"}))
    keys = [site.create_issue(summary=f"Number {n}").key for n in range(20)]
    for key in keys[:10]:
        site.transition(key, START)
    site.deliver_pending()

    assert operator.stop()
    for key in keys[10:]:
        site.transition(key, START)
    answered = site.deliver_pending()
    asked = len(wire.sent)
    worker.drain()

    assert answered == 10  # heard and recorded as ever
    assert {run.state for run in all_runs()} == {RunState.RECEIVED}
    assert len(wire.sent) == asked

    assert operator.resume()
    worker.drain()

    found = all_runs()
    assert [run.state for run in found] == [RunState.SUCCEEDED] * 20
    carried = [request.url.rpartition("/")[2] for request in wire.writes()]
    assert carried == [run.issue_id for run in found]


def call_of(tenant_id: uuid.UUID) -> runs.Call:
    return runs.Call(
        door=Door.CONNECT,
        tenant_id=tenant_id,
        token_hash="t",
        raw_body=b"",
        issue_id="1",
        config="",
        rule_hash="",
        unverified_hint={},
        webhook_id=None,
    )


def test_other_sites_go_on_while_one_is_stopped(desk: Desk, operator: Operator) -> None:
    own, now = desk.tenant_id, desk.clock()
    other = desk.another_tenant()
    operator.stop(own)
    with desk.runtime.sessions.begin() as session:
        first = runs.record(session, call_of(own), now=now)
        second = runs.record(session, call_of(other), now=now)

    def claimed() -> uuid.UUID | None:
        with desk.runtime.sessions.begin() as session:
            found = runs.claim(session, now=now)
        return found.run_id if found else None

    assert (claimed(), claimed()) == (second, None)
    operator.resume(own)
    assert claimed() == first


def test_stop_of_everything_holds_tenants_that_come_later(
    desk: Desk, operator: Operator
) -> None:
    operator.stop()
    other = desk.another_tenant()
    with desk.runtime.sessions.begin() as session:
        runs.record(session, call_of(other), now=desk.clock())
        assert runs.claim(session, now=desk.clock()) is None


def test_own_stop_outlasts_that_of_everything(desk: Desk, operator: Operator) -> None:
    operator.stop(desk.tenant_id)
    operator.stop()
    operator.resume()

    with desk.runtime.sessions.begin() as session:
        runs.record(session, call_of(desk.tenant_id), now=desk.clock())
        assert runs.claim(session, now=desk.clock()) is None


def test_run_in_hand_is_laid_down_before_its_next_step(
    desk: Desk, operator: Operator, all_runs: Runs
) -> None:
    key, _ = desk.set_up()
    deliver = json.loads(desk.rule(key))["steps"]
    comment = {"do": "add-comment", "body": "Once"}
    desk.jira.add_post_function(START, rule(*deliver, *deliver, comment))

    def stopping(_: Request) -> Response:
        operator.stop()
        return Response(status=200)

    desk.receiver.answers = [stopping]
    desk.fire()
    desk.worker.drain()

    # What had left us was brought to its end; the token of the next was not made.
    assert len(desk.receiver.got) == 1
    assert len(desk.events("token-minted")) == 1
    [run] = all_runs()
    assert (run.state, run.lease_until) == (RunState.RUNNING, None)

    operator.resume()
    desk.worker.drain()

    [run] = all_runs()
    assert run.state is RunState.SUCCEEDED
    assert len(set(desk.receiver.ids)) == len(desk.receiver.got) == 2
    assert len(desk.jira.issue("DEMO-1").comments) == 1


def test_no_test_event_is_signed_while_stopped(
    desk: Desk, caller: Caller, operator: Operator
) -> None:
    key, _ = desk.set_up()
    operator.stop(desk.tenant_id)

    path = f"/api/v1/destinations/{key}/test"
    refused = caller.send("POST", path, token=caller.context())

    assert refused.status == 409
    assert "The operator has stopped" in json.loads(refused.body)["message"]
    assert desk.receiver.got == []
    assert desk.events("token-minted") == []


@pytest.fixture
def gated(site: Jira, watchdog: Watchdog, clock: Clock) -> Jira:
    site.add_post_function("Dispatch", gate())
    shut(site)
    watchdog.watch()
    clock.advance(timedelta(minutes=1))
    return site


def looked(watchdog: Watchdog, clock: Clock, minutes: int) -> int:
    """Let time pass with looks in it; return how many tickets were rescued."""
    rescued = 0
    for _ in range(minutes // 5):
        clock.advance(timedelta(minutes=5))
        rescued += watchdog.watch(due_only=True) or 0
    return rescued


@pytest.mark.parametrize("alone", [True, False], ids=["one site", "everything"])
def test_t12_ticket_of_a_stopped_site_is_not_rescued_and_later_has_a_deadline_more(
    gated: Jira, watchdog: Watchdog, operator: Operator, clock: Clock, *, alone: bool
) -> None:
    tenant_id = operator.the_tenant() if alone else None
    lost(gated)
    operator.stop(tenant_id)

    assert looked(watchdog, clock, minutes=120) == 0

    operator.resume(tenant_id)
    # The hold's deadline is 30 minutes, and the first look is 5 minutes later.
    assert looked(watchdog, clock, minutes=25) == 0
    assert looked(watchdog, clock, minutes=15) == 1


def test_site_reads_on_its_overview_that_the_operator_stopped_it(
    caller: Caller, operator: Operator, clock: Clock
) -> None:
    operator.stop()
    clock.advance(timedelta(hours=2))

    shown = page_at(caller, "overview")

    assert "The operator has stopped Countersign for this site." in shown
    assert "The disk is full." in shown
    assert "olga" not in shown
    assert ">Late<" not in shown


def test_stop_and_resume_are_in_each_sites_history(
    caller: Caller, operator: Operator, sessions: sessionmaker[Session]
) -> None:
    assert (operator.stop(), operator.stop()) == (True, False)
    assert (operator.resume(), operator.resume()) == (True, False)

    [stopped] = events(sessions, "stopped")
    assert stopped == {"everything": True, "because": "the disk is full"}
    assert events(sessions, "resumed") == [{"everything": True}]
    log = page_at(caller, "log")
    assert "nothing is carried out. The disk is full." in log
    assert "The operator let Countersign go on" in log


def test_monitor_sees_what_is_stopped(
    site: Jira, client: FlaskClient, operator: Operator
) -> None:
    del site

    def told() -> tuple[int, object, object, str]:
        ready = client.get("/readyz")
        seen = ready.get_json()
        lines = client.get("/metrics").get_data(as_text=True).splitlines()
        [line] = [x for x in lines if x.startswith("countersign_stopped ")]
        return ready.status_code, seen["stopped"], seen["tenants_stopped"], line

    assert told() == (200, False, 0, "countersign_stopped 0.0")
    operator.stop(operator.the_tenant())
    assert told() == (200, False, 1, "countersign_stopped 0.0")
    operator.stop()
    assert told() == (200, True, 1, "countersign_stopped 1.0")
