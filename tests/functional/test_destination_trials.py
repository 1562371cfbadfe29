"""The test event of a destination's page: real, marked as a test, and counted."""

import base64
import json
import uuid

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask

from app.audit import AuditEvent
from app.destinations import DestinationHealth
from app.http import ForbiddenError, Request, Response, SendError
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.fakes import Answer, Clock, Wire
from tests.functional.receiving import DEMO, Desk, open_desk, token_of

LOST = SendError("the answer took too long", sent=True)
BARRED = ForbiddenError("it leads to an address that is not public")


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def send_test(caller: Caller, key: uuid.UUID) -> Response:
    path = f"/api/v1/destinations/{key}/test"
    return caller.send("POST", path, token=caller.context(), body={})


def test_t7_test_event_is_signed_and_says_that_it_is_a_test(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(project_ids=["10001", DEMO], environment="staging")

    answer = send_test(caller, key)

    assert answer.status == 200
    [request] = desk.receiver.got
    claims = desk.verified(token_of(request))
    sub = f"tenant:{desk.tenant_id}:project:10001:destination:{key}:test"
    assert claims["sub"] == sub
    assert "issue_key" not in claims
    event = json.loads(request.body)
    assert event["type"] == "countersign.test.v1"
    assert event["data"]["test"] is True


def test_person_who_asked_is_on_record_with_the_token_made(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    send_test(caller, key)

    with desk.runtime.sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind == "token-minted")
        [event] = session.scalars(wanted)
        assert event.actor == people.named("ada").account_id
        jti = event.facts["jti"]
    said = jwt.decode(desk.receiver.tokens[0], options={"verify_signature": False})
    assert said["jti"] == jti


def echoing(request: Request) -> Response:
    token = token_of(request)
    echoed = f"{token} {base64.b64encode(token.encode()).decode()}"
    headers = {"X-Echo": token, "X-Server": "<b>deploy</b>"}
    return Response(status=202, headers=headers, body=echoed.encode())


def test_t8_real_answer_is_shown_without_what_was_sent(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(headers={"X-Key": "a-long-credential"})
    desk.receiver.answers = [echoing]

    shown = send_test(caller, key).body.decode()

    assert ">Accepted<" in shown
    assert "It answered 202." in shown
    assert "X-Server: &lt;b&gt;deploy&lt;/b&gt;" in shown
    assert "X-Echo: (hidden)" in shown
    assert "X-Key: (hidden)" in shown
    assert "a-long-credential" not in shown
    assert "eyJ" not in shown
    assert " ms." in shown


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        (Response(status=400), "Rejected", "It refused the delivery with 400."),
        (Response(status=401), "Rejected", "it does not trust our tokens"),
        (Response(status=503), "Not now", "It answered 503: not now."),
        (Response(status=302), "Rejected", "a redirect, which is not followed"),
        (LOST, "No clear answer", "No answer came: the answer took too long."),
        (BARRED, "Rejected", "not public"),
        (
            Response(status=200, body=b"\x00\xff" * 9),
            "Accepted",
            "18 bytes that are no",
        ),
        (Response(status=200, body=b"a" * 9, is_cut=True), "Accepted", "(cut here)"),
    ],
)
def test_each_answer_is_told_in_words(
    caller: Caller, desk: Desk, answer: Answer, verdict: str, said: str
) -> None:
    key, _ = desk.set_up()
    desk.receiver.answers = [answer]

    shown = send_test(caller, key).body.decode()

    assert f">{verdict}<" in shown
    assert said in shown


def test_test_counts_for_nothing_in_the_breaker(caller: Caller, desk: Desk) -> None:
    key, _ = desk.set_up()
    desk.receiver.answers = [Response(status=410), *[Response(status=500)] * 6]

    for _ in range(7):
        send_test(caller, key)

    with desk.runtime.sessions.begin() as session:
        row = session.get_one(DestinationHealth, key)
        assert (row.failures, row.failing_since, row.open_until) == (0, None, None)
        assert row.tokens == 60
    assert desk.state_of(key) == "active"


def test_ten_tests_a_minute_for_each_destination(caller: Caller, desk: Desk) -> None:
    key, _ = desk.set_up()
    other, _ = desk.set_up(name="Other")

    answers = [send_test(caller, key) for _ in range(11)]

    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert "wait a little" in json.loads(answers[-1].body)["message"]
    assert send_test(caller, other).status == 200
    assert len(desk.receiver.got) == 11
    caller.later(minutes=1)
    assert send_test(caller, key).status == 200
