"""GitLab as a destination: one transition, one pipeline, and how that ended."""

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
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import DEMO, START, Desk, open_desk
from tests.receivers.gitlab import API_TOKEN, HOST, ROOT, TRIGGER_TOKEN, GitLab

BEFORE = SendError("connection refused", sent=False)
LOST = SendError("the answer took too long", sent=True)
BOTH = {"trigger_token": TRIGGER_TOKEN, "api_token": API_TOKEN}


@pytest.fixture
def gitlab(wire: Wire) -> GitLab:
    made = GitLab()
    wire.elsewhere[HOST] = made
    return made


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def set_up(
    desk: Desk, credentials: dict[str, str] = BOTH, **settings: Any
) -> uuid.UUID:
    """Have an admin set GitLab up as its form does."""
    chosen = {
        "root_url": ROOT,
        "project_id": "4242",
        "project": "acme/shop",
        "inputs": ["version*", "environment: staging, production"],
    }
    definition = Definition(
        name="Deploy by GitLab",
        kind="gitlab",
        settings=chosen | settings,
        credentials=credentials,
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


def test_transition_starts_the_pipeline_and_shows_no_token(
    desk: Desk, gitlab: GitLab
) -> None:
    """Rule T8, too: what is kept of it holds neither of the tokens."""
    deliver(desk, set_up(desk))

    [pipeline] = gitlab.pipelines
    assert pipeline.inputs == {"version": "DEMO-1", "environment": "staging"}
    step = desk.step()
    assert pipeline.countersign["delivery"] == str(step.id)
    assert (step.state, step.reference) == (StepState.DONE, str(pipeline.id))
    assert state(desk) is RunState.SUCCEEDED
    [attempt] = desk.attempts()
    kept = f"{attempt.request_head}{attempt.response_head}{attempt.response_body}"
    for token in BOTH.values():
        assert token not in f"{kept}{step.act}"
    assert gitlab.leaks == []


def test_refusal_fails_the_run_and_says_what_to_fix(desk: Desk, gitlab: GitLab) -> None:
    deliver(desk, set_up(desk, {"trigger_token": "glptt-of-another-project"}))

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "no trigger token of this project" in str(run.message)
    assert gitlab.pipelines == []


def test_what_did_not_start_is_tried_again_when_gitlab_says(
    desk: Desk, gitlab: GitLab
) -> None:
    limited = Response(status=429, headers={"Retry-After": "120"})
    gitlab.instead = [BEFORE, limited]

    deliver(desk, set_up(desk))
    desk.later(seconds=10)
    assert len(gitlab.starts) == 2
    desk.later(seconds=100)
    assert len(gitlab.starts) == 2

    desk.later(seconds=60)

    assert len(gitlab.pipelines) == 1
    assert state(desk) is RunState.SUCCEEDED


def test_lost_answer_is_looked_for_and_nothing_is_started_twice(
    desk: Desk, gitlab: GitLab
) -> None:
    gitlab.after = [LOST]

    deliver(desk, set_up(desk))
    assert state(desk) is not RunState.SUCCEEDED
    desk.later(seconds=10)

    assert state(desk) is RunState.SUCCEEDED
    assert len(gitlab.starts) == 1
    assert desk.step().reference == str(gitlab.pipelines[0].id)


def test_without_an_access_token_a_person_says_whether_it_came(
    desk: Desk, gitlab: GitLab
) -> None:
    gitlab.after = [Response(status=502)]

    deliver(desk, set_up(desk, {"trigger_token": TRIGGER_TOKEN}))
    for _ in range(9):
        desk.later(minutes=1)

    assert state(desk) is RunState.AMBIGUOUS
    assert len(gitlab.got) == 1


@pytest.mark.parametrize(
    ("ended", "expected"),
    [("success", RunState.SUCCEEDED), ("canceled", RunState.FAILED)],
)
def test_rule_that_waits_asks_how_it_ended(
    desk: Desk, gitlab: GitLab, ended: str, expected: RunState
) -> None:
    deliver(desk, set_up(desk), wait="30m")
    gitlab.pipelines[0].status = "running"
    desk.later(seconds=15)
    assert state(desk) is RunState.RUNNING

    gitlab.pipelines[0].status = ended
    desk.later(minutes=2)

    assert state(desk) is expected


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (BOTH, "GitLab knows the project and the branch or tag."),
        ({"trigger_token": TRIGGER_TOKEN}, "Nothing was sent: a trigger token"),
    ],
)
def test_trial_starts_nothing_and_says_what_it_cannot_know(
    desk: Desk,
    gitlab: GitLab,
    site: Jira,
    clock: Clock,
    credentials: dict[str, str],
    said: str,
) -> None:
    key = set_up(desk, credentials)
    caller = Caller(app=desk.app, jira=site, clock=clock)
    path = f"/api/v1/destinations/{key}/test"

    shown = caller.send("POST", path, token=caller.context(), body={}).body.decode()

    assert said in shown
    assert API_TOKEN not in shown
    assert gitlab.starts == []
