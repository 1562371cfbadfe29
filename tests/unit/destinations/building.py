"""A delivery, and a destination to deliver it to, without a database."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.destinations import (
    AnswerTo,
    AnyTarget,
    Connector,
    Delivery,
    Line,
    Target,
)
from app.destinations.tables import Signing
from app.http import Request, Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANSWER_TO = "https://countersign.example/listeners/7d0e7c3a-35a6-4c0b-9f0e-0a8d6b9f8f22"
KEY = "VGhpcyBpcyBhIGtleQ"


def delivery(*, is_answered: bool = True, **inputs: str) -> Delivery:
    return Delivery(
        id=uuid.UUID("0190a5d5-0000-7000-8000-000000000001"),
        tenant_id=uuid.UUID(int=2),
        destination_id=uuid.UUID(int=3),
        project_id="10000",
        environment="staging",
        at=NOW,
        run_id=uuid.UUID(int=4),
        inputs=inputs,
        answer=AnswerTo(url=ANSWER_TO, key=KEY) if is_answered else None,
    )


def keeps_room_for_the_key(connector: Connector[Any, Any], settings: object) -> bool:
    """Say whether what is kept of a body has what stands for the key, as it is.

    Before it is sent, the key is put in its place: so it must not be spelt otherwise.
    """
    sent = delivery(version="1")
    stands_for_it = "answer-key-of-chance"
    sent = replace(sent, answer=AnswerTo(url=ANSWER_TO, key=stands_for_it))
    chosen = connector.settings_form.model_validate(settings)
    return stands_for_it in connector.body(chosen, sent, base_url="")


def target(
    connector: Connector[Any, Any], settings: dict[str, Any], credentials: object
) -> AnyTarget:
    chosen = connector.settings_form.model_validate(settings)
    given = connector.credentials_form.model_validate(credentials)
    return Target(
        id=uuid.UUID(int=3),
        tenant_id=uuid.UUID(int=2),
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


@dataclass
class _Wire:
    outside: Callable[[Request], Response | Exception]

    def send(self, request: Request) -> Response:
        answer = self.outside(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


def line(outside: Callable[[Request], Response | Exception]) -> Line:
    return Line(http=_Wire(outside), now=lambda: NOW)
