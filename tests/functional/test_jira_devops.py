"""A run in its issue's development panel: pending, in progress, and how it ended."""

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from app import destinations
from app.destinations import Definition, Pace
from app.http import Request, Response, SendError
from app.runs import AttemptOutcome, Role, RunState, RunStep, StepState
from app.runtime import Runtime
from app.steps.deliver import reference
from app.worker import Worker
from sandbox import Jira, devops
from sandbox.github import GitHub
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import dispatch, gate
from tests.functional.opening import run_shown
from tests.functional.receiving import DEMO, START, Desk, open_desk

BUILDS = {"shows": "builds", "pipeline_id": "shop", "pipeline_name": "The shop"}
DEPLOYMENTS = BUILDS | {
    "shows": "deployments",
    "environment_id": "eu",
    "environment_name": "Europe",
    "environment_type": "production",
}


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def create(desk: Desk, definition: Definition) -> uuid.UUID:
    with desk.runtime.sessions.begin() as session:
        made, _ = destinations.create(
            session, desk.runtime.keyring, desk.change(), definition
        )
    return made


def panel(desk: Desk, settings: dict[str, str] = DEPLOYMENTS) -> uuid.UUID:
    """Have an admin set the panel up as its form does."""
    definition = Definition(
        name="Panel",
        kind="jira-devops",
        settings=settings,
        project_ids=(DEMO,),
        pace=Pace.DEPLOY,
    )
    return create(desk, definition)


def builder(desk: Desk, github: GitHub) -> uuid.UUID:
    settings = {
        "repository": "acme/shop",
        "app_id": str(github.installation.app_id),
        "installation_id": str(github.installation.id),
        "workflow": "deploy.yml",
        "inputs": ["version", "environment: staging, production"],
    }
    definition = Definition(
        name="GitHub",
        kind="github",
        settings=settings,
        credentials={"private_key": github.private_key},
        project_ids=(DEMO,),
        pace=Pace.DEPLOY,
    )
    return create(desk, definition)


def deliver(destination_id: uuid.UUID, **members: Any) -> dict[str, Any]:
    return {"do": "deliver", "destination": reference(destination_id), **members}


def built(panel_id: uuid.UUID, github_id: uuid.UUID) -> Sequence[dict[str, Any]]:
    """Return the steps of a rule that shows what it starts."""
    inputs = {"version": "{{ issue.key }}", "environment": "staging"}
    return deliver(panel_id), deliver(github_id, inputs=inputs, wait="30m")


def fire(desk: Desk, text: str) -> None:
    desk.jira.add_post_function(START, text)
    desk.fire()
    desk.worker.drain()


def shown(desk: Desk) -> dict[str, Any]:
    """Return the one entry that the issue's panel shows."""
    [entry] = devops.of_issue(desk.jira.world, desk.jira.issue("DEMO-1"))
    return entry


def told(wire: Wire) -> list[str]:
    """Return the states that Jira was told, in their order."""
    bodies = [json.loads(request.body) for request in sent(wire)]
    return [entry["state"] for body in bodies for [entry] in body.values()]


def sent(wire: Wire) -> list[Request]:
    return [request for request in wire.sent if request.url.endswith("/0.1/bulk")]


def steps(desk: Desk) -> list[RunStep]:
    with desk.runtime.sessions.begin() as session:
        found = list(session.scalars(sa.select(RunStep)))
        session.expunge_all()
    roles = list(Role)
    return sorted(found, key=lambda step: (roles.index(step.role), step.position))


def test_run_is_shown_as_it_goes_on_and_ends(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    fire(desk, rule(*built(panel(desk), builder(desk, github))))

    [build] = github.builds
    under_way = shown(desk)
    assert told(wire) == ["pending", "in_progress"]
    assert under_way["state"] == "in_progress"
    assert under_way["url"] == build.url
    github.build()
    desk.later(minutes=3)

    [run] = desk.runs()
    assert run.state is RunState.SUCCEEDED
    ended = shown(desk)
    assert told(wire) == ["pending", "in_progress", "successful"]
    assert (ended["state"], ended["url"]) == ("successful", build.url)
    number = "deploymentSequenceNumber"
    assert ended[number] == under_way[number]
    assert [step.state for step in steps(desk)] == [StepState.DONE] * 3


def test_build_that_failed_is_shown_as_failed(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    github.builds_behave("fails")
    fire(desk, rule(*built(panel(desk, BUILDS), builder(desk, github))))
    github.build()
    desk.later(minutes=3)

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert told(wire) == ["pending", "in_progress", "failed"]
    assert shown(desk)["state"] == "failed"
    assert [step.role for step in steps(desk)][-1] is Role.ON_FAILURE


def test_answer_that_never_came_in_a_hold_is_shown_after_its_deadline(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    text = gate(*built(panel(desk), builder(desk, github)))
    desk.jira.add_post_function("Dispatch", text)
    dispatch(desk.jira)
    desk.jira.deliver_pending()
    desk.worker.drain()
    desk.later(minutes=31)

    assert desk.jira.status_of("DEMO-1") == "Deploy failed"
    assert told(wire) == ["pending", "in_progress", "failed"]
    assert shown(desk)["state"] == "failed"


def test_rule_that_waits_for_nothing_is_shown_as_done(desk: Desk, wire: Wire) -> None:
    fire(desk, rule(deliver(panel(desk)), {"do": "add-comment", "body": "Hello"}))

    assert told(wire) == ["pending", "successful"]
    issue_url = f"{desk.jira.base_url}/browse/DEMO-1"
    assert (shown(desk)["state"], shown(desk)["url"]) == ("successful", issue_url)


def refusing(desk: Desk) -> None:
    """Take the modules from the add-on, as a site has it that was not updated."""
    for module in ("jiraBuildInfoProvider", "jiraDeploymentInfoProvider"):
        del desk.jira.site.descriptor["modules"][module]


def test_app_without_the_module_fails_at_its_place(desk: Desk, wire: Wire) -> None:
    refusing(desk)
    fire(desk, rule(deliver(panel(desk))))

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "let a Jira admin update it" in str(run.message)
    assert told(wire) == ["pending"]  # nothing was shown, so no end is told


def test_report_that_fails_changes_nothing_of_the_run(
    desk: Desk, github: GitHub, caller: Caller
) -> None:
    fire(desk, rule(*built(panel(desk), builder(desk, github))))
    refusing(desk)
    github.build()
    desk.later(minutes=3)

    [run] = desk.runs()
    assert run.state is RunState.SUCCEEDED
    report = steps(desk)[-1]
    assert (report.role, report.state) == (Role.ON_SUCCESS, StepState.FAILED)
    [event] = desk.events("report-failed")
    assert event["run"] == str(run.id)
    page = run_shown(caller)
    assert ">Succeeded<" in page
    assert "let a Jira admin update it" in page


def unwell(wire: Wire, *answers: Response | SendError | None) -> None:
    """Let the panel's next answers be these; None is the true one, done and lost."""
    left = list(answers)

    def instead(request: Request) -> Response | SendError | None:
        if not left or not urlsplit(request.url).path.endswith("/0.1/bulk"):
            return None
        return left.pop(0)

    true = wire.send

    def send(request: Request) -> Response:
        was = len(left)
        answer = instead(request)
        if len(left) == was:
            return true(request)
        if answer is None:
            true(request)
            raise SendError("reset", sent=True)
        wire.sent.append(request)
        if isinstance(answer, SendError):
            raise answer
        return answer

    wire.send = send  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        SendError("refused", sent=False),
        Response(status=503),
        Response(status=429, headers={"Retry-After": "7"}),
    ],
)
def test_doubt_means_again_with_the_same_bytes(
    desk: Desk, wire: Wire, answer: Response | SendError | None
) -> None:
    unwell(wire, answer)
    fire(desk, rule(deliver(panel(desk))))
    assert desk.runs()[0].state is RunState.RUNNING

    desk.later(minutes=2)

    [run] = desk.runs()
    assert run.state is RunState.SUCCEEDED
    first, second, _ = [request.body for request in sent(wire)]
    assert first == second
    assert AttemptOutcome.UNKNOWN not in {each.outcome for each in desk.attempts()}
    assert shown(desk)["state"] == "successful"


def test_lost_report_of_progress_is_harmless(
    desk: Desk, github: GitHub, wire: Wire
) -> None:
    text = rule(*built(panel(desk), builder(desk, github)))
    true = wire.send

    def send(request: Request) -> Response:
        if b'"in_progress"' in request.body:
            raise SendError("reset", sent=True)
        return true(request)

    wire.send = send  # type: ignore[method-assign]
    fire(desk, text)
    assert shown(desk)["state"] == "pending"
    github.build()
    desk.later(minutes=3)

    assert shown(desk)["state"] == "successful"
    assert desk.runs()[0].state is RunState.SUCCEEDED


class Killed(BaseException):
    """The worker is gone in this moment, and settles nothing."""


@pytest.mark.parametrize("state", ["pending", "successful"])
def test_killed_worker_loses_no_report(desk: Desk, wire: Wire, state: str) -> None:
    key, true = panel(desk), wire.send
    killed: list[Request] = []

    def send(request: Request) -> Response:
        answer = true(request)
        if f'"{state}"'.encode() in request.body and not killed:
            killed.append(request)
            raise Killed
        return answer

    wire.send = send  # type: ignore[method-assign]
    with pytest.raises(Killed):
        fire(desk, rule(deliver(key)))
    desk.later(minutes=2)

    assert told(wire).count(state) == 2
    assert shown(desk)["state"] == "successful"
    assert desk.runs()[0].state is RunState.SUCCEEDED


def test_second_run_of_an_issue_does_not_wait_for_the_first_to_end(
    desk: Desk, github: GitHub
) -> None:
    fire(desk, rule(*built(panel(desk), builder(desk, github))))
    desk.clock.advance(timedelta(minutes=1))
    desk.fire()
    desk.worker.drain()

    assert len(github.builds) == 2
    several = devops.of_issue(desk.jira.world, desk.jira.issue("DEMO-1"))
    assert [each["state"] for each in several] == ["in_progress"] * 2


@pytest.mark.parametrize("chosen", [BUILDS, DEPLOYMENTS])
def test_test_button_stores_nothing_and_says_what_jira_said(
    desk: Desk, caller: Caller, chosen: dict[str, str]
) -> None:
    path = f"/api/v1/destinations/{panel(desk, chosen)}/test"

    well = caller.send("POST", path, token=caller.context(), body={})
    refusing(desk)
    ill = caller.send("POST", path, token=caller.context(), body={})

    assert b"stored nothing" in well.body
    assert b"Accepted" in well.body
    assert b"let a Jira admin update it" in ill.body
    assert desk.jira.world.state.devops == {}


def test_t8_what_proves_us_to_jira_is_shown_nowhere(desk: Desk, wire: Wire) -> None:
    fire(desk, rule(deliver(panel(desk))))

    tokens = [request.headers["Authorization"].split()[-1] for request in sent(wire)]
    assert len(tokens) == 2
    for attempt in desk.attempts():
        assert attempt.request_head is not None
        assert "/rest/deployments/0.1/bulk" in attempt.request_head
        kept = (attempt.request_head, attempt.response_head, attempt.response_body)
        assert not any(token in str(kept) for token in tokens)


def test_t7_issue_of_another_project_is_not_shown(desk: Desk, wire: Wire) -> None:
    key = panel(desk)
    with desk.runtime.sessions.begin() as session:
        row = destinations.get(session, desk.tenant_id, key)
        row.project_ids = ["10001"]
    fire(desk, rule(deliver(key)))

    assert told(wire) == []
    assert desk.runs()[0].state is RunState.FAILED


def test_site_that_has_forge_is_told_through_forge(
    runtime: Runtime, app: Flask, forge_site: Jira, worker: Worker, wire: Wire
) -> None:
    desk = open_desk(runtime, app, forge_site, worker, wire)

    fire(desk, rule(deliver(panel(desk))))

    assert told(wire) == ["pending", "successful"]
    assert all("/ex/jira/" in request.url for request in sent(wire))
    assert shown(desk)["state"] == "successful"
