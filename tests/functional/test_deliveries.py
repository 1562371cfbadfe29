"""From a transition to a receiver outside: one message, signed, and what answers do."""

import hashlib
import json
from typing import Any

import pytest
from flask import Flask

from app.destinations import DestinationState, Pace, pause, resume
from app.http import Response, SendError
from app.runs import AttemptOutcome, RunState, Why
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.fakes import Wire
from tests.functional.receiving import DEMO, START, URL, Desk, open_desk

UNREACHED = SendError("no route to host", sent=False)
BUSY = Response(status=503)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def the_run(desk: Desk) -> Any:
    [run] = desk.runs()
    return run


def test_rule_delivers_once(desk: Desk) -> None:
    destination_id, _ = desk.set_up(headers={"X-Team": "blue-team"})

    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["Content-Type"] == "application/cloudevents+json"
    assert request.headers["X-Team"] == "blue-team"
    assert the_run(desk).state is RunState.SUCCEEDED
    assert [a.outcome for a in desk.attempts()] == [AttemptOutcome.DONE]


def test_token_verifies_and_says_what_jira_confirmed(desk: Desk) -> None:
    destination_id, _ = desk.set_up()

    desk.deliver(destination_id)

    [request], run, tenant_id = desk.receiver.got, the_run(desk), desk.tenant_id
    claims = desk.verified(desk.receiver.tokens[0])
    sub = f"tenant:{tenant_id}:project:{DEMO}:destination:{destination_id}"
    assert claims["sub"] == sub
    assert claims["iss"] == f"https://countersign.example/issuers/{tenant_id}"
    assert claims["run_id"] == str(run.id)
    assert (claims["issue_key"], claims["to_status"]) == ("DEMO-1", "In Progress")
    assert claims["exp"] - claims["iat"] <= 300
    assert claims["body_sha256"] == hashlib.sha256(request.body).hexdigest()
    assert claims["delivery_id"] == request.headers["webhook-id"]
    assert claims["reported"]["transition"] == START


def test_body_is_a_cloud_event_with_the_rules_inputs(desk: Desk) -> None:
    destination_id, _ = desk.set_up(environment="production")

    desk.deliver(destination_id)

    [request] = desk.receiver.got
    event = json.loads(request.body)
    assert event["specversion"] == "1.0"
    assert event["id"] == request.headers["Idempotency-Key"]
    assert event["data"]["inputs"]["version"] == "DEMO-1-rc"
    assert event["data"]["environment"] == "production"


def test_every_attempt_has_one_id_one_body_and_a_token_of_its_own(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [BUSY, UNREACHED]

    desk.deliver(destination_id)
    desk.jira.issue("DEMO-1").fields["summary"] = "Written anew meanwhile"
    desk.later(seconds=6)
    desk.later(seconds=360)

    tokens = desk.receiver.tokens
    claims = [desk.verified(tokens[-1])["jti"]]
    assert len(tokens) == len(set(tokens)) == 3
    assert len(set(desk.receiver.ids)) == 1
    assert len({request.body for request in desk.receiver.got}) == 1
    assert [event["jti"] for event in desk.events("token-minted")][2:] == claims
    assert the_run(desk).state is RunState.SUCCEEDED


@pytest.mark.parametrize("answer", [BUSY, UNREACHED], ids=["503", "unreached"])
def test_what_did_not_happen_is_tried_again_by_schedule(
    desk: Desk, answer: Response | SendError
) -> None:
    destination_id, _ = desk.set_up(pace=Pace.DEPLOY)
    desk.receiver.answers = [answer] * 9

    desk.deliver(destination_id)
    seen = [len(desk.receiver.got)]
    for seconds in (3.9, 2.2, 23, 14):
        desk.later(seconds=seconds)
        seen.append(len(desk.receiver.got))

    assert seen == [1, 1, 2, 2, 3]


def test_delivery_that_always_fails_ends_and_the_ticket_says_so(desk: Desk) -> None:
    destination_id, _ = desk.set_up(pace=Pace.DEPLOY)
    desk.receiver.answers = [BUSY] * 9

    desk.deliver(destination_id, on_failure={"mode": "report", "comment": True})
    for _ in range(16):
        desk.later(seconds=70)

    run = the_run(desk)
    assert (run.state, run.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert "503" in run.message
    assert len(desk.receiver.got) in {4, 5}  # the jitter decides about the last one
    assert commented(desk)


def commented(desk: Desk) -> str:
    comments = [c for c in desk.jira.issue("DEMO-1").comments if c.get("properties")]
    return json.dumps(comments[0]["body"]) if comments else ""


def test_receiver_says_when_to_come_again(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [Response(status=429, headers={"Retry-After": "200"})]

    desk.deliver(destination_id)
    desk.later(seconds=199)
    assert len(desk.receiver.got) == 1
    desk.later(seconds=42)

    assert len(desk.receiver.got) == 2
    assert the_run(desk).state is RunState.SUCCEEDED


@pytest.mark.parametrize("status", [400, 401, 404, 307])
def test_refusal_fails_at_once_and_the_ticket_shows_it(desk: Desk, status: int) -> None:
    destination_id, _ = desk.set_up()
    answer = Response(status=status, body=b"the secret plan", headers={"X": "plan"})
    desk.receiver.answers = [answer]

    desk.deliver(destination_id, on_failure={"mode": "report", "comment": True})
    desk.later(hours=40)

    assert len(desk.receiver.got) == 1
    run = the_run(desk)
    assert (run.state, run.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert str(status) in run.message
    assert "step 1 (Deliver to a destination) failed" in commented(desk)
    assert "plan" not in commented(desk)  # T15: an answer is never quoted


def test_paused_destination_waits_and_goes_after_resume(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.act(pause, destination_id)

    desk.deliver(destination_id)
    desk.later(hours=10)
    assert desk.receiver.got == []
    assert "paused" in the_run(desk).message
    desk.act(resume, destination_id)
    desk.later(minutes=2)

    assert the_run(desk).state is RunState.SUCCEEDED
    assert len(desk.receiver.got) == 1


@pytest.mark.parametrize(
    ("pace", "minutes"), [(Pace.DEPLOY, 15), (Pace.NOTIFY, 36 * 60)]
)
def test_pause_longer_than_the_pace_allows_fails(
    desk: Desk, pace: Pace, minutes: int
) -> None:
    destination_id, _ = desk.set_up(pace=pace)
    desk.act(pause, destination_id)

    desk.deliver(destination_id)
    desk.later(minutes=minutes - 1)
    assert the_run(desk).state is RunState.RUNNING
    desk.later(minutes=2)

    assert the_run(desk).state is RunState.FAILED
    assert "waited too long: the destination is paused" in the_run(desk).message
    assert desk.receiver.got == []


def test_deployment_is_not_made_hours_late(desk: Desk) -> None:
    """No worker was there when its next attempt was due."""
    destination_id, _ = desk.set_up(pace=Pace.DEPLOY)
    desk.receiver.answers = [BUSY]

    desk.deliver(destination_id)
    desk.later(hours=3)

    assert the_run(desk).state is RunState.FAILED
    assert len(desk.receiver.got) == 1


def test_gone_receiver_is_disabled_and_the_audit_says_so(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [Response(status=410)]

    desk.deliver(destination_id)
    desk.fire("DEMO-3")
    desk.worker.drain()

    assert desk.state_of(destination_id) is DestinationState.DISABLED
    [event] = desk.events("destination-disabled")
    assert "410" in event["because"]
    assert len(desk.receiver.got) == 1
    assert [run.state for run in desk.runs()] == [RunState.FAILED] * 2
    assert "disabled" in str(desk.runs()[1].message)


def test_five_days_of_failure_disable(desk: Desk) -> None:
    destination_id, _ = desk.set_up(pace=Pace.DEPLOY)
    desk.publish(destination_id)
    desk.receiver.answers = [BUSY] * 200

    for _ in range(6):
        desk.fire()
        desk.worker.drain()
        desk.later(days=1)

    assert desk.state_of(destination_id) is DestinationState.DISABLED
    [event] = desk.events("destination-disabled")
    assert "five days" in event["because"]
