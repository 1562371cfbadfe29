"""What a self-managed Jira sends: webhooks with an HMAC, and scripts with a JWT."""

import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from sandbox import Jira
from sandbox.datacenter import signing
from sandbox.datacenter.site import DataCenterError
from sandbox.mishaps import MishapError
from sandbox.web import causing
from tests.sandbox.conftest import Clock
from tests.sandbox.datacenter import Ear

Json = dict[str, Any]
URL = "http://127.0.0.1:8040/listeners/1"
UPDATED = ("jira:issue_updated",)


def signed(secret: str, body: bytes) -> str:
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={made}"


def claims_of(ear: Ear, key: str, algorithm: str) -> Json:
    token = ear.last[0]["Authorization"].removeprefix("Bearer ")
    unchecked = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    claims: Json = jwt.decode(token, key, algorithms=[algorithm], options=unchecked)  # type: ignore[arg-type]
    return claims


def test_webhook_of_an_event_is_signed(
    self_managed: Jira, ear: Ear, clock: Clock
) -> None:
    self_managed.datacenter.add_webhook(URL, secret="s3cret", events=UPDATED)
    self_managed.transition("DEMO-1", "Dispatch", "dee")
    assert self_managed.deliver_pending() == 1

    headers, body = ear.last
    url, _, raw = ear.heard[-1]
    assert url == URL
    assert headers["X-Hub-Signature"] == signed("s3cret", raw)
    assert headers["X-Atlassian-Webhook-Identifier"]
    assert body["timestamp"] == int(clock().timestamp() * 1000)
    assert body["webhookEvent"] == "jira:issue_updated"
    assert body["user"]["name"] == "dee"
    assert body["issue"]["key"] == "DEMO-1"
    assert body["issue"]["fields"]["status"]["name"] == "Deploying"
    assert body["issue"]["fields"]["description"].startswith("Release train")
    [item] = body["changelog"]["items"]
    assert (item["fromString"], item["toString"]) == ("In Review", "Deploying")
    assert "transition" not in body


def test_documented_signature() -> None:
    """Source: "Managing webhooks", the example of both the secret and the body."""
    assert signing.signature("It's a Secret to Everybody", b"Hello World!") == (
        "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    )


def test_webhook_hears_its_events_of_its_issues_only(
    self_managed: Jira, ear: Ear
) -> None:
    site = self_managed.datacenter
    site.add_webhook(URL, events=("jira:issue_created",), jql="project = OPS")
    site.add_webhook(URL + "2", events=("comment_created",))
    self_managed.create_issue(project="DEMO")
    self_managed.create_issue(project="OPS", description="h1. Yes")
    self_managed.comment("DEMO-1", "Hello")
    self_managed.deliver_pending()

    assert [url for url, _, _ in ear.heard] == [URL, URL + "2"]
    created, said = (json.loads(body) for _, _, body in ear.heard)
    assert created["issue"]["fields"]["project"]["key"] == "OPS"
    assert "changelog" not in created
    assert said["comment"]["body"] == "Hello"


def test_trigger_a_webhook_says_which_transition(self_managed: Jira, ear: Ear) -> None:
    site = self_managed.datacenter
    site.place("Dispatch", site.add_webhook(URL, secret="s3cret"))
    self_managed.transition("DEMO-1", "Touch")
    self_managed.transition("DEMO-1", "Dispatch")
    self_managed.deliver_pending()

    [(_, headers, raw)] = ear.heard
    body = json.loads(raw)
    assert headers["X-Hub-Signature"] == signed("s3cret", raw)
    made = body["transition"]
    assert (made["transitionId"], made["transitionName"]) == (71, "Dispatch")
    assert (made["from_status"], made["to_status"]) == ("In Review", "Deploying")
    assert made["workflowName"] == "DEMO: Delivery workflow"
    assert body["changelog"]["items"][0]["toString"] == "Deploying"


def test_without_a_secret_nothing_is_signed(self_managed: Jira, ear: Ear) -> None:
    self_managed.datacenter.add_webhook(URL, secret="", events=UPDATED)
    self_managed.transition("DEMO-1", "Dispatch")
    self_managed.deliver_pending()
    assert "X-Hub-Signature" not in ear.last[0]


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_script_sends_a_token_bound_to_listener_and_body(
    self_managed: Jira, ear: Ear, clock: Clock, algorithm: str
) -> None:
    site, secret = self_managed.datacenter, ""
    if algorithm == "HS256":
        secret = "a secret of thirty-two characters"
    script = site.add_script(
        URL, issuer="dc", algorithm=algorithm, secret=secret, name="Tell"
    )
    site.place("71", script)
    self_managed.transition("DEMO-1", "Dispatch")
    self_managed.deliver_pending()

    key = secret or site.public_key(algorithm)
    claims, now = claims_of(ear, key, algorithm), int(clock().timestamp())
    assert (claims["iss"], claims["aud"]) == ("dc", URL)
    assert (claims["iat"], claims["exp"]) == (now, now + 120)
    assert claims["jti"]
    assert claims["body_sha256"] == hashlib.sha256(ear.heard[-1][2]).hexdigest()
    assert ear.last[1]["transition"]["transitionName"] == "Dispatch"


def test_script_without_what_it_signs_by_is_refused(self_managed: Jira) -> None:
    with pytest.raises(DataCenterError):
        self_managed.datacenter.add_script(URL, issuer="dc")
    with pytest.raises(DataCenterError):
        self_managed.datacenter.add_script(URL, issuer="dc", algorithm="none")
    with pytest.raises(DataCenterError):
        self_managed.datacenter.add_webhook(URL, events=("issue_exploded",))


def test_what_is_refused_is_not_sent_again(self_managed: Jira, ear: Ear) -> None:
    ear.status = 503
    self_managed.datacenter.add_webhook(URL, events=UPDATED)
    self_managed.transition("DEMO-1", "Dispatch")
    assert self_managed.deliver_pending() == 1
    assert self_managed.deliveries.pending() == 0


@pytest.fixture
def triggered(self_managed: Jira) -> Jira:
    site = self_managed.datacenter
    site.place("Dispatch", site.add_webhook(URL, secret="s3cret"))
    return self_managed


def test_tampered_body_names_another_issue(triggered: Jira, ear: Ear) -> None:
    causing.cause(triggered, "dc-tampered-body", {"issue": "DEMO-4"})
    headers, body = ear.last
    assert body["issue"]["key"] != "DEMO-4"
    assert headers["X-Hub-Signature"] != signed("s3cret", ear.heard[-1][2])


def test_stale_call_is_signed_and_ten_minutes_old(
    triggered: Jira, ear: Ear, clock: Clock
) -> None:
    causing.cause(triggered, "dc-stale-timestamp", {"arm": True})
    triggered.transition("DEMO-1", "Dispatch")
    triggered.deliver_pending()
    headers, body = ear.last
    assert body["timestamp"] == int(clock().timestamp() - 600) * 1000
    assert headers["X-Hub-Signature"] == signed("s3cret", ear.heard[-1][2])


def test_wrong_secret_and_then_the_right_one(triggered: Jira, ear: Ear) -> None:
    causing.cause(triggered, "dc-wrong-secret", {"arm": True})
    for key in ("DEMO-1", "DEMO-4"):
        triggered.transition(key, "Dispatch")
        triggered.deliver_pending()
    good = [
        headers["X-Hub-Signature"] == signed("s3cret", raw)
        for _, headers, raw in ear.heard
    ]
    assert good == [False, True]


def test_sent_twice_is_the_same_bytes(triggered: Jira, ear: Ear) -> None:
    with pytest.raises(MishapError):
        causing.cause(triggered, "dc-send-twice", {})
    triggered.transition("DEMO-1", "Dispatch")
    triggered.deliver_pending()
    causing.cause(triggered, "dc-send-twice", {})
    assert ear.heard[0] == ear.heard[1]


def test_cut_wire_and_a_removed_webhook_say_nothing(triggered: Jira, ear: Ear) -> None:
    causing.cause(triggered, "cut-wire", {"on": True})
    triggered.transition("DEMO-1", "Dispatch")
    triggered.deliver_pending()
    causing.cause(triggered, "cut-wire", {"on": False})
    triggered.datacenter.remove(triggered.datacenter.kept.webhooks[0].id)
    triggered.transition("DEMO-4", "Dispatch")
    triggered.deliver_pending()
    assert ear.heard == []


def test_mishaps_need_something_that_sends(self_managed: Jira, jira: Jira) -> None:
    with pytest.raises(MishapError):
        causing.cause(self_managed, "dc-wrong-secret", {})
    with pytest.raises(MishapError):
        causing.cause(jira, "dc-wrong-secret", {})
