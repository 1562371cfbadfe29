"""Jira's API through Atlassian's gateway: whose token it is, and what it may."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import Jira, create_app, mishaps, people
from sandbox.forge import mishaps as forge_mishaps
from sandbox.people import Person
from sandbox.web.app_api import RESERVED_PROPERTY
from tests.sandbox import forge_stand_in
from tests.sandbox.conftest import Clock
from tests.sandbox.stand_in import HOLD, KEY, StandIn
from tests.sandbox.test_forge_install import calls

Json = dict[str, Any]
REFUSED = {"code": 401, "message": "Unauthorized"}
OUT_OF_SCOPE = {"code": 401, "message": "Unauthorized; scope does not match"}
PROPERTY = f"/rest/atlassian-connect/1/addons/{KEY}/properties/{RESERVED_PROPERTY}"


@dataclass
class Gateway:
    jira: Jira
    client: FlaskClient

    def token(self, person: Person = people.FORGE) -> str:
        return self.jira.forge.app.access.token(person)

    def __call__(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> TestResponse:
        url = f"/ex/jira/{self.jira.site.cloud_id}{path}"
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return self.client.open(url, method=method, json=body, headers=headers)


@pytest.fixture
def gateway(forge: Jira) -> Gateway:
    return Gateway(forge, create_app(forge).test_client())


def test_system_token_is_the_app_itself(gateway: Gateway) -> None:
    found = gateway("GET", "/rest/api/3/myself").get_json()
    assert found["accountId"] == people.FORGE.account_id != people.APP.account_id
    assert found["accountType"] == "app"


def test_user_token_is_the_person(gateway: Gateway) -> None:
    token = gateway.token(people.VIC)
    found = gateway("GET", "/rest/api/3/myself", token=token).get_json()
    assert found["accountId"] == people.VIC.account_id
    path = "/rest/api/3/issue/DEMO-1/properties/forge.run"
    assert gateway("PUT", path, {}, token).status_code == 403
    assert gateway("PUT", path, {}).status_code == 201


def test_url_and_headers_are_those_the_event_named(
    forge: Jira, gateway: Gateway, stand_in: StandIn
) -> None:
    forge.forge.tick()
    [(headers, _)] = calls(stand_in, "/forge/tick")
    token = headers["X-Forge-Oauth-System"]
    answer = gateway("GET", "/rest/api/3/serverInfo", token=token)
    assert answer.get_json()["baseUrl"] == "http://jira.test"
    entry = forge.traffic.newest(1)[0]
    assert (entry.verdict, entry.note) == (
        "verified",
        "through Forge, as Countersign (Forge)",
    )
    assert token not in str(entry.json())


def test_no_token_of_this_site_is_refused_by_the_gateway(
    forge: Jira, gateway: Gateway
) -> None:
    wrong = [
        gateway("GET", "/rest/api/3/myself", token="not.a.token"),
        gateway.client.get(f"/ex/jira/{forge.site.cloud_id}/rest/api/3/myself"),
        gateway.client.get(
            "/ex/jira/another/rest/api/3/myself",
            headers={"Authorization": f"Bearer {gateway.token()}"},
        ),
    ]
    assert [a.status_code for a in wrong] == [401, 401, 401]
    assert [a.get_json() for a in wrong] == [REFUSED] * 3


def test_site_itself_does_not_take_the_token(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.token()}"}
    answer = gateway.client.get("/rest/api/3/myself", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["forge-revoke-tokens", "forge-vanish"])
def test_token_dies_when_it_is_revoked_or_the_app_gone(
    forge: Jira, gateway: Gateway, name: str
) -> None:
    token = gateway.token()
    forge_mishaps.cause(forge, name, {})
    assert gateway("GET", "/rest/api/3/myself", token=token).get_json() == REFUSED


def test_token_dies_of_age_and_of_a_new_installation(
    forge: Jira, gateway: Gateway, clock: Clock
) -> None:
    token = gateway.token()
    clock.advance(4 * 3600)
    assert gateway("GET", "/rest/api/3/myself", token=token).get_json() == REFUSED
    token = gateway.token()
    forge.forge.install()
    assert gateway("GET", "/rest/api/3/myself", token=token).get_json() == REFUSED
    assert gateway("GET", "/rest/api/3/myself").status_code == 200


def test_mishap_hands_out_a_token_that_is_refused(
    forge: Jira, gateway: Gateway, stand_in: StandIn
) -> None:
    forge_mishaps.cause(forge, "forge-refused-token", {})
    [(headers, _)] = calls(stand_in, "/forge/post-function")
    token = headers["X-Forge-Oauth-System"]
    assert gateway("GET", "/rest/api/3/myself", token=token).get_json() == REFUSED
    assert gateway("GET", "/rest/api/3/myself").status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read:jira-work", "GET", "/rest/api/3/issue/DEMO-1"),
        ("read:jira-work", "POST", "/rest/api/3/permissions/check"),
        ("write:jira-work", "POST", "/rest/api/3/issue/DEMO-1/transitions"),
        ("read:jira-user", "GET", "/rest/api/3/myself"),
        ("manage:jira-configuration", "GET", "/rest/api/3/workflow/rule/config"),
    ],
)
def test_scopes_are_those_of_the_manifest(
    forge: Jira, gateway: Gateway, scope: str, method: str, path: str
) -> None:
    forge.forge.app.kept.manifest["permissions"]["scopes"].remove(scope)
    body: Json | None = {} if method == "POST" else None
    assert gateway(method, path, body).get_json() == OUT_OF_SCOPE
    assert gateway("GET", "/rest/api/3/serverInfo").status_code == 200


@pytest.mark.parametrize(
    ("person", "about", "status"),
    [
        (people.FORGE, people.ADA, 403),
        (people.FORGE, people.FORGE, 200),
        (people.VIC, people.VIC, 200),
        (people.VIC, people.ADA, 403),
        (people.ADA, people.VIC, 200),
    ],
)
def test_only_an_administrator_asks_about_others(
    gateway: Gateway, person: Person, about: Person, status: int
) -> None:
    asked = {"accountId": about.account_id, "globalPermissions": ["ADMINISTER"]}
    token = gateway.token(person)
    answer = gateway("POST", "/rest/api/3/permissions/check", asked, token)
    assert answer.status_code == status
    if status == 200:
        expected = ["ADMINISTER"] if about.is_admin else []
        assert answer.get_json()["globalPermissions"] == expected


def test_rules_have_the_names_of_forge(forge: Jira, gateway: Gateway) -> None:
    made = forge.add_post_function("Deploy", '{"v": 1}')
    path = "/rest/api/3/workflow/rule/config?types=postfunction"
    [flow] = gateway("GET", path).get_json()["values"]
    [rule] = flow["postFunctions"]
    kept = forge.forge.app.kept
    assert rule["key"] == (
        "ari:cloud:ecosystem::extension/"
        f"{forge_stand_in.UUID}/{kept.environment}/static/rule"
    )
    assert rule["id"] == made.id
    assert gateway("GET", f"{path}&keys=rule").get_json()["values"] == [flow]
    assert gateway("GET", f"{path}&keys=another").get_json()["values"] == []
    token = gateway.token(people.ADA)
    assert gateway("GET", path, token=token).status_code == 403


def test_reserved_property_names_the_site_as_the_add_on_knew_it(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    jira = make_jira(forge_manifest=forge_stand_in.write(tmp_path))
    jira.forge.install()
    gateway = Gateway(jira, create_app(jira).test_client())
    assert gateway("GET", PROPERTY).status_code == 404
    jira.install()
    found = gateway("GET", PROPERTY).get_json()
    assert (found["key"], found["value"]) == (RESERVED_PROPERTY, jira.site.client_key)
    assert gateway("PUT", PROPERTY, {}).status_code == 404
    assert gateway("GET", PROPERTY, token=gateway.token(people.ADA)).status_code == 401


def test_reserved_property_is_for_the_successor_only(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    raw = forge_stand_in.manifest()
    del raw["app"]["connect"]
    jira = make_jira(forge_manifest=forge_stand_in.write(tmp_path, raw))
    jira.install()
    jira.forge.install()
    gateway = Gateway(jira, create_app(jira).test_client())
    assert gateway("GET", PROPERTY).status_code == 401


def test_condition_lets_the_account_through_that_it_names(
    forge: Jira, gateway: Gateway
) -> None:
    named = '{"account": "%s", "role": null}'
    forge.set_status("DEMO-1", "Deploying")
    forge.add_condition("Deployed", named % people.APP.account_id)
    forge.add_condition("Deploy failed", named % people.FORGE.account_id)
    moves = gateway("GET", "/rest/api/3/issue/DEMO-1/transitions").get_json()
    names = [one["name"] for one in moves["transitions"]]
    assert "Deploy failed" in names
    assert "Deployed" not in names


def test_condition_whose_module_is_gone_holds_everybody_back(
    forge: Jira, gateway: Gateway
) -> None:
    forge.set_status("DEMO-1", "Deploying")
    config = '{"account": null, "expression": "user != null"}'
    forge.add_condition("Deployed", config)
    path = "/rest/api/3/issue/DEMO-1/transitions?transitionId=81"
    assert len(gateway("GET", path).get_json()["transitions"]) == 1
    raw = forge.forge.app.kept.manifest["modules"]
    assert raw["jira:workflowCondition"][0]["expression"] == HOLD
    del raw["jira:workflowCondition"]
    assert gateway("GET", path).get_json()["transitions"] == []


def test_properties_of_the_manifest_can_be_searched(gateway: Gateway) -> None:
    gateway("PUT", "/rest/api/3/issue/DEMO-1/properties/forge.run", {"step": "x"})
    gateway.jira.world.settled(gateway.jira.issue("DEMO-1"))
    asked = {"jql": 'issue.property[forge.run].step = "x"', "fields": ["id"]}
    found = gateway("POST", "/rest/api/3/search/jql", asked).get_json()
    assert [issue["id"] for issue in found["issues"]] == ["10100"]


def test_mishaps_of_jira_meet_forge_as_well(forge: Jira, gateway: Gateway) -> None:
    mishaps.cause(forge, "answer-429", {"seconds": 7})
    assert gateway("GET", "/rest/api/3/myself").headers["Retry-After"] == "7"
    forge.refuses_addon = True
    assert gateway("GET", "/rest/api/3/myself").get_json() == REFUSED
