"""Jira's development panel: what its forms take, what is said, what an answer means."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from app.db import new_id
from app.destinations import Delivery, Progress, Verdict, connector_of, fitting
from app.destinations.panel import number
from app.http import Response, SendError
from tests.unit.destinations.test_events import FACTS

PANEL = connector_of("jira-devops")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUILDS = {"shows": "builds", "pipeline_id": "shop", "pipeline_name": "The shop"}
DEPLOYMENTS = BUILDS | {
    "shows": "deployments",
    "environment_id": "eu",
    "environment_name": "Europe",
    "environment_type": "production",
}


@pytest.fixture
def delivery() -> Delivery:
    return Delivery(
        id=uuid.uuid4(),
        tenant_id=uuid.uuid4(),
        destination_id=uuid.uuid4(),
        project_id="10000",
        environment="",
        at=NOW - timedelta(days=1),
        made_at=NOW,
        run_id=new_id(NOW),
        rule_id="r_1",
        rule_name="Deploy",
        issue_id="10100",
        facts=FACTS,
        site_url="https://acme.atlassian.net",
    )


def entry(delivery: Delivery, settings: dict[str, Any]) -> dict[str, Any]:
    chosen = PANEL.settings_form.model_validate(settings)
    [several] = json.loads(PANEL.body(chosen, delivery, base_url="")).values()
    [found] = several
    return dict(found)


def test_build_says_what_jira_asks_for(delivery: Delivery) -> None:
    said = entry(delivery, BUILDS)

    assert said.pop("description").endswith(str(delivery.run_id))
    assert said == {
        "schemaVersion": "1.0",
        "pipelineId": "shop",
        "buildNumber": number(delivery.run_id or uuid.UUID(int=0)),
        "updateSequenceNumber": int(NOW.timestamp() * 1000),
        "displayName": "The shop",
        "url": "https://acme.atlassian.net/browse/DEMO-1",
        "state": "pending",
        "lastUpdated": "2026-11-23T12:00:00.000+00:00",
        "associations": [{"associationType": "issueIdOrKeys", "values": ["10100"]}],
    }


def test_deployment_names_pipeline_and_environment(delivery: Delivery) -> None:
    said = entry(delivery, DEPLOYMENTS)

    assert said["deploymentSequenceNumber"] == entry(delivery, BUILDS)["buildNumber"]
    assert said["environment"] == {
        "id": "eu",
        "displayName": "Europe",
        "type": "production",
    }
    assert said["pipeline"]["id"] == "shop"
    assert said["pipeline"]["displayName"] == "The shop"


def test_builds_own_address_is_shown_once_it_is_known(delivery: Delivery) -> None:
    known = replace(delivery, shown_at="https://ci.example/7")
    too_long = replace(delivery, shown_at="https://ci.example/" + "7" * 2000)

    assert entry(known, BUILDS)["url"] == "https://ci.example/7"
    assert entry(too_long, BUILDS)["url"].endswith("/browse/DEMO-1")


def test_later_state_wins_even_in_the_same_millisecond(delivery: Delivery) -> None:
    numbers = [
        entry(replace(delivery, progress=progress), BUILDS)["updateSequenceNumber"]
        for progress in (Progress.PENDING, Progress.IN_PROGRESS, Progress.SUCCESSFUL)
    ]
    later = replace(delivery, made_at=NOW + timedelta(seconds=1))

    assert numbers == sorted(set(numbers))
    assert entry(later, BUILDS)["updateSequenceNumber"] > numbers[-1]
    failed = replace(delivery, progress=Progress.FAILED)
    assert entry(failed, BUILDS)["updateSequenceNumber"] == numbers[-1]


def test_run_has_a_number_of_its_own_that_grows_and_stays_exact() -> None:
    runs = [new_id(NOW) for _ in range(1000)]
    runs += [new_id(NOW + timedelta(milliseconds=n)) for n in range(1, 1000)]

    numbers = [number(run) for run in runs]

    assert len(set(numbers)) == len(numbers)
    assert all(0 < each < 2**53 for each in numbers)
    assert number(runs[-1]) > number(runs[0])
    assert number(uuid.UUID(int=0)) > 0


def test_rule_says_nothing_of_its_own() -> None:
    """What is shown is how the run stands; no designer may say otherwise."""
    assert fitting("jira-devops", BUILDS, {}) == {}
    with pytest.raises(ValueError, match="takes no input “state”"):
        fitting("jira-devops", BUILDS, {"state": "successful"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"shows": "tests"},
        {"pipeline_id": ""},
        {"pipeline_id": "a b"},
        {"pipeline_id": "{{ issue.key }}"},
        {"pipeline_name": "x" * 256},
        {"environment_id": ""},
        {"environment_name": ""},
        {"environment_type": "prod"},
    ],
)
def test_t7_settings_are_whole_and_no_templates(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PANEL.settings_form.model_validate(DEPLOYMENTS | wrong)


def answered(status: int, **body: Any) -> Response:
    return Response(status=status, body=json.dumps(body).encode())


KEY = {"pipelineId": "shop", "buildNumber": 7}
NOTHING: dict[str, list[Any]] = {
    "acceptedBuilds": [],
    "rejectedBuilds": [],
    "unknownIssueKeys": [],
}


@pytest.mark.parametrize(
    ("answer", "verdict", "says"),
    [
        (answered(202, **NOTHING | {"acceptedBuilds": [KEY]}), "accepted", "took it"),
        (answered(202, acceptedDeployments=[KEY]), "accepted", "took it"),
        (
            answered(202, **NOTHING | {"unknownIssueKeys": ["10100"]}),
            "rejected",
            "nothing was stored",
        ),
        (
            answered(202, unknownAssociations=[{"values": ["10100"]}]),
            "rejected",
            "nothing was stored",
        ),
        (
            answered(202, **NOTHING | {"rejectedBuilds": [{"key": KEY}]}),
            "rejected",
            "pipeline and environment",
        ),
        (answered(202, **NOTHING), "retry", "does not say"),
        (Response(status=202, body=b"<html>"), "retry", "does not say"),
        (answered(400), "rejected", "400"),
        (answered(401), "rejected", "Jira admin"),
        (answered(403), "rejected", "Jira admin"),
        (answered(413), "rejected", "too large"),
        (answered(429), "retry", "not now"),
        (answered(503), "retry", "not now"),
        (answered(500), "retry", "500"),
        (SendError("reset", sent=True), "retry", "no answer"),
        (SendError("refused", sent=False), "retry", "reached"),
    ],
)
def test_answer_is_read_and_doubt_means_again(
    answer: Response | SendError, verdict: str, says: str
) -> None:
    """Jira ignores what it has already, so nothing is ever left to a person."""
    judged = PANEL.judge(answer, NOW)

    assert judged.verdict is Verdict(verdict)
    assert says in judged.words


def test_t15_words_quote_nothing_of_the_answer() -> None:
    rejected = answered(202, rejectedBuilds=[{"errors": [{"message": "SECRET"}]}])

    assert "SECRET" not in PANEL.judge(rejected, NOW).words
