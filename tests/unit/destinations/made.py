"""Deliveries and targets as the worker makes them, without a database."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.destinations import Connector, Delivery, Signing, Target
from app.http import Request, Response, SendError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BASE_URL = "https://countersign.example"
DELIVERY = uuid.UUID("01989f6e-7b1c-7000-8000-000000000001")
FACTS: Mapping[str, Any] = {
    "issue_key": "DEMO-1",
    "project_id": "10000",
    "project_key": "DEMO",
    "workflow": "Demo",
    "transition_id": "21",
    "transition": "Start progress",
    "from_id": "1",
    "from": "To Do",
    "to_id": "3",
    "to": "In Progress",
    "actor": "ada",
}


def delivery(*, facts: Mapping[str, Any] = FACTS, **inputs: str) -> Delivery:
    return Delivery(
        id=DELIVERY,
        tenant_id=uuid.UUID(int=1),
        destination_id=uuid.UUID(int=2),
        project_id="10000",
        environment="",
        at=NOW,
        run_id=uuid.UUID(int=3),
        rule_id="r_test",
        rule_name="Test rule",
        issue_id="1",
        facts=facts,
        inputs=inputs,
    )


def a_test() -> Delivery:
    """Return the delivery of a destination's test button."""
    return Delivery(
        id=DELIVERY,
        tenant_id=uuid.UUID(int=1),
        destination_id=uuid.UUID(int=2),
        project_id="10000",
        environment="",
        at=NOW,
    )


def target(
    connector: Connector[Any, Any],
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any],
) -> Target[Any, Any]:
    chosen = connector.settings_form.model_validate(settings)
    given = connector.credentials_form.model_validate(credentials)
    return Target(
        id=uuid.UUID(int=2),
        tenant_id=uuid.UUID(int=1),
        changed_at=NOW,
        url=connector.url(chosen, given),
        settings=chosen,
        credentials=given,
        signing=Signing.KEY_SET,
        audience="",
        headers={},
        secrets=(),
        signer=None,
    )


class Answering:
    """A network that has one answer."""

    def __init__(self, answer: Response | SendError) -> None:
        self.answer = answer
        self.got: list[Request] = []

    def send(self, request: Request) -> Response:
        self.got.append(request)
        if isinstance(self.answer, SendError):
            raise self.answer
        return self.answer
