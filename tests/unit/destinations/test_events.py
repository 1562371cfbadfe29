"""What a delivery says: the message, and the claims of its token."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.destinations import Delivery
from app.destinations.events import claims, message, subject

BASE_URL = "https://countersign.example"
FACTS = {
    "issue_key": "DEMO-1",
    "project_id": "10000",
    "project_key": "DEMO",
    "workflow": "Demo workflow",
    "transition_id": "11",
    "transition": "Start progress",
    "from_id": "1",
    "from": "To Do",
    "to_id": "3",
    "to": "In Progress",
    "actor": "5b10a2844c20165700ede21g",
}


@pytest.fixture
def delivery() -> Delivery:
    return Delivery(
        id=uuid.uuid4(),
        tenant_id=uuid.uuid4(),
        destination_id=uuid.uuid4(),
        project_id="10000",
        environment="production",
        at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        run_id=uuid.uuid4(),
        rule_id="r_1",
        rule_name="Deploy",
        issue_id="10100",
        facts=FACTS,
        inputs={"version": "1.2 “ß”"},
    )


def test_t7_subject_is_made_of_ids_only(delivery: Delivery) -> None:
    assert subject(delivery) == (
        f"tenant:{delivery.tenant_id}:project:10000"
        f":destination:{delivery.destination_id}"
    )
    assert not {*FACTS.values(), "Deploy", "production"} - {"10000"} & set(
        subject(delivery).split(":")
    )


def test_subject_fits_the_tightest_receiver(delivery: Delivery) -> None:
    """Google takes at most 127 bytes."""
    longest = replace(delivery, project_id="9" * 12, run_id=None)

    assert len(subject(longest).encode()) <= 127


def test_t7_test_has_a_subject_of_its_own(delivery: Delivery) -> None:
    assert subject(replace(delivery, run_id=None)) == f"{subject(delivery)}:test"


def test_claims_are_what_jira_confirmed(delivery: Delivery) -> None:
    said = claims(delivery, base_url=BASE_URL, audience="https://deploy.example")

    assert said == {
        "iss": f"{BASE_URL}/issuers/{delivery.tenant_id}",
        "aud": "https://deploy.example",
        "sub": subject(delivery),
        "delivery_id": str(delivery.id),
        "environment": "production",
        "run_id": str(delivery.run_id),
        "rule_id": "r_1",
        "issue_id": "10100",
        "issue_key": "DEMO-1",
        "project_id": "10000",
        "project_key": "DEMO",
        "from_status_id": "1",
        "from_status": "To Do",
        "to_status_id": "3",
        "to_status": "In Progress",
        "actor_account_id": "5b10a2844c20165700ede21g",
        "reported": {
            "workflow": "Demo workflow",
            "transition_id": "11",
            "transition": "Start progress",
        },
    }


def test_claims_leave_out_what_nobody_confirmed(delivery: Delivery) -> None:
    created = replace(
        delivery, facts=FACTS | {"from_id": "", "from": "", "actor": None}
    )

    said = claims(created, base_url=BASE_URL, audience="a")

    assert not {"from_status", "from_status_id", "actor_account_id"} & set(said)
    assert None not in said.values()


def test_test_claims_nothing_of_any_issue(delivery: Delivery) -> None:
    said = claims(replace(delivery, run_id=None), base_url=BASE_URL, audience="a")

    assert set(said) == {"iss", "aud", "sub", "delivery_id", "environment"}


def test_replay_says_what_it_repeats(delivery: Delivery) -> None:
    before = uuid.uuid4()
    replay = replace(delivery, replay_of=before)

    assert claims(replay, base_url=BASE_URL, audience="a")["replay_of"] == str(before)
    assert sent(replay)["data"]["replayOf"] == str(before)


def sent(delivery: Delivery) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message(delivery, base_url=BASE_URL))
    return found


def test_message_is_a_cloud_event(delivery: Delivery) -> None:
    event = sent(delivery)

    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": str(delivery.id),
        "source": f"{BASE_URL}/issuers/{delivery.tenant_id}",
        "type": "countersign.workflow.transitioned.v1",
        "time": "2026-11-23T12:00:00Z",
        "datacontenttype": "application/json",
        "subject": "issue/10100",
    }
    assert data["inputs"] == {"version": "1.2 “ß”"}
    assert data["issue"] == {"id": "10100", "key": "DEMO-1"}


def test_what_was_only_reported_stands_apart(delivery: Delivery) -> None:
    """Jira does not confirm which transition it was (ADR 5)."""
    data = sent(delivery)["data"]

    assert data.pop("reported") == {
        "workflow": "Demo workflow",
        "transition_id": "11",
        "transition": "Start progress",
    }
    assert "Start progress" not in json.dumps(data)


def test_test_message_names_no_issue(delivery: Delivery) -> None:
    event = sent(replace(delivery, run_id=None))

    assert event["type"] == "countersign.test.v1"
    assert "DEMO" not in json.dumps(event)


def test_one_delivery_has_one_text(delivery: Delivery) -> None:
    assert message(delivery, base_url=BASE_URL) == message(delivery, base_url=BASE_URL)
