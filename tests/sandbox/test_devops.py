"""The development panel: who may write to it, what is taken, and what it shows."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, devops
from tests.sandbox.conftest import Rest

Json = dict[str, Any]
BUILDS, DEPLOYMENTS = "/rest/builds/0.1/bulk", "/rest/deployments/0.1/bulk"


def build(**changes: Any) -> Json:
    return {
        "schemaVersion": "1.0",
        "pipelineId": "shop",
        "buildNumber": 7,
        "updateSequenceNumber": 100,
        "displayName": "Build the shop",
        "url": "https://ci.example/7",
        "state": "pending",
        "lastUpdated": "2026-11-23T12:00:00.000+00:00",
        "associations": [{"associationType": "issueIdOrKeys", "values": ["DEMO-1"]}],
        **changes,
    }


def deployment(**changes: Any) -> Json:
    shared = build()
    del shared["pipelineId"], shared["buildNumber"]
    return {
        **shared,
        "deploymentSequenceNumber": 7,
        "description": "by hand",
        "pipeline": {"id": "shop", "displayName": "Shop", "url": "https://ci.example"},
        "environment": {"id": "eu", "displayName": "Europe", "type": "production"},
        **changes,
    }


@pytest.fixture
def provider(jira: Jira) -> Jira:
    """An add-on that declares both modules."""
    for kind, _ in devops.MODULES.values():
        module = {"key": kind, "name": {"value": "x"}, "homeUrl": "https://x.example"}
        jira.site.descriptor["modules"][kind] = module
    return jira


def said(rest: Rest, *entries: Json, path: str = BUILDS) -> Json:
    kind = path.split("/")[2]
    answer = rest("POST", path, {kind: list(entries)})
    assert answer.status_code == 202, answer.text
    found: Json = answer.get_json()
    return found


@pytest.mark.parametrize("path", [BUILDS, DEPLOYMENTS])
def test_app_without_the_module_is_refused(rest: Rest, path: str) -> None:
    answer = rest("POST", path, {path.split("/")[2]: [build()]})

    assert answer.status_code == 403
    assert "InfoProvider" in answer.text


def test_person_is_refused(provider: Jira, client: FlaskClient) -> None:
    client.get("/projects/DEMO")  # signs in

    assert client.post(BUILDS, json={"builds": [build()]}).status_code == 403
    assert devops.of_issue(provider.world, provider.issue("DEMO-1")) == []


@pytest.mark.usefixtures("provider")
def test_entry_is_taken_and_shown(rest: Rest, client: FlaskClient) -> None:
    answer = said(rest, deployment(state="in_progress"), path=DEPLOYMENTS)

    assert answer["acceptedDeployments"] == [
        {"pipelineId": "shop", "environmentId": "eu", "deploymentSequenceNumber": 7}
    ]
    assert answer["rejectedDeployments"] == answer["unknownIssueKeys"] == []
    page = client.get("/browse/DEMO-1").text
    assert "Development" in page
    assert "Europe" in page
    assert "in progress" in page
    assert "https://ci.example/7" in page
    assert "Development" not in client.get("/browse/DEMO-2").text


def test_lower_or_equal_sequence_is_ignored(provider: Jira, rest: Rest) -> None:
    said(rest, build(state="successful", updateSequenceNumber=200))
    for late in (199, 200):
        assert said(rest, build(updateSequenceNumber=late))["acceptedBuilds"]

    [shown] = devops.of_issue(provider.world, provider.issue("DEMO-1"))
    assert shown["state"] == "successful"

    said(rest, build(state="failed", updateSequenceNumber=201))
    [shown] = devops.of_issue(provider.world, provider.issue("DEMO-1"))
    assert shown["state"] == "failed"


def test_only_issue_that_is_unknown_stores_nothing(provider: Jira, rest: Rest) -> None:
    nobodys = [{"associationType": "issueIdOrKeys", "values": ["GONE-1"]}]

    answer = said(rest, build(associations=nobodys))

    assert answer["unknownIssueKeys"] == ["GONE-1"]
    assert answer["acceptedBuilds"] == answer["rejectedBuilds"] == []
    assert provider.world.state.devops == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"buildNumber": 0},
        {"buildNumber": "7"},
        {"buildNumber": 2**63},
        {"updateSequenceNumber": None},
        {"state": "done"},
        {"url": "browse/DEMO-1"},
        {"url": "https://x.example/" + "x" * 2000},
        {"pipelineId": "x" * 256},
        {"displayName": ""},
        {"lastUpdated": "now"},
        {"associations": []},
        {"schemaVersion": "2.0"},
    ],
)
def test_entry_out_of_shape_is_rejected(
    provider: Jira, rest: Rest, wrong: Json
) -> None:
    answer = said(rest, build(**wrong))

    [rejected] = answer["rejectedBuilds"]
    assert rejected["errors"]
    assert answer["acceptedBuilds"] == []
    assert provider.world.state.devops == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"environment": {"id": "eu", "displayName": "Europe", "type": "prod"}},
        {"environment": {"displayName": "Europe", "type": "production"}},
        {"pipeline": {"id": "shop"}},
        {"deploymentSequenceNumber": -1},
        {"description": None},
    ],
)
@pytest.mark.usefixtures("provider")
def test_deployment_out_of_shape_is_rejected(rest: Rest, wrong: Json) -> None:
    answer = said(rest, deployment(**wrong), path=DEPLOYMENTS)

    assert answer["rejectedDeployments"]
    assert answer["acceptedDeployments"] == []


@pytest.mark.usefixtures("provider")
def test_body_that_holds_no_entries_is_400(rest: Rest) -> None:
    assert rest("POST", BUILDS, {"deployments": [build()]}).status_code == 400


def test_entries_survive_a_restart(provider: Jira, rest: Rest) -> None:
    said(rest, build())

    assert json.loads(json.dumps(provider.world.state.devops))["builds/shop/7"]
