"""CDEvents: the message as its specification wants it, with our own facts in it."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.destinations import AnswerTo, Delivery, connector_of
from app.destinations.events import data
from tests.unit.destinations.test_events import BASE_URL, FACTS

SITE = "https://acme.atlassian.net"
WEBHOOK = connector_of("webhook")

CONTEXT = {"version", "id", "source", "type", "timestamp"}
"""The members of a context that CDEvents 0.4.1 requires of every event."""
CONTENT = {
    "summary",
    "ticketType",
    "group",
    "creator",
    "assignees",
    "priority",
    "labels",
    "milestone",
    "updatedBy",
    "uri",
}
"""Those that its `ticketupdated.json` knows; it takes no others."""


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
        site_url=SITE,
    )


def sent(delivery: Delivery, **settings: Any) -> dict[str, Any]:
    chosen = WEBHOOK.settings_form.model_validate(settings)
    body = WEBHOOK.body(chosen, delivery, base_url=BASE_URL)
    found: dict[str, Any] = json.loads(body)
    return found


def test_event_is_a_ticket_that_was_updated(delivery: Delivery) -> None:
    event = sent(delivery, format="cdevents")["data"]

    assert set(event["context"]) == CONTEXT
    assert event["context"]["version"] == "0.4.1"
    assert event["context"]["type"] == "dev.cdevents.ticket.updated.0.1.0"
    assert event["subject"] == {
        "id": "issue/10100",
        "source": SITE,
        "type": "ticket",
        "content": {
            "uri": f"{SITE}/browse/DEMO-1",
            "group": "DEMO",
            "updatedBy": FACTS["actor"],
        },
    }
    assert set(event["subject"]["content"]) <= CONTENT
    assert set(event) == {"context", "subject", "customData", "customDataContentType"}


def test_cloudevent_says_what_its_binding_wants(delivery: Delivery) -> None:
    message = sent(delivery, format="cdevents")
    context = message["data"]["context"]

    assert message["specversion"] == "1.0"
    assert message["id"] == context["id"] == str(delivery.id)
    assert message["source"] == context["source"]
    assert message["type"] == context["type"]
    assert message["time"] == context["timestamp"] == "2026-11-23T12:00:00Z"
    assert message["subject"] == message["data"]["subject"]["id"]
    assert message["datacontenttype"] == "application/cdevents+json"


def test_both_formats_say_the_same_of_us(delivery: Delivery) -> None:
    answer = AnswerTo(url="https://countersign.example/listeners/1", key="k" * 22)
    delivery = replace(delivery, answer=answer)

    custom = sent(delivery, format="cdevents")["data"]["customData"]

    assert custom == sent(delivery)["data"] == data(delivery)
    assert custom["answer"]["answer_key"] == "k" * 22


def test_issue_without_a_known_site_or_actor_still_has_a_reference(
    delivery: Delivery,
) -> None:
    facts = {**FACTS, "actor": None}
    bare = replace(delivery, site_url="", facts=facts)

    subject = sent(bare, format="cdevents")["data"]["subject"]

    assert subject["content"] == {"uri": "browse/DEMO-1", "group": "DEMO"}
    assert "source" not in subject


def test_t7_test_is_no_ticket(delivery: Delivery) -> None:
    test = replace(delivery, run_id=None, issue_id="", facts={})

    message = sent(test, format="cdevents")

    assert message["type"] == "dev.cdeventsx.countersign-destination.tested.0.1.0"
    assert message["data"]["context"]["type"] == message["type"]
    assert message["data"]["subject"]["type"] == "countersign-destination"
    assert message["data"]["customData"]["test"] is True


def test_webhook_from_before_there_was_a_choice_goes_on(delivery: Delivery) -> None:
    assert sent(delivery) == sent(delivery, format="cloudevents")
    assert sent(delivery)["type"] == "countersign.workflow.transitioned.v1"
    with pytest.raises(ValidationError):
        sent(delivery, format="avro")
