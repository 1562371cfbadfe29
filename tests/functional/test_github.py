"""GitHub as a destination: a GitHub App that starts a workflow, and starts it once."""

import uuid
from typing import Any

import pytest
from flask import Flask

from app import destinations
from app.destinations import Definition, NoCredentialError, Pace
from app.http import SendError
from app.runs import AttemptOutcome, RunState, StepState, Why
from app.runtime import Runtime
from app.steps.deliver import reference
from app.worker import Worker
from sandbox import Jira
from sandbox.github import GitHub
from tests.functional.conftest import rule
from tests.functional.fakes import Wire
from tests.functional.receiving import DEMO, START, Desk, open_desk

INPUTS = ["version*", "environment: staging, production"]


@pytest.fixture
def desk(
    runtime: Runtime,
    app: Flask,
    site: Jira,
    worker: Worker,
    wire: Wire,
    github: GitHub,
) -> Desk:
    del github
    return open_desk(runtime, app, site, worker, wire)


def define(
    github: GitHub, *, listener_id: uuid.UUID | None = None, **settings: Any
) -> Definition:
    """Return what an admin's form says of GitHub."""
    chosen = {
        "repository": "acme/shop",
        "app_id": str(github.installation.app_id),
        "installation_id": str(github.installation.id),
        "workflow": "deploy.yml",
        "inputs": INPUTS,
    }
    return Definition(
        name="Deploy by GitHub",
        kind="github",
        settings=chosen | settings,
        credentials={"private_key": github.private_key},
        listener_id=listener_id,
        project_ids=(DEMO,),
        pace=Pace.DEPLOY,
    )


def set_up(desk: Desk, github: GitHub, **settings: Any) -> uuid.UUID:
    """Have an admin set GitHub up."""
    with desk.runtime.sessions.begin() as session:
        made, secret = destinations.create(
            session, desk.runtime.keyring, desk.change(), define(github, **settings)
        )
    assert secret is None
    return made


def deliver(
    desk: Desk, destination_id: uuid.UUID, *, wait: str = "", **members: Any
) -> None:
    step = {
        "do": "deliver",
        "destination": reference(destination_id),
        "inputs": {"version": "{{ issue.key }}", "environment": "staging"},
    }
    text = rule(step | ({"wait": wait} if wait else {}), **members)
    for known in desk.rules:
        desk.jira.remove_post_function(known.id)
    desk.rules = [desk.jira.add_post_function(START, text)]
    desk.fire()
    desk.worker.drain()


def test_transition_starts_the_workflow_once_with_its_inputs(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)

    deliver(desk, destination_id)

    [build] = github.builds
    assert build.run.inputs["version"] == "DEMO-1"
    assert build.run.countersign.delivery == str(desk.step().id)
    assert desk.step().state is StepState.DONE
    assert desk.step().reference == str(build.id)
    [run] = desk.runs()
    assert run.state is RunState.SUCCEEDED


def test_rule_that_waits_is_done_once_github_says_so(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)

    deliver(desk, destination_id, wait="15m")
    [run] = desk.runs()
    assert (run.state, run.why) == (RunState.RUNNING, Why.AWAITS_ANSWER)
    desk.later(seconds=11)
    assert desk.step().state is StepState.WAITING

    github.build()
    desk.later(seconds=20)

    assert desk.step().state is StepState.DONE
    assert desk.runs()[0].state is RunState.SUCCEEDED


def test_build_that_fails_fails_the_rule(desk: Desk, github: GitHub) -> None:
    destination_id = set_up(desk, github)
    github.builds_behave("fails", 1)

    deliver(desk, destination_id, wait="15m")
    github.build()
    desk.later(seconds=20)

    assert desk.step().state is StepState.FAILED
    assert desk.runs()[0].state is RunState.FAILED


def test_rule_that_waits_in_vain_fails_at_its_deadline(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)

    deliver(desk, destination_id, wait="2m")
    for _ in range(5):
        desk.later(seconds=20)
    assert desk.step().state is StepState.WAITING
    desk.later(seconds=21)

    step, [run] = desk.step(), desk.runs()
    assert (step.state, run.state) == (StepState.FAILED, RunState.FAILED)
    assert step.message == "no answer came within 2 minutes"
    assert len(github.builds) == 1


@pytest.mark.parametrize("manner", ["502", "drop"])
def test_start_without_a_clear_answer_is_found_and_never_made_twice(
    desk: Desk, github: GitHub, manner: str
) -> None:
    destination_id = set_up(desk, github)
    github.behave(manner, 1)

    deliver(desk, destination_id)
    for _ in range(3):
        desk.later(seconds=30)

    [build] = github.builds
    assert desk.step().state is StepState.DONE
    assert desk.step().reference == str(build.id)


def test_start_that_cannot_be_found_is_a_persons_to_judge(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)
    github.behave("500", 1)

    deliver(desk, destination_id)
    for _ in range(8):
        desk.later(seconds=60)

    assert github.builds == []
    assert desk.step().state is StepState.AMBIGUOUS
    assert desk.runs()[0].state is RunState.AMBIGUOUS


@pytest.mark.parametrize(
    ("manner", "at", "said"),
    [
        ("401", "token", "does not take the app's key"),
        ("403", "token", "may be suspended"),
        ("404", "token", "no such installation"),
        ("422", "token", "lacks the repository or the permission"),
        ("403", "dispatch", "may lack the permission"),
        ("404", "dispatch", "no such repository or workflow"),
        ("422", "dispatch", "check the branch"),
    ],
)
def test_refusal_fails_the_rule_and_says_what_to_look_at(
    desk: Desk, github: GitHub, manner: str, at: str, said: str
) -> None:
    destination_id = set_up(desk, github)
    github.behave(manner, 1, on=at)

    deliver(desk, destination_id)

    [attempt] = desk.attempts()
    assert attempt.outcome is AttemptOutcome.REFUSED
    assert said in str(desk.step().message)
    assert desk.runs()[0].state is RunState.FAILED
    assert github.builds == []


@pytest.mark.parametrize("at", ["token", "dispatch"])
def test_rate_limit_is_waited_for(desk: Desk, github: GitHub, at: str) -> None:
    destination_id = set_up(desk, github)
    github.behave("rate-limit", 1, on=at)

    deliver(desk, destination_id)
    desk.later(seconds=50)
    assert github.builds == []
    desk.later(seconds=40)

    assert len(github.builds) == 1
    assert desk.step().state is StepState.DONE


def test_github_that_is_not_reached_is_tried_again(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    destination_id = set_up(desk, github)
    answers = wire.elsewhere["api.github.com"]
    wire.elsewhere["api.github.com"] = lambda _: SendError("no route", sent=False)

    deliver(desk, destination_id)
    wire.elsewhere["api.github.com"] = answers
    desk.later(seconds=10)

    assert len(github.builds) == 1
    assert desk.step().state is StepState.DONE


def test_t18_token_that_github_takes_back_is_asked_for_anew(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)
    deliver(desk, destination_id)
    github.behave("401", 1)

    desk.fire("DEMO-2")
    desk.worker.drain()

    assert len(github.builds) == 2


def test_rule_that_waits_for_what_cannot_answer_starts_nothing(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(
        desk, github, starts="repository_dispatch", event_type="deploy"
    )

    deliver(desk, destination_id, wait="15m")

    assert github.builds == []
    assert "names no listener" in str(desk.step().message)
    assert desk.runs()[0].state is RunState.FAILED


def test_waiting_run_asks_nothing_of_a_destination_that_is_paused(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    destination_id = set_up(desk, github)
    deliver(desk, destination_id, wait="15m")
    desk.act(destinations.pause, destination_id)
    asked = len(wire.sent)

    for _ in range(5):
        desk.later(minutes=2)

    assert not any("github.com" in each.url for each in wire.sent[asked:])


def test_input_that_does_not_fit_starts_nothing(desk: Desk, github: GitHub) -> None:
    destination_id = set_up(desk, github, inputs=["version*: number", "environment"])

    deliver(desk, destination_id)

    assert github.builds == []
    assert desk.step().message == "the input “version” does not fit: A number"


def test_t8_nothing_that_is_kept_has_the_key_or_a_token(
    desk: Desk, github: GitHub
) -> None:
    destination_id = set_up(desk, github)

    deliver(desk, destination_id, wait="2m")

    [attempt] = desk.attempts()
    kept = f"{attempt.request_head}{attempt.response_head}{attempt.response_body}"
    kept += str(desk.step().act)
    assert "Authorization: Bearer (hidden)" in kept
    assert "ghs_" not in kept
    assert github.private_key.split("\n")[1] not in kept
    with desk.runtime.sessions.begin() as session:
        [row] = destinations.listed(session, desk.tenant_id)
        assert github.private_key.split("\n")[1] not in str(vars(row))


def test_t8_another_api_clears_the_key(desk: Desk, github: GitHub) -> None:
    """Attack: a second admin has the app's key proven to a host of his own."""
    destination_id = set_up(desk, github)

    for evil in ("https://evil.example", "https://api.github.com/evil"):
        with pytest.raises(NoCredentialError):
            redefine(desk, github, destination_id, api_url=evil)
    redefine(desk, github, destination_id, ref="release")


def redefine(
    desk: Desk, github: GitHub, destination_id: uuid.UUID, **settings: Any
) -> None:
    definition = define(github, **settings).model_copy(update={"credentials": {}})
    with desk.runtime.sessions.begin() as session:
        destinations.change_to(
            session, desk.runtime.keyring, desk.change(), destination_id, definition
        )
