"""A gate: the issue waits in its hold until its rule is carried out, and no longer."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import destinations
from app.audit import AuditEvent
from app.destinations import Pace
from app.http import Response
from app.rules import KnownRule, knowing
from app.runs import Role, Run, RunState, RunStep, StepState, Why
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import COMMENT, HOLD, dispatch, gate, said, shut
from tests.functional.receiving import Desk, open_desk

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
OUT = (Role.ON_SUCCESS, Role.ON_FAILURE)
FAILING = {"do": "transition-issue", "transition": "No such transition"}


def known(sessions: sessionmaker[Session]) -> KnownRule:
    with sessions.begin() as session:
        row = session.scalars(sa.select(KnownRule)).one()
        session.expunge(row)
    return row


def events(sessions: sessionmaker[Session]) -> list[str]:
    with sessions.begin() as session:
        return list(session.scalars(sa.select(AuditEvent.kind).order_by(AuditEvent.id)))


def test_success_moves_the_issue_out_of_its_hold(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Dispatch", gate())
    shut(site)

    dispatch(site)
    site.deliver_pending()
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert site.status_of("DEMO-1") == "Deployed"


def test_failure_moves_the_issue_to_its_fail_state_and_says_so(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Dispatch", gate(FAILING))
    shut(site)

    dispatch(site)
    site.deliver_pending()
    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert site.status_of("DEMO-1") == "Deploy failed"
    assert str(run.id) in said(site)


def test_condition_keeps_everybody_else_from_moving_it_on(site: Jira) -> None:
    site.add_post_function("Dispatch", gate())
    shut(site, role=10002)
    dispatch(site)

    with pytest.raises(Exception, match="illegal workflow"):
        site.transition("DEMO-1", "Deployed", user="dee")
    site.transition("DEMO-1", "Deployed", user="ada")

    assert site.status_of("DEMO-1") == "Deployed"


def test_transition_that_leads_elsewhere_fails_and_moves_nothing(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", gate())
    site.set_status("DEMO-1", "To Do")

    site.transition("DEMO-1", "Start progress")
    site.deliver_pending()
    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.WRONG_HOLD)
    assert site.status_of("DEMO-1") == "In Progress"
    assert "nothing holds the issue" in said(site)


@pytest.mark.parametrize("step", [COMMENT, FAILING])
def test_issue_that_a_person_moved_on_meanwhile_is_not_moved_again(
    site: Jira,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_steps: Steps,
    step: dict[str, str],
) -> None:
    site.add_post_function("Dispatch", gate(step))
    dispatch(site)
    site.deliver_pending()
    # Believed and judged by six questions; then Jira is away for a moment.
    wire.before = [*[None] * 6, Response(status=503)]
    worker.drain()

    site.transition("DEMO-1", "Deployment failed", user="dee")
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert site.status_of("DEMO-1") == "Deployment failed"
    out = [s for s in all_steps() if s.role in OUT and s.settled_at]
    [moved] = [s for s in out if s.config["do"] == "transition-issue"]
    assert (moved.state, moved.message) == (
        StepState.DONE,
        "the issue had left the hold",
    )


def test_paused_rule_does_nothing(
    site: Jira,
    worker: Worker,
    sessions: sessionmaker[Session],
    clock: Clock,
    all_runs: Runs,
) -> None:
    site.add_post_function("Dispatch", rule(COMMENT))
    dispatch(site)
    site.deliver_pending()
    worker.drain()
    row = known(sessions)
    with sessions.begin() as session:
        knowing.pause(session, row.tenant_id, row.id, actor="ada", now=clock())

    dispatch(site, "DEMO-2")
    site.deliver_pending()
    worker.drain()

    skipped = all_runs()[1]
    assert (skipped.state, skipped.why) == (RunState.SKIPPED, Why.PAUSED)
    assert site.issue("DEMO-2").comments == []
    assert "rule-paused" in events(sessions)


def test_paused_gate_does_not_hold_its_issue_in_silence(
    site: Jira,
    worker: Worker,
    sessions: sessionmaker[Session],
    clock: Clock,
    all_runs: Runs,
) -> None:
    site.add_post_function("Dispatch", gate())
    dispatch(site)
    site.deliver_pending()
    worker.drain()
    row = known(sessions)
    with sessions.begin() as session:
        knowing.pause(session, row.tenant_id, row.id, actor="ada", now=clock())

    dispatch(site, "DEMO-2")
    site.deliver_pending()
    worker.drain()

    assert all_runs()[1].why is Why.PAUSED
    assert site.status_of("DEMO-2") == "Deploy failed"
    assert "the rule is paused" in said(site, "DEMO-2")


def test_resumed_rule_is_carried_out_again(
    site: Jira,
    worker: Worker,
    sessions: sessionmaker[Session],
    clock: Clock,
    all_runs: Runs,
) -> None:
    site.add_post_function("Dispatch", gate())
    dispatch(site)
    site.deliver_pending()
    worker.drain()
    row = known(sessions)
    with sessions.begin() as session:
        knowing.pause(session, row.tenant_id, row.id, actor="ada", now=clock())
        knowing.resume(session, row.tenant_id, row.id, actor="ada", now=clock())

    dispatch(site, "DEMO-2")
    site.deliver_pending()
    worker.drain()

    assert all_runs()[1].state is RunState.SUCCEEDED


def test_confirmed_gate_is_judged_and_its_open_ways_are_named(
    site: Jira, worker: Worker, sessions: sessionmaker[Session]
) -> None:
    site.add_post_function("Dispatch", gate())
    shut(site, "Deployed", "Deploy failed")

    dispatch(site)
    site.deliver_pending()
    worker.drain()

    assert known(sessions).unsound_because == (
        "the global transition “Deployment failed” (41) leads out of the hold without"
        " our condition"
    )
    assert "gate-unsound" in events(sessions)


def test_gate_whose_every_way_out_is_shut_is_sound(
    site: Jira, worker: Worker, sessions: sessionmaker[Session]
) -> None:
    site.add_post_function("Dispatch", gate())
    shut(site)

    dispatch(site)
    site.deliver_pending()
    worker.drain()

    row = known(sessions)
    assert row.sound_at is not None
    assert row.unsound_because is None
    assert row.hold_status == HOLD


def test_condition_that_brings_its_own_expression_shuts_nothing(
    site: Jira, worker: Worker, sessions: sessionmaker[Session]
) -> None:
    site.add_post_function("Dispatch", gate())
    shut(site, "Deploy failed", "Deployment failed")
    open_to_all = '{"v":1,"account":"%s","role":null,"expression":"user != null"}'
    site.add_condition("Deployed", open_to_all % people.APP.account_id)

    dispatch(site)
    site.deliver_pending()
    worker.drain()

    assert "“Deployed” (81)" in str(known(sessions).unsound_because)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def delivered(desk: Desk, **destination: Any) -> uuid.UUID:
    """Hold an issue for a delivery, and let the worker try it; return to where."""
    destination_id, _ = desk.set_up(**destination)
    members = json.loads(gate(COMMENT))
    del members["steps"]
    desk.jira.add_post_function("Dispatch", desk.rule(destination_id, **members))
    shut(desk.jira)
    dispatch(desk.jira)
    desk.jira.deliver_pending()
    desk.worker.drain()
    return destination_id


def test_gate_that_delivers_moves_on_once_it_was_accepted(desk: Desk) -> None:
    delivered(desk)

    assert desk.jira.status_of("DEMO-1") == "Deployed"
    assert len(desk.receiver.got) == 1


def test_delivery_gives_up_at_the_deadline_of_the_hold(desk: Desk) -> None:
    """Its pace would let it try for days; the issue would be held as long."""
    desk.receiver.answers = [Response(status=503)] * 50
    delivered(desk, pace=Pace.NOTIFY)
    assert desk.jira.status_of("DEMO-1") == "Deploying"

    for _ in range(31):
        desk.later(minutes=1)

    assert desk.jira.status_of("DEMO-1") == "Deploy failed"
    assert desk.runs()[0].why is Why.STEP_FAILED


def test_paused_destination_holds_a_gate_no_longer_than_its_deadline(
    desk: Desk,
) -> None:
    desk.receiver.answers = [Response(status=503)] * 50
    destination_id = delivered(desk, pace=Pace.NOTIFY)
    desk.act(destinations.pause, destination_id)

    desk.later(minutes=29)
    assert desk.jira.status_of("DEMO-1") == "Deploying"
    desk.later(minutes=1)

    assert desk.jira.status_of("DEMO-1") == "Deploy failed"
    assert "the hold's deadline is over" in str(desk.runs()[0].message)
