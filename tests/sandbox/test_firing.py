"""Post functions: who is called, with what, how often, and in what state."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest

from sandbox import Jira, qsh, workflow
from sandbox.catalogue import WORKFLOW
from sandbox.world import Rule
from tests.sandbox.conftest import Clock
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]


def test_body_and_token_are_those_of_jira(jira: Jira, stand_in: StandIn) -> None:
    jira.add_post_function("Deploy", '{"v": 1}')
    jira.transition("DEMO-1", "Deploy", "dee")
    assert stand_in.triggered() == []
    assert jira.deliver_pending() == 1
    [(headers, raw)] = stand_in.triggered()
    body = json.loads(raw)
    assert set(body) == {"issue", "transition", "configuration"}
    assert body["configuration"] == {"value": '{"v": 1}'}
    assert body["transition"] | {"workflowId": 0} == {
        "workflowId": 0,
        "workflowName": WORKFLOW,
        "transitionId": 31,
        "transitionName": "Deploy",
        "from_status": "In Review",
        "to_status": "Done",
    }
    assert body["issue"]["key"] == "DEMO-1"
    assert body["issue"]["fields"]["status"]["name"] == "Done"
    assert isinstance(body["issue"]["fields"]["description"], str)
    claims = jwt.decode(
        headers["Authorization"].removeprefix("JWT "),
        jira.site.shared_secret,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    assert set(claims) == {"iss", "iat", "exp", "qsh"}
    assert claims["iss"] == jira.site.client_key
    assert claims["exp"] == claims["iat"] + 180
    assert claims["qsh"] == qsh.of("POST", "/triggered")
    assert headers["User-Agent"] == "Atlassian Webhook HTTP Client"
    assert "X-Atlassian-Webhook-Retry" not in headers


def test_create_has_no_status_before(jira: Jira, stand_in: StandIn) -> None:
    jira.add_post_function("Create", "x")
    issue = jira.create_issue(summary="New")
    jira.deliver_pending()
    [(_, raw)] = stand_in.triggered()
    told = json.loads(raw)
    assert told["issue"]["id"] == issue.id
    assert told["transition"]["from_status"] == ""
    assert told["transition"]["to_status"] == "To Do"


def test_each_post_function_is_a_call_of_its_own(jira: Jira, stand_in: StandIn) -> None:
    first = jira.add_post_function("Deploy", "same")
    second = jira.add_post_function("Deploy", "same")
    assert first.id != second.id
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    calls = stand_in.triggered()
    assert len(calls) == 2
    assert calls[0][1] == calls[1][1]
    name = "X-Atlassian-Webhook-Identifier"
    assert calls[0][0][name] != calls[1][0][name]


def test_draft_does_not_fire_before_it_is_published(
    jira: Jira, stand_in: StandIn
) -> None:
    place = workflow.Place(WORKFLOW, "31")
    workflow.add(jira.world, place, Rule("f-draft", "rule", "draft"))
    jira.transition("DEMO-1", "Deploy")
    assert jira.deliver_pending() == 0
    workflow.publish(jira.world, WORKFLOW)
    jira.transition("DEMO-4", "Deploy")
    assert jira.deliver_pending() == 1
    assert len(stand_in.triggered()) == 1


def test_copied_workflow_keeps_configuration_and_id(
    jira: Jira, stand_in: StandIn
) -> None:
    made = jira.add_post_function("Send to review", "cfg")
    jira.copy_workflow(WORKFLOW, "OPS copy")
    jira.use_workflow("OPS", "OPS copy")
    [copied] = jira.world.state.workflows["OPS copy"].live["21"]
    assert (copied.id, copied.value) == (made.id, made.value)
    jira.transition("OPS-2", "Send to review")
    jira.deliver_pending()
    [(_, raw)] = stand_in.triggered()
    assert json.loads(raw)["transition"]["workflowName"] == "OPS copy"


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
def test_retried_with_a_fresh_token_and_the_same_identifier(
    jira: Jira, stand_in: StandIn, clock: Clock, status: int
) -> None:
    jira.add_post_function("Deploy", "x")
    stand_in.statuses = [status, status]
    jira.transition("DEMO-1", "Deploy")
    assert jira.deliver_pending() == 1
    assert jira.deliver_pending() == 0
    clock.advance(3)
    assert jira.deliver_pending() == 1
    clock.advance(6)
    assert jira.deliver_pending() == 1
    clock.advance(3600)
    assert jira.deliver_pending() == 0
    headers = [h for h, _ in stand_in.triggered()]
    name = "X-Atlassian-Webhook-Identifier"
    assert len({h[name] for h in headers}) == 1
    assert len({h["Authorization"] for h in headers}) == 3
    retries = [h.get("X-Atlassian-Webhook-Retry") for h in headers]
    assert retries == [None, "1", "2"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_other_refusals_are_final(jira: Jira, stand_in: StandIn, status: int) -> None:
    jira.add_post_function("Deploy", "x")
    stand_in.status = status
    jira.transition("DEMO-1", "Deploy")
    assert jira.deliver_pending() == 1
    assert jira.firing.pending() == 0
    assert jira.traffic.newest(1)[0].verdict == "refused"


def test_five_retries_and_then_it_is_lost(
    jira: Jira, stand_in: StandIn, clock: Clock
) -> None:
    jira.add_post_function("Deploy", "x")
    stand_in.status = 503
    jira.transition("DEMO-1", "Deploy")
    for _ in range(20):
        jira.deliver_pending()
        clock.advance(600)
    assert len(stand_in.triggered()) == 6
    assert jira.firing.pending() == 0


def test_what_a_cut_wire_loses_stays_lost(
    jira: Jira, stand_in: StandIn, clock: Clock
) -> None:
    jira.add_post_function("Deploy", "x")
    jira.addon.wire_is_cut = True
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    assert jira.traffic.newest(1)[0].verdict == "lost"
    jira.addon.wire_is_cut = False
    clock.advance(3600)
    assert jira.deliver_pending() == 0
    assert stand_in.triggered() == []
    jira.transition("DEMO-4", "Deploy")
    jira.deliver_pending()
    assert len(stand_in.triggered()) == 1


def test_identifier_can_be_left_out(jira: Jira, stand_in: StandIn) -> None:
    jira.firing.identifier_header = False
    jira.add_post_function("Deploy", "x")
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    [(headers, _)] = stand_in.triggered()
    assert "X-Atlassian-Webhook-Identifier" not in headers


def test_nothing_fires_without_an_add_on(jira: Jira, stand_in: StandIn) -> None:
    jira.add_post_function("Deploy", "x")
    jira.uninstall()
    jira.transition("DEMO-1", "Deploy")
    assert jira.deliver_pending() == 0
    assert stand_in.triggered() == []


def test_forty_calls_are_delivered_side_by_side(
    make_jira: Callable[..., Jira], stand_in: StandIn
) -> None:
    """Eight at a time at least, or the barrier would never open."""
    barrier = threading.Barrier(8, timeout=10)

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        if url.endswith("/triggered"):
            barrier.wait()
            return 204, b""
        return stand_in.transport(method, url, headers, body)

    jira = make_jira(transport=transport, background=True)
    try:
        jira.install()
        jira.add_post_function("Start progress", "x")
        jira.add_post_function("Start progress", "y")
        for number in range(20):
            issue = jira.create_issue(summary=f"Number {number}")
            jira.transition(issue.key, "Start progress")
        assert jira.wait_until_delivered(20)
    finally:
        jira.close()
    calls = [e for e in jira.traffic.newest() if e.url.endswith("/triggered")]
    assert len(calls) == 40
    assert {call.verdict for call in calls} == {"accepted"}
