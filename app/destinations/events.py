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
from typing import Any

EVENT_TYPE = "countersign.workflow.transitioned.v1"
TEST_TYPE = "countersign.test.v1"
CONTENT_TYPE = "application/cloudevents+json"


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

    @property
    def is_test(self) -> bool:
        return self.run_id is None


def issuer(base_url: str, tenant_id: uuid.UUID) -> str:
    """Return who signs for this tenant: a name that is never given to another."""
    return f"{base_url}/issuers/{tenant_id}"


def subject(delivery: Delivery) -> str:
    """Return `sub`: ids only, as names get recycled; 127 bytes for Google."""
    parts = (
        f"tenant:{delivery.tenant_id}",
        f"project:{delivery.project_id}",
        f"destination:{delivery.destination_id}",
    )
    return ":".join(parts) + (":test" if delivery.is_test else "")


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
    envelope = {
        "specversion": "1.0",
        "id": str(delivery.id),
        "source": issuer(base_url, delivery.tenant_id),
        "type": TEST_TYPE if delivery.is_test else EVENT_TYPE,
        "time": delivery.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": _data(delivery),
    }
    if delivery.issue_id:
        envelope["subject"] = f"issue/{delivery.issue_id}"
    return json.dumps(envelope, ensure_ascii=False, sort_keys=True).encode()


def _data(delivery: Delivery) -> dict[str, Any]:
    if delivery.is_test:
        said = "Countersign was asked to see whether this destination works."
        return {"test": True, "message": said, "environment": delivery.environment}
    facts = delivery.facts
    data = {
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
    return data | ({"replayOf": _id(delivery.replay_of)} if delivery.replay_of else {})


def _reported(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "workflow": facts["workflow"],
        "transition_id": facts["transition_id"],
        "transition": facts["transition"],
    }


def _id(value: uuid.UUID | None) -> str | None:
    return None if value is None else str(value)
