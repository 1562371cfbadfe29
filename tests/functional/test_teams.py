"""Microsoft Teams as a destination: from the transition to the card."""

import json
import uuid
from typing import Any

import pytest
from flask import Flask

from app.http import Response, SendError
from app.runs import RunState
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.messages import deliver, kept, set_up
from tests.functional.receiving import DEMO, Desk, open_desk
from tests.receivers.teams import HOST, SIGNATURE, URL, WORKFLOW, Teams


@pytest.fixture
def teams(wire: Wire) -> Teams:
    workflow = Teams()
    wire.elsewhere[HOST] = workflow
    return workflow


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def made(desk: Desk, **more: Any) -> uuid.UUID:
    return set_up(desk, "teams", {"called": "Ops: Deploys"}, {"url": URL}, **more)


def test_card_is_posted_and_its_address_kept_nowhere(desk: Desk, teams: Teams) -> None:
    teams.instead = [Response(status=429, headers={"X-At": URL}, body=URL.encode())]
    deliver(desk, made(desk), text="{{ issue.key }} [x](https://evil.example)")

    desk.later(seconds=100)

    [card] = teams.posted
    assert card.lines[0] == "DEMO-1 [x](https://evil.example)"
    assert card.links == ()
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]
    assert SIGNATURE not in kept(desk)
    assert WORKFLOW not in kept(desk)


def test_gone_workflow_fails_the_run_and_says_why(desk: Desk, teams: Teams) -> None:
    teams.instead = [Response(status=404)]

    deliver(desk, made(desk), text="x")

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "owner's account is gone" in str(run.message)


def test_lost_answer_is_not_posted_twice(desk: Desk, teams: Teams) -> None:
    teams.instead = [SendError("the answer took too long", sent=True)]
    deliver(desk, made(desk), text="x")

    desk.later(hours=1)

    assert teams.posted == []
    assert [run.state for run in desk.runs()] == [RunState.AMBIGUOUS]


def test_what_was_not_sent_is_tried_again(desk: Desk, teams: Teams) -> None:
    teams.instead = [SendError("no connection", sent=False)]
    deliver(desk, made(desk), text="x")

    desk.later(seconds=10)

    assert len(teams.posted) == 1


def test_t8_page_that_saves_it_tests_it_and_never_shows_its_address(
    desk: Desk, teams: Teams, clock: Clock
) -> None:
    caller = Caller(app=desk.app, jira=desk.jira, clock=clock)
    token = caller.context()
    form = {"name": "Ops", "kind": "teams", "project_ids": [DEMO], "settings": {}}
    body = json.dumps(form | {"credentials": {"url": URL}}).encode()
    path = "/api/v1/destinations"
    answer = caller.send("POST", path, token=token, body=body)
    key = json.loads(answer.body)["id"]

    tried = caller.send("POST", f"{path}/{key}/test", token=token, body={})
    page = caller.send("GET", f"/api/v1/pages/destinations/{key}", token=token)

    assert b"the workflow took it" in tried.body.lower()
    assert teams.posted[0].lines[-1] == "A test by Countersign"
    for shown in (answer.body, tried.body, page.body):
        assert SIGNATURE.encode() not in shown
        assert WORKFLOW.encode() not in shown
