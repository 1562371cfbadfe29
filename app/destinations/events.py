"""What a delivery says: one CloudEvents 1.0 message, and the claims of its token.

What Jira confirmed stands at the top level. The transition and the workflow are what
the call reported, of which Jira confirms only that they carry this rule (ADR 5); they
stand under `reported`, so that no receiver takes them for more.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

EVENT_TYPE = "countersign.workflow.transitioned.v1"
TEST_TYPE = "countersign.test.v1"
TEST_SUFFIX = ":test"
"""Behind the `sub` of a test event (rule T7)."""
CONTENT_TYPE = "application/cloudevents+json"
TEST_WORDS = "Countersign was asked to see whether this destination works."


class Progress(StrEnum):
    """How far a run is, for a receiver that shows that; in Jira's own words."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESSFUL = "successful"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """What comes later is greater."""
        return min(list(Progress).index(self), 2)


@dataclass(frozen=True, kw_only=True)
class AnswerTo:
    """Where the receiver may say how it ended, and the key it needs for that (T17)."""

    url: str
    """The listener that the destination names."""
    key: str = field(repr=False)
    """Good once, and sent with this delivery only."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one destination; the same over all its attempts."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    destination_id: uuid.UUID
    project_id: str
    environment: str
    at: datetime
    """When the change was reported to us."""
    run_id: uuid.UUID | None = None
    rule_id: str = ""
    rule_name: str = ""
    issue_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What Jira confirmed (worker/confirming.py); empty for a test."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    replay_of: uuid.UUID | None = None
    answer: AnswerTo | None = None
    """Where an answer is awaited; None if nobody waits."""
    site_url: str = ""
    """Where people see the site."""
    made_at: datetime | None = None
    """When its message is made, which is then kept."""
    progress: Progress = Progress.PENDING
    """How far the run is, where that is what it tells (`Connector.follows`)."""
    shown_at: str = ""
    """Where people see what the run started, if a receiver said so."""

    @property
    def issue_url(self) -> str:
        """Where people see the issue; without the site if that is not known."""
        browse = f"browse/{self.facts['issue_key']}"
        return f"{self.site_url}/{browse}" if self.site_url else browse

    @property
    def is_test(self) -> bool:
        return self.run_id is None


def issuer(base_url: str, tenant_id: uuid.UUID) -> str:
    """Return who signs for this tenant: a name that is never given to another."""
    return f"{base_url}/issuers/{tenant_id}"


def subject(delivery: Delivery) -> str:
    """Return a delivery's `sub`."""
    sub = subject_of(
        delivery.tenant_id, delivery.project_id, destination_id=delivery.destination_id
    )
    return sub + (TEST_SUFFIX if delivery.is_test else "")


def subject_of(
    tenant_id: uuid.UUID, project_id: str, *, destination_id: uuid.UUID
) -> str:
    """Return `sub`: ids only, as names get recycled; 127 bytes for Google."""
    return f"tenant:{tenant_id}:project:{project_id}:destination:{destination_id}"


def claims(delivery: Delivery, *, base_url: str, audience: str) -> dict[str, Any]:
    """Return what a token says, but for its times, its id and its body's hash."""
    found: dict[str, Any] = {
        "iss": issuer(base_url, delivery.tenant_id),
        "aud": audience,
        "sub": subject(delivery),
        "delivery_id": str(delivery.id),
        "environment": delivery.environment or None,
        "replay_of": _id(delivery.replay_of),
    }
    if not delivery.is_test:
        facts = delivery.facts
        found |= {
            "run_id": _id(delivery.run_id),
            "rule_id": delivery.rule_id,
            "issue_id": delivery.issue_id,
            "issue_key": facts["issue_key"],
            "project_id": facts["project_id"],
            "project_key": facts["project_key"],
            "from_status_id": facts["from_id"] or None,
            "from_status": facts["from"] or None,
            "to_status_id": facts["to_id"],
            "to_status": facts["to"],
            "actor_account_id": facts["actor"],
            "reported": _reported(facts),
        }
    return {name: value for name, value in found.items() if value is not None}


def message(delivery: Delivery, *, base_url: str) -> bytes:
    """Return the body. Source: CloudEvents 1.0, JSON event format, structured mode."""
    whole = envelope(delivery, base_url=base_url) | {
        "type": TEST_TYPE if delivery.is_test else EVENT_TYPE,
        "datacontenttype": "application/json",
        "data": data(delivery),
    }
    if delivery.issue_id:
        whole["subject"] = f"issue/{delivery.issue_id}"
    return json.dumps(whole, ensure_ascii=False, sort_keys=True).encode()


def envelope(delivery: Delivery, *, base_url: str) -> dict[str, Any]:
    """Return what every CloudEvent of ours says of itself, whatever it tells."""
    return {
        "specversion": "1.0",
        "id": str(delivery.id),
        "source": issuer(base_url, delivery.tenant_id),
        "time": delivery.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def data(delivery: Delivery) -> dict[str, Any]:
    """Return what happened, in our own words: what a receiver of any format needs."""
    if delivery.is_test:
        message = TEST_WORDS
        return {"test": True, "message": message, "environment": delivery.environment}
    facts = delivery.facts
    said = {
        "issue": {"id": delivery.issue_id, "key": facts["issue_key"]},
        "project": {"id": facts["project_id"], "key": facts["project_key"]},
        "from": {"id": facts["from_id"], "name": facts["from"]},
        "to": {"id": facts["to_id"], "name": facts["to"]},
        "actor": {"accountId": facts["actor"]},
        "rule": {"id": delivery.rule_id, "name": delivery.rule_name},
        "run": {"id": str(delivery.run_id)},
        "environment": delivery.environment,
        "inputs": dict(delivery.inputs),
        "reported": _reported(facts),
    }
    if delivery.answer is not None:
        said["answer"] = {
            "url": delivery.answer.url,
            "answer_key": delivery.answer.key,
        }
    return said | ({"replayOf": _id(delivery.replay_of)} if delivery.replay_of else {})


def reference(delivery: Delivery) -> dict[str, str]:
    """Return what a build needs to be told of us, to name itself and to answer."""
    found = {"delivery": str(delivery.id)}
    if delivery.run_id is not None:
        found["run"] = str(delivery.run_id)
    if delivery.answer is not None:
        found["answer_to"] = delivery.answer.url
        found["answer_key"] = delivery.answer.key
    return found


def in_words(delivery: Delivery) -> str:
    """Return what a delivery is about, in one line of plain text for people."""
    if delivery.is_test:
        return "A test by Countersign"
    facts = delivery.facts
    statuses = " → ".join(filter(None, (facts["from"], facts["to"])))
    return f"{facts['issue_key']}: {facts['transition']} ({statuses})"


def _reported(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "workflow": facts["workflow"],
        "transition_id": facts["transition_id"],
        "transition": facts["transition"],
    }


def _id(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)
