"""What a delivery sends and is answered: message made once, its key made anew."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit, destinations, listeners, metrics, runs
from app.destinations import (
    AnswerTo,
    AnyTarget,
    Connector,
    Delivery,
    Destination,
    DestinationState,
    Exchange,
    Judged,
    Signed,
    Verdict,
    connector_of,
)
from app.runs import Answer, AttemptOutcome, Claim, Sent, StepClaim
from app.runtime import Runtime
from app.steps.base import StepError

_OUTCOMES = {
    Verdict.ACCEPTED: AttemptOutcome.DONE,
    Verdict.REJECTED: AttemptOutcome.REFUSED,
    Verdict.RETRY: AttemptOutcome.RETRY,
    Verdict.AMBIGUOUS: AttemptOutcome.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One attempt at a delivery, ready to go: what is sent, and what is kept of it."""

    target: AnyTarget
    signed: Signed
    kept: Sent


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An attempt that is written down and may be sent now."""

    parcel: Parcel
    connector: Connector[Any, Any]
    attempt_id: uuid.UUID


def pack(
    session: Session,
    runtime: Runtime,
    destination: Destination,
    delivery: Delivery,
    row: StepClaim | None,
) -> Parcel:
    """Make one attempt; `row` has the message, if an earlier one made it.

    Every attempt carries the same bytes under the same id, but for the key by which
    the receiver may answer (rule T17): that is made anew, and kept only hashed. In the
    message that is kept, a text of chance stands in its place.

    Attack: a template that gives that very text has the key put beside itself, where
    others read it; so it is made after the inputs were.

    Raise `keys.NoKeyError`, or `StepError` if it cannot be made.
    """
    now, base_url = runtime.now(), runtime.settings.base_url
    connector = connector_of(destination.kind)
    target = destinations.open_target(session, runtime.keyring, destination, now=now)
    message, place = (row.act, row.key_place) if row else (None, None)
    to = delivery.answer
    if message is None:
        delivery = replace(delivery, inputs=_inputs(destination, delivery))
        if to is not None:
            place = f"answer-key-{runs.new_key()}"
            delivery = replace(delivery, answer=replace(to, key=place))
        message = connector.body(target.settings, delivery, base_url=base_url)
    key, sent = None, message
    if to is not None and place is not None:
        key = runs.new_key()
        delivery = replace(delivery, answer=replace(to, key=key))
        sent = message.replace(place, key)
    signed = connector.prepare(
        target, delivery, sent.encode(), base_url=base_url, now=now
    )
    kept = Sent(
        act=message,
        request_head=signed.head,
        answer_key_hash=runs.key_hash(key) if key else None,
        key_place=place,
        listener_id=destination.listener_id if key else None,
    )
    return Parcel(target=target, signed=signed, kept=kept)


def _inputs(destination: Destination, delivery: Delivery) -> dict[str, str]:
    try:
        return destinations.fitting(
            destination.kind, destination.settings, delivery.inputs
        )
    except ValueError as error:
        raise StepError(str(error)) from error


def answer_to(runtime: Runtime, destination: Destination) -> AnswerTo | None:
    """Return where its receiver may answer; None if it can only be asked itself.

    Raise `StepError` for a destination of which no answer can ever come.
    """
    connector = connector_of(destination.kind)
    settings = connector.settings_form.model_validate(destination.settings)
    if destination.listener_id is None or not connector.awaits:
        if connector.can_poll(settings):
            return None
        words = "the rule waits for an answer, and the destination names no listener"
        raise StepError(words)
    url = listeners.url_of(runtime.settings.base_url, destination.listener_id)
    return AnswerTo(url=url, key="")


def answer_of(came: Exchange, *, keeps: bool) -> Answer:
    """Return what is kept of an exchange; with `keeps`, what was said as well."""
    return Answer(
        outcome=_OUTCOMES[came.judged.verdict],
        status=came.judged.status,
        message=came.judged.words,
        duration_ms=came.duration_ms,
        request_head=came.request_head if keeps else None,
        response_head=came.response_head if keeps else None,
        response_body=came.response_body if keeps else None,
    )


def measure(claim: Claim, kind: str, kept: Answer, *, now: datetime) -> None:
    """Count an attempt that went out; of one that was taken, also how late it was."""
    metrics.count_attempt(kind, kept.outcome, (kept.duration_ms or 0) / 1000)
    if kept.outcome is AttemptOutcome.DONE:
        took = now - claim.received_at
        metrics.DELIVERY_SECONDS.labels(kind).observe(took.total_seconds())


def learn(
    session: Session, destination_id: uuid.UUID, judged: Judged, *, now: datetime
) -> Destination:
    """Let the destination's breaker know; disable it when it is hopeless."""
    destination = session.get_one(Destination, destination_id)
    health = destinations.locked(session, destination)
    turn = destinations.settle(health, judged, now=now)
    if turn.disabled_because and destination.state is DestinationState.ACTIVE:
        destinations.disable(session, destination, turn.disabled_because, now=now)
    if turn.recovered:
        audit.record(
            session,
            destination.tenant_id,
            "destination-recovered",
            actor="countersign",
            now=now,
            destination=str(destination.id),
        )
    return destination


def is_idempotent(
    session: Session, tenant_id: uuid.UUID, destination_id: uuid.UUID
) -> bool:
    """Say whether it does no harm if something came there twice."""
    row = destinations.find(session, tenant_id, destination_id)
    return row is not None and connector_of(row.kind).is_idempotent


def note_refusal(
    session: Session,
    claim: Claim,
    destination_id: uuid.UUID,
    words: str,
    *,
    now: datetime,
) -> None:
    """Leave a trace of a rule that reached for what it may not have (rule T7)."""
    audit.record(
        session,
        claim.tenant_id,
        "delivery-refused",
        actor="countersign",
        now=now,
        run=str(claim.run_id),
        destination=str(destination_id),
        reason=words,
    )
