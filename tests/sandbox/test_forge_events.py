"""Post functions through Forge: who takes them, what is told, how often."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import Jira, people
from sandbox.catalogue import WORKFLOW
from sandbox.forge import mishaps
from sandbox.mishaps import MishapError
from tests.sandbox import forge_stand_in
from tests.sandbox.conftest import Clock
from tests.sandbox.stand_in import StandIn
from tests.sandbox.test_forge_install import calls, verified

Json = dict[str, Any]
PATH = "/forge/post-function"


@pytest.fixture
def both(make_jira: Callable[..., Jira], tmp_path: Path) -> Jira:
    """A site that has the add-on, and the manifest of its successor."""
    jira = make_jira(forge_manifest=forge_stand_in.write(tmp_path))
    jira.install()
    return jira


def test_event_is_as_documented(forge: Jira, stand_in: StandIn) -> None:
    rule = forge.add_post_function("Deploy", '{"v": 1}')
    forge.transition("DEMO-1", "Deploy", "dee")
    assert forge.deliver_pending() == 1
    [(headers, body)] = calls(stand_in, PATH)
    assert body["issue"]["key"] == "DEMO-1"
    assert body["issue"]["fields"]["status"]["name"] == "Done"
    transition = body["transition"]
    assert (transition["id"], transition["name"]) == ("31", "Deploy")
    assert transition["from"] == {"id": "10002", "name": "In Review"}
    assert transition["to"] == {"id": "10003", "name": "Done"}
    assert body["workflow"]["name"] == WORKFLOW
    assert body["atlassianId"] == people.DEE.account_id
    assert body["changelog"] == {"id": forge.issue("DEMO-1").history[-1]["id"]}
    assert body["configuration"] == {"v": 1}
    assert body["postFunction"] == {"id": rule.id}
    assert "retryContext" not in body
    assert verified(forge, headers)["context"]["moduleKey"] == "rule"


def test_event_is_nobodys_and_has_the_apps_own_token(
    forge: Jira, stand_in: StandIn
) -> None:
    forge.add_post_function("Deploy", "{}")
    forge.transition("DEMO-1", "Deploy", "dee")
    forge.deliver_pending()
    [(headers, _)] = calls(stand_in, PATH)
    claims = verified(forge, headers)
    assert claims["app"]["module"]["key"] == "post-function"
    assert "principal" not in claims
    assert "X-Forge-Oauth-User" not in headers
    token = headers["X-Forge-Oauth-System"]
    assert forge.forge.app.access.judge(token).person == people.FORGE


def test_create_comes_from_nowhere_and_was_never_saved(
    forge: Jira, stand_in: StandIn
) -> None:
    forge.add_post_function("Create", "")
    forge.create_issue(user="dee")
    forge.deliver_pending()
    [(_, body)] = calls(stand_in, PATH)
    assert "from" not in body["transition"]
    assert {"changelog", "configuration"}.isdisjoint(body)
    assert body["atlassianId"] == people.DEE.account_id


def test_loop_leaves_no_changelog(forge: Jira, stand_in: StandIn) -> None:
    forge.transition("DEMO-2", "Send to review")
    forge.add_post_function("Touch", "{}")
    forge.transition("DEMO-2", "Touch")
    forge.deliver_pending()
    [(_, body)] = calls(stand_in, PATH)
    assert body["transition"]["from"] == body["transition"]["to"]
    assert "changelog" not in body


def test_execution_is_shared_by_the_rules_of_one_transition(
    forge: Jira, stand_in: StandIn
) -> None:
    for value in ("{}", '{"v": 1}'):
        forge.add_post_function("Deploy", value)
    forge.transition("DEMO-1", "Deploy")
    forge.transition("DEMO-4", "Deploy")
    forge.deliver_pending()
    told = [
        (body["issue"]["key"], body["transition"]["executionId"])
        for _, body in calls(stand_in, PATH)
    ]
    assert len(told) == 4
    assert len(set(told)) == len({execution for _, execution in told}) == 2


def test_rules_of_connect_are_taken_over(both: Jira, stand_in: StandIn) -> None:
    both.add_post_function("Deploy", '{"v": 1}')
    both.transition("DEMO-1", "Deploy")
    assert both.deliver_pending() == 1
    both.forge.install()
    both.transition("DEMO-4", "Deploy")
    assert both.deliver_pending() == 1
    assert len(stand_in.triggered()) == 1
    [(_, body)] = calls(stand_in, PATH)
    assert body["configuration"] == {"v": 1}


def test_rules_go_back_to_connect_when_forge_goes(
    both: Jira, stand_in: StandIn
) -> None:
    both.forge.install()
    both.forge.vanish()
    both.add_post_function("Deploy", "{}")
    both.transition("DEMO-1", "Deploy")
    both.deliver_pending()
    assert len(stand_in.triggered()) == 1
    assert calls(stand_in, PATH) == []


def test_rule_of_another_key_stays_with_connect(
    both: Jira, stand_in: StandIn, tmp_path: Path
) -> None:
    raw = forge_stand_in.manifest()
    raw["modules"]["jira:workflowPostFunction"][0]["key"] = "another"
    forge_stand_in.write(tmp_path, raw)
    both.forge.install()
    both.add_post_function("Deploy", "{}", module="rule")
    both.transition("DEMO-1", "Deploy")
    both.deliver_pending()
    assert len(stand_in.triggered()) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "INVALID_FORGE_INVOCATION_TOKEN"),
        (404, "INVALID_REMOTE_INVOCATION_ERROR"),
        (302, "INVALID_REMOTE_INVOCATION_ERROR"),
        (503, "INVALID_REMOTE_INVOCATION_ERROR"),
    ],
)
def test_four_retries_a_minute_apart_with_a_fresh_token(
    forge: Jira, stand_in: StandIn, clock: Clock, status: int, reason: str
) -> None:
    forge.add_post_function("Deploy", "{}")
    stand_in.status = status
    forge.transition("DEMO-1", "Deploy")
    forge.deliver_pending()
    clock.advance(59)
    assert forge.deliver_pending() == 0
    for _ in range(9):
        clock.advance(60)
        forge.deliver_pending()
    told = calls(stand_in, PATH)
    assert len({verified(forge, headers)["jti"] for headers, _ in told}) == 5
    assert [body.get("retryContext") for _, body in told] == [None] + [
        {"retryCount": n, "retryReason": reason, "retryData": None}
        for n in (1, 2, 3, 4)
    ]


def test_late_answer_is_a_timeout(
    make_jira: Callable[..., Jira], tmp_path: Path, clock: Clock
) -> None:
    sent: list[Json] = []

    def transport(_: str, url: str, __: object, body: bytes) -> tuple[int, bytes]:
        if url.endswith("/forge/post-function"):
            sent.append(json.loads(body))
            raise TimeoutError
        return 200, b"{}"

    manifest = forge_stand_in.write(tmp_path)
    jira = make_jira(forge_manifest=manifest, transport=transport)
    jira.forge.install()
    jira.add_post_function("Deploy", "{}")
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    clock.advance(60)
    jira.deliver_pending()
    assert sent[1]["retryContext"]["retryReason"] == "TIMEOUT_ERROR"


def test_lifecycle_is_tried_again_too(
    forge: Jira, stand_in: StandIn, clock: Clock
) -> None:
    stand_in.statuses = [503]
    [answer] = forge.forge.install()
    assert answer.status == 503
    assert forge.deliver_pending() == 0
    clock.advance(60)
    assert forge.deliver_pending() == 1
    assert calls(stand_in, "/forge/lifecycle")[-1][1]["retryContext"]["retryCount"] == 1


def test_what_is_on_its_way_goes_with_the_installation(
    forge: Jira, stand_in: StandIn
) -> None:
    forge.add_post_function("Deploy", "{}")
    forge.transition("DEMO-1", "Deploy")
    forge.forge.install()
    forge.deliver_pending()
    assert calls(stand_in, PATH) == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("forge-other-environment", ("app", "environment", "type"), "STAGING"),
        ("forge-other-endpoint", ("app", "module", "key"), "lifecycle"),
        ("forge-principal", ("principal",), people.ADA.account_id),
    ],
)
def test_mishap_changes_one_claim_of_one_event(
    forge: Jira, stand_in: StandIn, name: str, path: tuple[str, ...], value: str
) -> None:
    mishaps.cause(forge, name, {})
    forge.add_post_function("Deploy", "{}")
    forge.transition("DEMO-1", "Deploy")
    forge.deliver_pending()
    found: list[Any] = [verified(forge, h) for h, _ in calls(stand_in, PATH)]
    for part in path:
        found = [claims.get(part) for claims in found]
    assert found[0] == value != found[1]


def test_mishap_waits_for_the_next_event(
    forge: Jira, stand_in: StandIn, clock: Clock
) -> None:
    mishaps.cause(forge, "forge-expired", {"arm": True})
    assert calls(stand_in, "/forge/tick") == []
    forge.forge.tick()
    [(headers, _)] = calls(stand_in, "/forge/tick")
    assert clock().timestamp() - verified(forge, headers)["exp"] == 600 - 25


def test_stranger_and_unknown_key_cannot_be_verified(
    forge: Jira, stand_in: StandIn
) -> None:
    for name in ("forge-other-app", "forge-unknown-key"):
        mishaps.cause(forge, name, {})
    other, unknown = (headers for headers, _ in calls(stand_in, PATH))
    with pytest.raises(Exception, match="Audience"):
        verified(forge, other)
    with pytest.raises(KeyError):
        verified(forge, unknown)


def test_replay_is_the_same_byte_for_byte(forge: Jira, stand_in: StandIn) -> None:
    forge.forge.tick()
    mishaps.cause(forge, "forge-replay", {})
    first, second = calls(stand_in, "/forge/tick")
    assert first == second


def test_payload_can_be_nested(forge: Jira, stand_in: StandIn) -> None:
    mishaps.cause(forge, "forge-nest-payload", {})
    mishaps.cause(forge, "forge-expired", {"issue": "DEMO-2"})
    [(_, body)] = calls(stand_in, PATH)
    assert set(body) == {"payload"}
    assert body["payload"]["issue"]["key"] == "DEMO-2"


def test_mishap_needs_the_app(make_jira: Callable[..., Jira]) -> None:
    with pytest.raises(MishapError, match="not installed"):
        mishaps.cause(make_jira(), "forge-expired", {})
