"""Conditions of the add-on on transitions: who may leave the hold, and who may not."""

import contextlib
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, people
from sandbox.issues import RestError
from tests.sandbox.conftest import Rest

Json = dict[str, Any]

DEMO_1 = "/rest/api/3/issue/DEMO-1"
OURS = {"account": people.APP.account_id}
ADMINS = OURS | {"role": 10002}
API = "/sandbox/api"


@pytest.fixture(autouse=True)
def _held(jira: Jira) -> None:
    jira.transition("DEMO-1", "Dispatch", "dee")


def offered(rest: Rest, query: str = "") -> dict[str, Json]:
    answer = rest("GET", f"{DEMO_1}/transitions{query}").get_json()
    return {bean["name"]: bean for bean in answer["transitions"]}


def may(jira: Jira, user: str) -> bool:
    """Whether this person gets DEMO-1 out of the hold."""
    with contextlib.suppress(RestError):
        jira.transition("DEMO-1", "Deployed", user)
    return jira.status_of("DEMO-1") == "Deployed"


def test_without_conditions_everybody_leaves_the_hold(rest: Rest, jira: Jira) -> None:
    found = offered(rest)
    assert set(found) == {"Deployed", "Deploy failed", "Deployment failed"}
    assert {bean["isConditional"] for bean in found.values()} == {False}
    assert found["Deployment failed"]["isGlobal"]
    assert may(jira, "dee")


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        (OURS, {"countersign"}),
        (ADMINS, {"countersign", "ada"}),
        (OURS | {"role": 10003}, {"countersign", "ada", "dee"}),
        (OURS | {"role": 10004}, {"countersign"}),
        (OURS | {"role": "10002"}, {"countersign"}),
        ({"role": 10005}, {"countersign"}),
        ({}, set()),
    ],
)
@pytest.mark.parametrize("user", ["countersign", "ada", "dee"])
def test_condition_says_who_may(
    jira: Jira, config: Json, allowed: set[str], user: str
) -> None:
    jira.add_condition("Deployed", json.dumps(config))
    assert may(jira, user) is (user in allowed)


@pytest.mark.parametrize(
    "value", ["", "no JSON", "[]", "null", '"x"', '{"expression": "1 == "}', "[" * 5000]
)
def test_every_error_is_a_no(jira: Jira, value: str) -> None:
    jira.add_condition("Deployed", value)
    assert not may(jira, "countersign")


def test_expression_of_the_configuration_wins(jira: Jira) -> None:
    own = {"expression": "user.displayName == 'Dee Designer'"}
    jira.add_condition("Deployed", json.dumps(OURS | own))
    assert not may(jira, "countersign")
    assert may(jira, "dee")


def test_value_that_is_no_boolean_is_a_no(jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps({"expression": "user.accountId"}))
    assert not may(jira, "ada")


def test_all_conditions_have_to_hold(jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps(ADMINS))
    jira.add_condition("Deployed", json.dumps({"account": people.ADA.account_id}))
    assert not may(jira, "countersign")
    assert may(jira, "ada")


def test_condition_of_an_uninstalled_app_is_a_no(jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps(ADMINS))
    jira.uninstall()
    assert not may(jira, "ada")


def test_condition_the_app_no_longer_has_is_a_no(jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps(ADMINS), module="gone")
    assert not may(jira, "ada")


def test_rest_hides_and_refuses_what_is_not_allowed(rest: Rest, jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps({"account": "another"}))
    assert "Deployed" not in offered(rest)
    expanded = rest("GET", f"{DEMO_1}?expand=transitions").get_json()["transitions"]
    assert "Deployed" not in {bean["name"] for bean in expanded}
    body = {"transition": {"id": "81"}}
    answer = rest("POST", f"{DEMO_1}/transitions", body)
    assert answer.status_code == 400
    assert answer.get_json()["errorMessages"]
    assert jira.status_of("DEMO-1") == "Deploying"


def test_unavailable_transitions_are_listed_when_asked_for(
    rest: Rest, jira: Jira
) -> None:
    jira.add_condition("Deployed", json.dumps({"account": "another"}))
    jira.add_condition("Deploy failed", json.dumps(OURS))
    found = offered(rest, "?includeUnavailableTransitions=true")
    flags = {n: (b["isAvailable"], b["isConditional"]) for n, b in found.items()}
    assert flags == {
        "Deployed": (False, True),
        "Deploy failed": (True, True),
        "Deployment failed": (True, False),
    }
    assert {bean["hasScreen"] for bean in found.values()} == {False}
    assert found["Deployed"]["to"]["statusCategory"]["key"] == "done"


def test_global_transition_leaves_the_hold_unless_it_has_a_condition(
    jira: Jira,
) -> None:
    jira.add_condition("Deployment failed", json.dumps(ADMINS))
    with pytest.raises(RestError):
        jira.transition("DEMO-1", "Deployment failed", "dee")
    jira.transition("DEMO-1", "Deployment failed", "ada")
    assert jira.status_of("DEMO-1") == "Deployment failed"


def test_pages_offer_only_what_is_allowed(client: FlaskClient, jira: Jira) -> None:
    jira.add_condition("Deployed", json.dumps(ADMINS))
    client.post("/user", data={"account_id": people.DEE.account_id})
    for path in ("/projects/DEMO", "/browse/DEMO-1"):
        assert 'value="81"' not in client.get(path).text
    client.post("/browse/DEMO-1/transition", data={"transition": "81"})
    assert jira.status_of("DEMO-1") == "Deploying"
    client.post("/user", data={"account_id": people.ADA.account_id})
    for path in ("/projects/DEMO", "/browse/DEMO-1"):
        assert 'value="81"' in client.get(path).text


def test_a_draft_decides_nothing(client: FlaskClient, jira: Jira) -> None:
    base = "/workflows/DEMO: Delivery workflow"
    value = json.dumps({"account": "another"})
    client.post(f"{base}/transitions/81/add/hold", data={"value": value})
    assert may(jira, "dee")
    client.post(f"{base}/publish")
    jira.transition("DEMO-4", "Dispatch")
    with pytest.raises(RestError):
        jira.transition("DEMO-4", "Deployed")


def test_creation_takes_no_condition(client: FlaskClient) -> None:
    made = {"transition": "Create", "value": "{}"}
    assert client.post(f"{API}/conditions", json=made).status_code == 404


def test_failed_deployment_can_go_back(jira: Jira) -> None:
    jira.transition("DEMO-1", "Deploy failed")
    assert jira.status_of("DEMO-1") == "Deploy failed"
    jira.transition("DEMO-1", "Back to review")
    assert jira.status_of("DEMO-1") == "In Review"


def test_inventory_has_conditions_by_type(rest: Rest, jira: Jira) -> None:
    rule = jira.add_post_function("Dispatch", "{}")
    hold = jira.add_condition("Deployed", json.dumps(OURS))
    path = "/rest/api/3/workflow/rule/config?expand=transition&types="

    def ids(types: str) -> tuple[list[str], list[str]]:
        [found] = rest("GET", path + types).get_json()["values"]
        kinds = found["postFunctions"], found["conditions"]
        return tuple([one["id"] for one in kind] for kind in kinds)  # type: ignore[return-value] # two of them

    assert ids("condition") == ([], [hold.id])
    assert ids("postfunction") == ([rule.id], [])
    assert ids("postfunction&types=condition") == ([rule.id], [hold.id])
    [found] = rest("GET", path + "condition").get_json()["values"]
    assert found["conditions"][0] == {
        "id": hold.id,
        "key": "hold",
        "configuration": {"value": json.dumps(OURS), "disabled": False},
        "transition": {"id": 81, "name": "Deployed"},
    }


def test_control_api_sets_the_gate_up(client: FlaskClient, jira: Jira) -> None:
    rule = {"transition": "Dispatch", "value": '{"v": 1}'}
    client.post(f"{API}/post-functions", json=rule)
    for name in ("Deployed", "Deploy failed", "Deployment failed"):
        hold = {"transition": name, "value": json.dumps(OURS)}
        assert client.post(f"{API}/conditions", json=hold).status_code == 201
    flow = client.get(f"{API}/workflow").get_json()
    placed = {made["name"]: made for made in flow["transitions"]}
    assert placed["Dispatch"]["post_functions"][0]["value"] == '{"v": 1}'
    assert placed["Deployed"]["conditions"][0]["module"] == "hold"
    assert (flow["has_draft"], flow["projects"]) == (False, ["DEMO", "OPS"])
    gone = placed["Deployed"]["conditions"][0]["id"]
    client.delete(f"{API}/conditions/{gone}")
    assert may(jira, "dee")
    assert client.get(f"{API}/workflow?name=none").status_code == 404
