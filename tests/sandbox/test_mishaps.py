"""Each mishap does what it says, and tells what the add-on answered."""

import json
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from sandbox import Jira, mishaps, qsh
from tests.sandbox.conftest import Clock, Rest
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]
NOON = 1795435200


def claims_of(headers: dict[str, str]) -> Json:
    token = headers["Authorization"].removeprefix("JWT ")
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture(autouse=True)
def _rule(jira: Jira) -> None:
    jira.add_post_function("Deploy", '{"v": 1}')


def fired(stand_in: StandIn) -> tuple[dict[str, str], Json]:
    headers, body = stand_in.triggered()[-1]
    return headers, json.loads(body)


def test_expired_token(jira: Jira, stand_in: StandIn) -> None:
    stand_in.status = 401
    outcome = mishaps.cause(jira, "expired-token", {"issue": "DEMO-4"})
    headers, body = fired(stand_in)
    assert outcome.status == 401
    assert "DEMO-4" in outcome.did
    assert claims_of(headers)["iat"] == NOON - 600
    assert body["issue"]["key"] == "DEMO-4"
    assert body["configuration"]["value"] == '{"v": 1}'


def test_wrong_secret(jira: Jira, stand_in: StandIn) -> None:
    mishaps.cause(jira, "wrong-secret", {})
    headers, _ = fired(stand_in)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            headers["Authorization"].removeprefix("JWT "),
            jira.site.shared_secret,
            algorithms=["HS256"],
        )


def test_tampered_url(jira: Jira, stand_in: StandIn) -> None:
    mishaps.cause(jira, "tampered-url", {})
    headers, _ = fired(stand_in)
    assert claims_of(headers)["qsh"] == qsh.of("POST", "/triggered")
    assert jira.traffic.newest(1)[0].url.endswith("/triggered?debug=true")


def test_swapped_body_names_an_issue_that_did_not_move(
    jira: Jira, stand_in: StandIn
) -> None:
    jira.transition("DEMO-1", "Deploy")
    mishaps.cause(jira, "swapped-body", {"issue": "DEMO-1"})
    headers, body = fired(stand_in)
    assert claims_of(headers)["qsh"] == qsh.of("POST", "/triggered")
    assert body["issue"]["key"] != "DEMO-1"
    assert jira.issue(body["issue"]["key"]).history == []


def test_replay_is_the_same_call(jira: Jira, stand_in: StandIn, clock: Clock) -> None:
    with pytest.raises(mishaps.MishapError):
        mishaps.cause(jira, "replay", {})
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    clock.advance(5)
    assert mishaps.cause(jira, "replay", {}).status == 204
    first, second = stand_in.triggered()
    assert first == second


@pytest.mark.parametrize("seconds", [60, -60])
def test_clock_drift(jira: Jira, stand_in: StandIn, seconds: int) -> None:
    mishaps.cause(jira, "clock-drift", {"seconds": seconds})
    assert claims_of(fired(stand_in)[0])["iat"] == NOON + seconds


def test_armed_token_spoils_one_call(jira: Jira, stand_in: StandIn) -> None:
    outcome = mishaps.cause(jira, "expired-token", {"arm": True})
    assert outcome.status is None
    assert stand_in.triggered() == []
    for key in ("DEMO-1", "DEMO-4"):
        jira.transition(key, "Deploy")
        jira.deliver_pending()
    moments = [claims_of(headers)["iat"] for headers, _ in stand_in.triggered()]
    assert moments == [NOON - 600, NOON]


def test_armed_answers_are_for_the_add_on_and_used_up(rest: Rest, jira: Jira) -> None:
    mishaps.cause(jira, "answer-429", {"seconds": 7})
    mishaps.cause(jira, "answer-500", {})
    first = rest("GET", "/rest/api/3/myself")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert rest("GET", "/rest/api/3/myself").status_code == 500
    assert rest("GET", "/rest/api/3/myself").status_code == 200


def test_slow_answer_is_true_but_late(rest: Rest, jira: Jira) -> None:
    slept: list[float] = []
    jira.sleep = slept.append
    mishaps.cause(jira, "answer-slow", {"seconds": 8})
    assert rest("GET", "/rest/api/3/myself").status_code == 200
    assert slept == [8.0]


def test_cut_wire_loses_the_call_and_says_so(jira: Jira, stand_in: StandIn) -> None:
    assert "lost" in mishaps.cause(jira, "cut-wire", {}).did
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    lost = jira.traffic.newest(1)[0]
    assert (lost.verdict, lost.issue, lost.status) == ("lost", "DEMO-1", None)
    assert "whole" in mishaps.cause(jira, "cut-wire", {"on": False}).did
    assert jira.deliver_pending() == 0
    assert stand_in.triggered() == []


def test_refused_add_on_is_refused_until_it_is_accepted_again(
    rest: Rest, jira: Jira
) -> None:
    path = "/rest/api/3/myself"
    mishaps.cause(jira, "refuse-addon", {})
    refused = rest("GET", path)
    drifted = rest("GET", path, secret="another" * 9)
    assert refused.status_code == 401
    assert refused.data == drifted.data
    assert "mishap" in jira.traffic.newest(1)[0].why
    mishaps.cause(jira, "refuse-addon", {})
    assert rest("GET", path).status_code == 200


def test_dropped_call_comes_back(jira: Jira, stand_in: StandIn, clock: Clock) -> None:
    mishaps.cause(jira, "drop-next", {})
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    assert stand_in.triggered() == []
    clock.advance(3)
    jira.deliver_pending()
    headers, _ = fired(stand_in)
    assert headers["X-Atlassian-Webhook-Retry"] == "1"


def test_site_rename_keeps_the_client_key(jira: Jira, stand_in: StandIn) -> None:
    before = jira.site.client_key
    wanted = {"base_url": "http://renamed.test"}
    assert mishaps.cause(jira, "rename-site", wanted).status == 204
    installed = [body for _, path, _, body in stand_in.seen if path == "/installed"]
    told = json.loads(installed[-1])
    assert (told["baseUrl"], told["clientKey"]) == ("http://renamed.test", before)
    assert jira.site.base_url == "http://renamed.test"


def test_secret_rotation_that_is_refused_changes_nothing(
    jira: Jira, stand_in: StandIn
) -> None:
    before = jira.site.shared_secret
    stand_in.statuses = [500]
    outcome = mishaps.cause(jira, "rotate-secret", {})
    assert outcome.status == 500
    assert "response code 500" in outcome.did
    assert jira.site.shared_secret == before
    mishaps.cause(jira, "rotate-secret", {})
    assert jira.site.shared_secret != before


def test_foreign_secret_is_sent_and_is_not_the_sites(
    jira: Jira, stand_in: StandIn
) -> None:
    before = jira.site.shared_secret

    assert mishaps.cause(jira, "foreign-secret", {}).status == 204

    assert jira.site.shared_secret == before
    installed = [body for _, path, _, body in stand_in.seen if path == "/installed"]
    assert json.loads(installed[-1])["sharedSecret"] not in {before, None}


def test_uninstalled_site_has_few_mishaps(jira: Jira) -> None:
    mishaps.cause(jira, "uninstall", {})
    with pytest.raises(mishaps.MishapError, match="not installed"):
        mishaps.cause(jira, "expired-token", {})
    assert mishaps.cause(jira, "install", {}).status == 204


def test_every_mishap_by_the_control_api(client: FlaskClient, jira: Jira) -> None:
    jira.transition("DEMO-1", "Deploy")
    jira.deliver_pending()
    last = {"uninstall": 1, "install": 2}
    for name in sorted(mishaps.MISHAPS, key=lambda n: last.get(n, 0)):
        answer = client.post(f"/sandbox/api/mishaps/{name}", json={"on": False})
        assert answer.status_code == 200, name
        assert answer.get_json()["did"]
    answer = client.post("/sandbox/api/mishaps/earthquake", json={})
    assert answer.status_code == 409
