"""Jenkins as a destination: one transition, one build, followed to its end."""

import uuid
from typing import Any

import pytest
from flask import Flask

from app import destinations
from app.destinations import Definition, Pace
from app.http import Response, SendError
from app.runs import RunState, StepState
from app.runtime import Runtime
from app.steps.deliver import reference
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import rule
from tests.functional.fakes import Wire
from tests.functional.receiving import DEMO, START, Desk, open_desk
from tests.receivers.jenkins import HOST, ROOT, TOKEN, TRIGGER_TOKEN, USER, Jenkins

BEFORE = SendError("connection refused", sent=False)
LOST = SendError("the answer took too long", sent=True)


@pytest.fixture
def jenkins(wire: Wire) -> Jenkins:
    made = Jenkins()
    wire.elsewhere[HOST] = made
    return made


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def set_up(desk: Desk, token: str = TOKEN, **settings: Any) -> uuid.UUID:
    """Have an admin set Jenkins up as its form does."""
    chosen = {
        "root_url": ROOT,
        "job": "deploy/web shop",
        "user": USER,
        "inputs": ["version*", "environment: staging, production"],
    }
    definition = Definition(
        name="Deploy by Jenkins",
        kind="jenkins",
        settings=chosen | settings,
        credentials={"token": token},
        project_ids=(DEMO,),
        pace=Pace.DEPLOY,
    )
    with desk.runtime.sessions.begin() as session:
        made, _ = destinations.create(
            session, desk.runtime.keyring, desk.change(), definition
        )
    return made


def deliver(desk: Desk, destination_id: uuid.UUID, **members: Any) -> None:
    given = {"version": "{{ issue.key }}", "environment": "staging"}
    step = {"do": "deliver", "destination": reference(destination_id), "inputs": given}
    desk.rules = [desk.jira.add_post_function(START, rule(step | members))]
    desk.fire()
    desk.worker.drain()


def state(desk: Desk) -> RunState:
    [run] = desk.runs()
    return run.state


def test_transition_starts_the_build_and_shows_no_token(
    desk: Desk, jenkins: Jenkins
) -> None:
    """Rule T8, too: what is kept of it holds neither token nor what is made of it."""
    deliver(desk, set_up(desk))

    [build] = jenkins.builds
    assert build.parameters["version"] == "DEMO-1"
    step = desk.step()
    assert build.countersign["delivery"] == str(step.id)
    assert (step.state, step.reference) == (StepState.DONE, str(build.place))
    assert state(desk) is RunState.SUCCEEDED
    assert jenkins.dropped == set()
    [attempt] = desk.attempts()
    proof = jenkins.starts[0].headers["Authorization"].removeprefix("Basic ")
    kept = f"{attempt.request_head}{attempt.response_head}{step.act}"
    assert TOKEN not in kept
    assert proof not in kept


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"may_build": False}, "Job/Build"), ({"is_disabled": True}, "disabled")],
)
def test_refusal_fails_the_run_and_says_what_to_fix(
    desk: Desk, jenkins: Jenkins, changes: dict[str, bool], said: str
) -> None:
    for name, value in changes.items():
        setattr(jenkins, name, value)

    deliver(desk, set_up(desk))

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert said in str(run.message)


def test_what_did_not_start_is_tried_again(desk: Desk, jenkins: Jenkins) -> None:
    jenkins.instead = [BEFORE, Response(status=503, headers={"Retry-After": "60"})]

    deliver(desk, set_up(desk))
    desk.later(seconds=10)
    desk.later(seconds=80)

    assert len(jenkins.builds) == 1
    assert state(desk) is RunState.SUCCEEDED


def test_lost_answer_is_looked_for_and_nothing_is_started_twice(
    desk: Desk, jenkins: Jenkins
) -> None:
    jenkins.after = [LOST]

    deliver(desk, set_up(desk))
    desk.later(seconds=10)

    assert state(desk) is RunState.SUCCEEDED
    assert len(jenkins.starts) == 1
    assert desk.step().reference == str(jenkins.builds[0].place)


@pytest.mark.parametrize(
    ("result", "expected"),
    [("SUCCESS", RunState.SUCCEEDED), ("FAILURE", RunState.FAILED)],
)
def test_rule_that_waits_follows_the_build_when_its_place_is_forgotten(
    desk: Desk, jenkins: Jenkins, result: str, expected: RunState
) -> None:
    deliver(desk, set_up(desk), wait="30m")
    [build] = jenkins.builds
    desk.later(seconds=15)
    assert state(desk) is RunState.RUNNING

    jenkins.begin(build)
    desk.later(minutes=2)
    assert state(desk) is RunState.RUNNING

    build.is_forgotten, build.result = True, result
    desk.later(minutes=3)
    assert state(desk) is expected


def test_trigger_that_lets_nothing_through_is_no_success(
    desk: Desk, jenkins: Jenkins
) -> None:
    destination_id = set_up(desk, TRIGGER_TOKEN, starts="trigger", job="", user="")
    jenkins.filters = True

    deliver(desk, destination_id)

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "triggered no job" in str(run.message)


def test_trigger_starts_the_job_with_a_token_that_nobody_sees(
    desk: Desk, jenkins: Jenkins
) -> None:
    deliver(desk, set_up(desk, TRIGGER_TOKEN, starts="trigger", job="", user=""))

    [build] = jenkins.builds
    assert build.countersign["delivery"] == str(desk.step().id)
    assert state(desk) is RunState.SUCCEEDED
    [attempt] = desk.attempts()
    assert TRIGGER_TOKEN not in f"{attempt.request_head}{desk.step().act}"
    assert jenkins.leaks == []
