"""Replay: a new run linked to the old one, all checks again (rules T1, T2, T7, T12)."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import destinations, runs
from app.audit import AuditEvent
from app.destinations import Change, Definition, Destination, Signing
from app.http import Request, Response
from app.runs import Role, Run, RunState, RunStep, StepState, Why
from app.runtime import Runtime
from app.steps.deliver import reference
from app.tenants import State, Tenant
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import (
    START,
    call_about,
    carried_out,
    page_at,
    run_shown,
)

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
COMMENT = {"do": "add-comment", "body": "Hello"}
HOST = "hooks.example.com"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def deliver(runtime: Runtime, caller: Caller, clock: Clock) -> dict[str, Any]:
    """A step that delivers to a destination of the site."""
    del caller
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        definition = Definition(
            name="Deploy",
            url=f"https://{HOST}/deploy",
            signing=Signing.SECRET,
            project_ids=("10000",),
        )
        change = Change(tenant_id=tenant_id, actor="ada", now=clock())
        made, _ = destinations.create(session, runtime.keyring, change, definition)
    return {"do": "deliver", "destination": reference(made), "inputs": {}}


@pytest.fixture
def received(wire: Wire) -> list[Request]:
    """What the destination got; it refuses the first delivery and takes the others."""
    got: list[Request] = []

    def answer(request: Request) -> Response:
        got.append(request)
        return Response(status=422 if len(got) == 1 else 200)

    wire.elsewhere[HOST] = answer
    return got


def replay(
    caller: Caller, run: uuid.UUID, step: uuid.UUID | None = None, user: str = "ada"
) -> Response:
    part = f"/steps/{step}" if step else ""
    path = f"/api/v1/runs/{run}{part}/replay"
    return caller.send("POST", path, token=caller.context(user), body=b"{}")


def said(request: Request) -> Any:
    return json.loads(request.body)


def comments(site: Jira) -> int:
    return len([c for c in site.issue("DEMO-1").comments if c.get("properties")])


def test_t7_run_that_failed_is_carried_out_again_as_a_new_run(
    caller: Caller,
    worker: Worker,
    clock: Clock,
    deliver: dict[str, Any],
    received: list[Request],
    all_runs: Runs,
) -> None:
    carried_out(caller, worker, rule(COMMENT, deliver))
    [old] = all_runs()
    assert old.state is RunState.FAILED
    clock.advance(timedelta(hours=3))  # the window of T1 is about the first call

    assert replay(caller, old.id).status == 202
    worker.drain()

    old, new = all_runs()
    assert (old.state, new.state) == (RunState.FAILED, RunState.SUCCEEDED)
    assert (new.replay_of, new.history_id) == (old.id, old.history_id)
    assert new.facts == old.facts
    first, second = received
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert first.headers["Authorization"] != second.headers["Authorization"]
    assert said(second)["data"]["replayOf"] == str(old.id)
    assert said(second)["time"] == said(first)["time"]
    assert comments(caller.jira) == 2


def test_who_replays_is_in_the_audit(
    caller: Caller, worker: Worker, runtime: Runtime, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())

    answer = replay(caller, all_runs()[0].id)

    with runtime.sessions.begin() as session:
        [event] = session.scalars(
            sa.select(AuditEvent).where(AuditEvent.kind == "run-replayed")
        )
        session.expunge(event)
    new = json.loads(answer.body)["run"]
    assert event.facts["run"] == new == str(all_runs()[1].id)
    assert event.facts["replay_of"] == str(all_runs()[0].id)
    assert event.actor == people.named("ada").account_id


def test_one_delivery_is_made_again_and_nothing_else(
    caller: Caller,
    worker: Worker,
    deliver: dict[str, Any],
    received: list[Request],
    all_runs: Runs,
    all_steps: Steps,
) -> None:
    stored = rule(
        COMMENT,
        deliver,
        on_success={"transition": "Send to review"},
        on_failure={"mode": "report", "comment": True},
    )
    carried_out(caller, worker, stored)
    [old] = all_runs()
    step = next(s for s in all_steps() if s.config["do"] == "deliver")
    before = comments(caller.jira)

    assert replay(caller, old.id, step.id).status == 202
    worker.drain()

    new = all_runs()[1]
    assert (new.state, new.replayed_position) == (RunState.SUCCEEDED, 1)
    [again] = [s for s in all_steps() if s.run_id == new.id]
    assert again.config == step.config
    assert str(again.id) == received[1].headers["webhook-id"] != str(step.id)
    assert comments(caller.jira) == before
    assert caller.jira.status_of("DEMO-1") == "In Progress"

    assert replay(caller, new.id, again.id).status == 202
    worker.drain()
    assert len(received) == 3
    assert all_runs()[2].replayed_position == 1


def test_delivery_that_fails_again_tells_the_page_and_not_the_ticket(
    caller: Caller,
    worker: Worker,
    wire: Wire,
    deliver: dict[str, Any],
    all_runs: Runs,
    all_steps: Steps,
) -> None:
    wire.elsewhere[HOST] = lambda _: Response(status=422)
    stored = rule(deliver, on_failure={"mode": "report", "comment": True})
    carried_out(caller, worker, stored)
    before = comments(caller.jira)
    step = next(s for s in all_steps() if s.role is Role.STEP)

    replay(caller, all_runs()[0].id, step.id)
    worker.drain()

    new = all_runs()[1]
    assert (new.state, new.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert comments(caller.jira) == before


def test_t7_replay_asks_again_whether_the_destination_is_allowed(
    caller: Caller,
    worker: Worker,
    runtime: Runtime,
    deliver: dict[str, Any],
    received: list[Request],
    all_runs: Runs,
) -> None:
    carried_out(caller, worker, rule(deliver))
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Destination).values(project_ids=["10001"]))

    replay(caller, all_runs()[0].id)
    worker.drain()

    new = all_runs()[1]
    assert new.state is RunState.FAILED
    assert "not allowed for this project" in (new.message or "")
    assert len(received) == 1


def test_t1_replay_is_about_the_same_change_and_no_newer_one(
    caller: Caller, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    clock.advance(timedelta(seconds=5))
    site = caller.jira
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    worker.drain()

    replay(caller, all_runs()[0].id)
    worker.drain()

    first, second, new = all_runs()
    assert new.state is RunState.SUCCEEDED
    assert new.history_id == first.history_id != second.history_id


def test_t1_change_that_history_no_longer_has_is_not_confirmed_by_another(
    caller: Caller, worker: Worker, runtime: Runtime, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(history_id="gone"))

    replay(caller, all_runs()[0].id)
    worker.drain()

    new = all_runs()[1]
    assert (new.state, new.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_CHANGE)
    assert comments(caller.jira) == 1


def test_t1_rule_that_left_the_workflow_is_not_carried_out_again(
    caller: Caller, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    forget_rules(caller.jira)
    clock.advance(timedelta(minutes=10))

    replay(caller, all_runs()[0].id)
    worker.drain()

    new = all_runs()[1]
    assert (new.state, new.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_RULE)


def forget_rules(site: Jira) -> None:
    for name, flow in list(site.world.state.workflows.items()):
        for function in [each for found in flow.live.values() for each in found]:
            site.remove_post_function(function.id, name)


@pytest.fixture
def unconfirmed(
    caller: Caller, worker: Worker, clock: Clock, all_runs: Runs
) -> uuid.UUID:
    """A run that Jira did not confirm, and would by now."""
    site = caller.jira
    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    forget_rules(site)
    worker.drain()
    [run] = all_runs()
    assert run.state is RunState.UNCONFIRMED
    site.add_post_function(START, rule())
    clock.advance(timedelta(minutes=10))
    return run.id


def test_run_that_jira_did_not_confirm_may_be_confirmed_now(
    caller: Caller, worker: Worker, unconfirmed: uuid.UUID, all_runs: Runs
) -> None:
    replay(caller, unconfirmed)
    worker.drain()

    old, new = all_runs()
    assert new.state is RunState.SUCCEEDED
    assert old.history_id == new.history_id
    assert (old.state, old.facts) == (RunState.UNCONFIRMED, None)


def test_t2_two_replays_of_one_unconfirmed_call_are_carried_out_once(
    caller: Caller, worker: Worker, unconfirmed: uuid.UUID, all_runs: Runs
) -> None:
    forget_rules(caller.jira)
    replay(caller, unconfirmed)
    worker.drain()
    assert all_runs()[1].state is RunState.UNCONFIRMED
    caller.jira.add_post_function(START, rule())
    caller.later(minutes=10)

    assert replay(caller, unconfirmed).status == 202
    assert replay(caller, all_runs()[1].id).status == 202
    worker.drain()

    states = [run.state for run in all_runs()[2:]]
    assert sorted(states) == [RunState.DUPLICATE, RunState.SUCCEEDED]
    assert comments(caller.jira) == 1


def test_t2_two_replays_that_find_one_change_at_once_are_carried_out_once(
    caller: Caller,
    worker: Worker,
    wire: Wire,
    unconfirmed: uuid.UUID,
    all_runs: Runs,
) -> None:
    """While one worker asks Jira, another one carries out the other replay."""
    forget_rules(caller.jira)
    replay(caller, unconfirmed)
    worker.drain()
    caller.jira.add_post_function(START, rule())
    caller.later(minutes=10)
    replay(caller, unconfirmed)
    replay(caller, all_runs()[1].id)
    send, waiting = wire.send, [Worker(runtime=worker.runtime)]

    def interrupted(request: Request) -> Response:
        if waiting and "/issue/" in request.url:
            waiting.pop().drain()
        return send(request)

    wire.send = interrupted  # type: ignore[method-assign]
    worker.drain()

    states = [run.state for run in all_runs()[2:]]
    assert sorted(states) == [RunState.DUPLICATE, RunState.SUCCEEDED]
    assert comments(caller.jira) == 1


def test_conditions_are_judged_again(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    urgent = {"all": [{"field": "labels", "op": "contains", "value": "urgent"}]}
    carried_out(caller, worker, rule(when=urgent))
    assert all_runs()[0].state is RunState.SKIPPED
    caller.jira.issue("DEMO-1").fields["labels"] = ["urgent"]

    replay(caller, all_runs()[0].id)
    worker.drain()

    assert all_runs()[1].state is RunState.SUCCEEDED


@pytest.mark.parametrize("state", list(RunState))
def test_only_what_ended_and_was_no_duplicate_is_carried_out_again(
    caller: Caller, worker: Worker, runtime: Runtime, all_runs: Runs, state: RunState
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=state))

    answer = replay(caller, all_runs()[0].id)

    refused = {
        RunState.RECEIVED,
        RunState.RUNNING,
        RunState.FAILING,
        RunState.AMBIGUOUS,
        RunState.DUPLICATE,
    }
    assert answer.status == (409 if state in refused else 202)
    assert len(all_runs()) == (1 if state in refused else 2)


def test_two_clicks_are_one_wish(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    old = all_runs()[0].id

    assert replay(caller, old).status == 202
    refused = replay(caller, old)
    assert refused.status == 409
    assert "already" in json.loads(refused.body)["message"]

    worker.drain()
    assert replay(caller, old).status == 202
    assert len(all_runs()) == 3


def test_only_a_delivery_is_repeated_by_itself(
    caller: Caller, worker: Worker, all_runs: Runs, all_steps: Steps
) -> None:
    carried_out(caller, worker, rule())

    assert replay(caller, all_runs()[0].id, all_steps()[0].id).status == 409
    assert replay(caller, all_runs()[0].id, uuid.uuid4()).status == 404


def test_page_offers_what_can_be_done_again(
    caller: Caller,
    worker: Worker,
    runtime: Runtime,
    deliver: dict[str, Any],
    received: list[Request],
    all_runs: Runs,
    all_steps: Steps,
) -> None:
    carried_out(caller, worker, rule(COMMENT, deliver))
    [run] = all_runs()
    offers = {f'id="again-{step.id}"': step.config["do"] for step in all_steps()}

    page = run_shown(caller)

    assert len(received) == 1
    assert f'id="again-{run.id}"' in page
    assert "Add a comment (done before)" in page
    assert [do for offer, do in offers.items() if offer in page] == ["deliver"]
    assert "Replay of" not in page_at(caller, "runs")

    replay(caller, run.id)
    assert "Replay of an earlier run" in page_at(caller, "runs")
    assert f'href="#/runs/{run.id}"' in run_shown(caller)

    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=RunState.RUNNING))
    assert "again-" not in run_shown(caller)


def test_t12_replay_is_as_deep_as_what_it_repeats(
    caller: Caller, worker: Worker, runtime: Runtime, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        run = session.scalars(sa.select(Run)).one()
        run.state, run.depth, run.caused_by = RunState.FAILED, 4, run.id

    replay(caller, all_runs()[0].id)
    worker.drain()

    new = all_runs()[1]
    assert (new.state, new.why, new.depth) == (RunState.FAILED, Why.LOOP, 4)
    assert comments(caller.jira) == 1


def test_t10_replay_is_an_admins_asked_live(
    caller: Caller, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    wire.sent.clear()

    assert replay(caller, all_runs()[0].id, user="dee").status == 403
    assert replay(caller, all_runs()[0].id).status == 202

    assert len([r for r in wire.sent if "permissions/check" in r.url]) == 2


def test_t5_run_of_another_tenant_is_not_found(
    caller: Caller, runtime: Runtime, clock: Clock, all_runs: Runs
) -> None:
    now = clock()
    with runtime.sessions.begin() as session:
        other = Tenant(
            id=uuid.uuid4(),
            state=State.ACTIVE,
            base_url="https://other.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        session.add(other)
        session.flush()
        run_id = runs.record(session, call_about(other.id, 99), now=now)
        assert run_id is not None
        session.execute(sa.update(Run).values(state=RunState.FAILED))
        step = RunStep(
            id=uuid.uuid4(),
            tenant_id=other.id,
            run_id=run_id,
            role=Role.STEP,
            position=0,
            state=StepState.FAILED,
            config={"do": "deliver"},
        )
        session.add(step)
        step_id = step.id

    theirs = [replay(caller, run_id), replay(caller, run_id, step_id)]

    assert [answer.status for answer in theirs] == [404, 404]
    assert theirs[0].body == replay(caller, uuid.uuid4()).body
    assert len(all_runs()) == 1
