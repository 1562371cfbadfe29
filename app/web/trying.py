"""Sends a test event on the spot, and shows what the receiver really answered."""

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app import destinations
from app.db import new_id
from app.destinations import Delivery, Destination, Signed, Verdict
from app.web.context import caller, runtime, web
from app.web.words import Shown

VERDICTS = {
    Verdict.ACCEPTED: Shown("Accepted", "success"),
    Verdict.REJECTED: Shown("Rejected", "danger"),
    Verdict.RETRY: Shown("Not now", "warning"),
    Verdict.AMBIGUOUS: Shown("No clear answer", "warning"),
}


class TooManyTestsError(Exception):
    """This destination has had the tests of a minute."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of one test."""

    verdict: Shown
    words: str
    status: int | None
    duration_ms: int
    request_head: str
    response_head: str | None
    response_body: str | None


def send(destination_id: uuid.UUID) -> Tried:
    """Send it, for the first of its projects; the breaker hears nothing of it.

    Its subject ends in `:test` (rule T7), so no receiver takes it for a deployment.
    Raise `NoSuchDestinationError`, `NoKeyError` or `TooManyTestsError`.
    """
    with runtime().sessions.begin() as session:
        signed = _mint(session, destination_id)
    came = destinations.exchange(runtime().http, signed, now=runtime().now)
    return Tried(
        verdict=VERDICTS[came.judged.verdict],
        words=came.judged.words,
        status=came.judged.status,
        duration_ms=came.duration_ms,
        request_head=signed.head,
        response_head=came.response_head,
        response_body=came.response_body,
    )


def _mint(session: Session, destination_id: uuid.UUID) -> Signed:
    """Make the request, and write down who had a token made."""
    now, base_url = runtime().now(), runtime().settings.base_url
    destination = destinations.get(session, caller().tenant_id, destination_id)
    if not web().trials.admit(destination_id, now=now):
        raise TooManyTestsError(destination_id)
    delivery = _delivery(destination)
    body = destinations.message(delivery, base_url=base_url)
    keyring = runtime().keyring
    target = destinations.open_target(session, keyring, destination, now=now)
    signed = destinations.sign(target, delivery, body, base_url=base_url, now=now)
    actor = caller().account_id
    destinations.note_mint(session, target, signed, actor=actor, now=now)
    return signed


def _delivery(destination: Destination) -> Delivery:
    now = runtime().now()
    return Delivery(
        id=new_id(now),
        tenant_id=destination.tenant_id,
        destination_id=destination.id,
        project_id=destination.project_ids[0],
        environment=destination.environment,
        at=now,
    )
