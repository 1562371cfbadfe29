"""Pages of Custom UI, as far as they are the server's affair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import Jira, create_app, people, tokens
from sandbox.web.asking import COOKIE
from tests.sandbox import forge_stand_in
from tests.sandbox.forge_stand_in import UUID
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]
SITE = "http://jira.test"
CONFIG: Json = {"kind": "jira:adminPage", "key": "config"}
CONFIG |= {"extension": {"type": "jira:adminPage"}}


@pytest.fixture
def client(forge: Jira) -> FlaskClient:
    client = create_app(forge).test_client()
    client.set_cookie(COOKIE, people.DEE.account_id, domain="jira.test")
    return client


def invoke(client: FlaskClient, **call: object) -> TestResponse:
    asked = {"page": CONFIG, "call": {"path": "/forge/api/known"} | call}
    return client.post("/sandbox/host/forge/invoke", json=asked, base_url=SITE)


def test_file_is_served_with_the_bridge_first_and_nothing_inline(
    client: FlaskClient,
) -> None:
    answer = client.get("/forge/cdn/page/", base_url=SITE)
    head = answer.text.index("<head>") + len("<head>")
    assert answer.text[head:].startswith('<script src="/forge/bridge.js" data-host="')
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert f"frame-ancestors {SITE}" in policy
    assert "Set-Cookie" not in answer.headers
    with client.get("/forge/cdn/page/page.js") as script:
        assert script.mimetype == "text/javascript"


def test_app_that_was_never_installed_can_be(tmp_path: Path) -> None:
    jira = Jira(
        base_url=SITE,
        background=False,
        forge_manifest=forge_stand_in.write(tmp_path),
    )
    shown = create_app(jira).test_client().get("/apps/", base_url=SITE)
    assert shown.status_code == 200
    assert "manifest.yml" in shown.text
    assert "Install: the Forge app" in shown.text


def test_manifest_may_ask_for_styles_inline(forge: Jira, client: FlaskClient) -> None:
    raw = forge.forge.app.kept.manifest
    raw["permissions"]["content"] = {"styles": ["unsafe-inline"]}
    policy = client.get("/forge/cdn/page/").headers["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline';" in policy


def test_only_what_is_declared_and_built_is_served(
    forge: Jira, client: FlaskClient, tmp_path: Path
) -> None:
    assert client.get("/forge/cdn/other/").status_code == 404
    assert client.get("/forge/cdn/page/../../manifest.yml").status_code == 404
    (tmp_path / "static/page/index.html").unlink()
    assert "is the Forge app built?" in client.get("/forge/cdn/page/").text
    forge.forge.vanish()
    assert client.get("/forge/cdn/page/page.js").status_code == 404


def test_call_is_in_the_name_of_who_is_signed_in(
    client: FlaskClient, forge: Jira
) -> None:
    answer = invoke(client).get_json()
    assert answer["success"]
    assert answer["payload"]["status"] == 200
    assert answer["payload"]["body"] == {"principal": people.DEE.account_id}
    claims = forge.traffic.newest(1)[0].claims
    assert claims["app"]["module"] == {"type": "core:endpoint", "key": "pages"}
    assert claims["context"]["moduleKey"] == "config"
    assert claims["context"]["siteUrl"] == SITE
    assert claims["context"]["extension"] == CONFIG["extension"]


def test_token_of_a_page_may_name_the_page_instead_of_the_endpoint(
    client: FlaskClient, forge: Jira
) -> None:
    forge.forge.app.names_page_module = True
    invoke(client)
    module = forge.traffic.newest(1)[0].claims["app"]["module"]
    assert module == {"type": "jira:adminPage", "key": "config"}


def test_call_carries_a_user_token_and_what_the_page_adds(
    client: FlaskClient, forge: Jira, stand_in: StandIn
) -> None:
    headers = {"X-Mine": "1", "authorization": "no", "x-forge-oauth-system": "no"}
    invoke(client, path="/forge/x", method="POST", headers=headers, body={"a": 1})
    _, _, sent, body = stand_in.seen[-1]
    judged = forge.forge.app.access.judge(sent["X-Forge-Oauth-User"])
    assert judged.person == people.DEE
    assert sent["X-Mine"] == "1"
    assert "X-Forge-Oauth-System" not in sent
    assert sent["Authorization"].startswith("Bearer ey")
    assert (body, sent["Content-Type"]) == (b'{"a": 1}', "application/json")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({"path": "https://elsewhere.test/"}, "begin with a slash"),
        ({"path": "//elsewhere.test/"}, "begin with a slash"),
        ({"method": "TRACE"}, "cannot be used"),
        ({"method": "POST", "body": "x" * 500_001}, "larger than 500 KB"),
        ({"path": "/forge/api/text"}, "is no JSON"),
    ],
)
def test_call_that_forge_does_not_make_or_take(
    client: FlaskClient, call: Json, why: str
) -> None:
    answer = invoke(client, **call).get_json()
    assert not answer["success"]
    assert why in answer["error"]["message"]


def test_status_of_a_refusal_can_be_hidden_from_the_page(
    client: FlaskClient, forge: Jira
) -> None:
    shown = invoke(client, path="/forge/api/refused").get_json()
    assert (shown["error"]["status"], shown["error"]["body"]) == (403, {"error": "no"})
    forge.forge.app.hides_status = True
    hidden = invoke(client, path="/forge/api/refused").get_json()
    assert set(hidden["error"]) == {"message"}


def test_nobody_and_no_module_is_not_found(client: FlaskClient, forge: Jira) -> None:
    client.delete_cookie(COOKIE, domain="jira.test")
    assert invoke(client).status_code == 404
    client.set_cookie(COOKIE, people.DEE.account_id, domain="jira.test")
    forge.forge.vanish()
    assert invoke(client).status_code == 404


def test_configure_page_is_where_jira_has_it(client: FlaskClient, forge: Jira) -> None:
    environment = forge.forge.app.kept.environment
    path = f"/jira/settings/apps/configure/{UUID}/{environment}"
    assert path in client.get("/apps/", base_url=SITE).text
    assert "Forge settings" in client.get(path, base_url=SITE).text
    other = f"/jira/settings/apps/{UUID}/{environment}"
    assert client.get(other, base_url=SITE).status_code == 404


def test_forge_takes_the_place_of_connect_in_the_editor(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    jira = make_jira(forge_manifest=forge_stand_in.write(tmp_path))
    jira.install()
    client = create_app(jira).test_client()
    editor = "/workflows/DEMO: Delivery workflow"
    assert "Add Stand-in rule" in client.get(editor).text
    jira.forge.install()
    text = client.get(editor).text
    assert "Add Forge rule" in text
    assert "Add Stand-in rule" not in text
    added = client.get(f"{editor}/transitions/31/add/rule", base_url=SITE).text
    assert "/forge/cdn/page/" in added


def test_headers_of_a_page_for_who_calls_without_a_browser(forge: Jira) -> None:
    headers = forge.forge.page_headers("vic", "panel", issue="DEMO-1")
    claims = tokens.peek(headers["Authorization"].removeprefix("Bearer "))
    assert claims["principal"] == people.VIC.account_id
    assert claims["context"]["extension"]["issue"]["id"] == "10100"
    assert "x-forge-oauth-user" in headers
    with pytest.raises(LookupError):
        forge.forge.page_headers("vic", "none")


def test_headers_of_an_event_for_who_sends_it_alone(forge: Jira) -> None:
    headers = forge.forge.event_headers("tick")
    token = headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["app"]["module"]["key"] == "tick"
    assert "x-forge-oauth-system" in headers
    assert "principal" not in claims
