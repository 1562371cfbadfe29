"""The pages and the control API of a self-managed Jira."""

import re
from typing import Any

import pytest

from sandbox.datacenter import sending
from sandbox.world import Rule
from tests.sandbox.datacenter import CONTEXT, Api

Json = dict[str, Any]
URL = "http://127.0.0.1:8040/listeners/1"


def rules(api: Api, transition: str) -> list[Rule]:
    [flow] = api.jira.world.state.workflows.values()
    return flow.live.get(transition, [])


def press(api: Api, path: str, **form: str) -> str:
    answer = api.client.post(CONTEXT + path, data=form, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    "path",
    ["/projects/DEMO", "/browse/DEMO-1", "/traffic", "/mishaps/", "/datacenter/"],
)
def test_pages_are_below_the_context_path_and_lead_nowhere_else(
    api: Api, path: str
) -> None:
    page = api.client.get(CONTEXT + path)

    assert page.status_code == 200
    links = re.findall(r'(?:href|action|src|data-live)="(/[^"]*)"', page.text)
    assert [link for link in links if not link.startswith(f"{CONTEXT}/")] == []
    assert "Data Center" in page.text
    assert ">Apps<" not in page.text


def test_other_services_are_beside_it_and_lead_back(api: Api) -> None:
    page = api.client.get("/receiver", follow_redirects=True)

    assert page.status_code == 200
    links = re.findall(r'(?:href|action|src|data-live)="(/[^"]*)"', page.text)
    assert f"{CONTEXT}/projects/DEMO" in links
    assert [link for link in links if not link.startswith(f"{CONTEXT}/")] == []


def test_person_stays_on_the_page_when_he_becomes_another(api: Api) -> None:
    page = api.client.get(f"{CONTEXT}/browse/DEMO-1").text
    assert f'name="next" value="{CONTEXT}/browse/DEMO-1"' in page
    form = {"account_id": "60b8e4a1c7d25f0069f0a9be", "next": f"{CONTEXT}/traffic"}
    answer = api.client.post(f"{CONTEXT}/user", data=form)
    assert answer.headers["Location"] == f"{CONTEXT}/traffic"


def test_token_is_made_and_revoked_by_hand(api: Api) -> None:
    page = press(api, "/datacenter/pats", user="ada", name="hers")
    token = api.jira.datacenter.access.listed()[-1]
    assert token.raw in page
    page = press(api, f"/datacenter/pats/{token.id}/revoke")
    assert token.raw not in page
    assert "Revoked" in page


def test_webhook_and_script_are_put_on_a_transition_by_hand(api: Api) -> None:
    press(api, "/datacenter/webhooks", url=URL, name="Hook", transition="71")
    form = {"url": URL, "issuer": "dc", "algorithm": "ES256", "transition": "31"}
    page = press(api, "/datacenter/scripts", **form)

    [hook], [script] = rules(api, "71"), rules(api, "31")
    assert (hook.module, script.module) == (sending.TRIGGER, sending.SCRIPT)
    assert "Hook" in page
    assert "Countersign script" in page
    workflow = api.client.get(f"{CONTEXT}/workflows/", follow_redirects=True).text
    assert "Trigger a Webhook" in workflow
    assert "ScriptRunner script" in workflow
    page = press(api, f"/datacenter/senders/{hook.value}/remove")
    assert "No webhooks" in page


def test_what_cannot_be_is_said(api: Api) -> None:
    page = press(api, "/datacenter/scripts", url=URL, issuer="dc", algorithm="HS256")
    assert "HS256 needs a secret" in page


def test_mishaps_are_those_of_this_jira(api: Api) -> None:
    page = api.client.get(f"{CONTEXT}/mishaps/").text
    assert "Tampered body" in page
    assert "A difficult network" in page
    assert "Expired token" not in page
    told = press(api, "/mishaps/dc-stale-timestamp", issue="DEMO-1", arm="1")
    assert "stale timestamp" in told


def test_comment_typed_on_the_page_is_wiki_markup(api: Api) -> None:
    press(api, "/browse/DEMO-1/comment", text="[~ada] *now*")
    page = api.client.get(f"{CONTEXT}/browse/DEMO-1").text
    assert "<strong>now</strong>" in page
    assert api.get("/issue/DEMO-1/comment")["comments"][0]["body"] == "[~ada] *now*"


def control(api: Api, method: str, path: str, body: Json | None = None) -> Any:
    answer = api.client.open(f"/sandbox/api/{path}", method=method, json=body)
    return answer.status_code, answer.get_json(silent=True)


def test_control_api_sets_all_of_it_up(api: Api) -> None:
    _, told = control(api, "GET", "datacenter")
    assert told["pat"] == api.jira.datacenter.pat
    status, token = control(api, "POST", "pats", {"user": "ada"})
    assert (status, token["user"]) == (201, "ada")
    _, token = control(api, "DELETE", f"pats/{token['id']}")
    assert token["isRevoked"]
    hook = {"url": URL, "transition": "Dispatch", "events": ["jira:issue_updated"]}
    status, made = control(api, "POST", "webhooks", hook)
    assert (status, bool(made["secret"]), made["events"]) == (201, True, hook["events"])
    script = {"url": URL, "issuer": "dc", "algorithm": "EdDSA", "transition": "71"}
    assert control(api, "POST", "scripts", script)[0] == 201
    assert rules(api, "71")[0].id == made["rule"]

    control(api, "POST", "issues/DEMO-1/transition", {"name": "Dispatch"})
    _, done = control(api, "POST", "deliver")
    assert done == {"delivered": 3}
    assert control(api, "DELETE", f"webhooks/{made['id']}")[0] == 200
    assert control(api, "DELETE", "pats/none")[0] == 404
    assert control(api, "POST", "webhooks", {"events": ["x"]})[0] == 409
    key = api.client.get("/sandbox/api/site-keys/EdDSA").text
    assert key.startswith("-----BEGIN PUBLIC KEY-----")


def test_reset_is_another_site_of_the_same_sort(api: Api) -> None:
    before = api.jira.datacenter.pat
    control(api, "POST", "reset")
    assert api.jira.datacenter.pat != before
    assert api.get("/myself")["name"] == "countersign"
