"""Sends a test event on the spot, and shows what the receiver really answered."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import destinations, stops
from app.db import new_id
from app.destinations import (
    AnyTarget,
    Connector,
    Delivery,
    Destination,
    Exchange,
    Line,
    Signed,
    Verdict,
    connector_of,
)
from app.http import InTime
from app.jira import Jira, open_jira
from app.web.context import caller, runtime, web
from app.web.words import Shown

VERDICTS = {
    Verdict.ACCEPTED: Shown("Accepted", "success"),
    Verdict.REJECTED: Shown("Rejected", "danger"),
    Verdict.RETRY: Shown("Not now", "warning"),
    Verdict.AMBIGUOUS: Shown("No clear answer", "warning"),
}


LONGEST = timedelta(seconds=8)
"""How long all requests of one test may take together. A delivery may take longer: no
thread of a page waits for it."""


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


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What is tried: a request that is ready, or the kind's own question."""

    connector: Connector[Any, Any]
    target: AnyTarget
    signed: Signed | None
    jira: Jira


def send(destination_id: uuid.UUID) -> Tried:
    """Ask whether it is set up, or send a test event; the breaker hears nothing of it.

    The subject of an event's token ends in `:test` (rule T7), so no receiver takes it
    for a deployment; a kind that would begin one has a question instead. Raise
    `NoSuchDestinationError`, `NoKeyError`, `TooManyTestsError`, `StoppedError`, or
    `BusyError` while there is no room to ask.
    """
    with web().asking.place(caller().tenant_id):
        with runtime().sessions.begin() as session:
            trial = _prepare(session, destination_id)
        came = _carry_out(trial)
    return Tried(
        verdict=VERDICTS[came.judged.verdict],
        words=came.judged.words,
        status=came.judged.status,
        duration_ms=came.duration_ms,
        request_head=came.request_head or "",
        response_head=came.response_head,
        response_body=came.response_body,
    )


def _carry_out(trial: _Trial) -> Exchange:
    now = runtime().now
    in_time = InTime(
        http=runtime().http,
        now=now,
        until=now() + LONGEST,
        longest=LONGEST,
        late="the test took too long",
    )
    line = Line(http=in_time, mail=runtime().mail, now=now, jira=trial.jira)
    if trial.signed is None:
        return trial.connector.trial(trial.target, line)
    return trial.connector.send(trial.target, trial.signed, line)


def _prepare(session: Session, destination_id: uuid.UUID) -> _Trial:
    """Make ready what is tried, and write down who had a token made."""
    now, base_url = runtime().now(), runtime().settings.base_url
    destination = destinations.get(session, caller().tenant_id, destination_id)
    stops.refuse_stopped(session, caller().tenant_id)
    if not web().trials.admit(destination_id, now=now):
        raise TooManyTestsError(destination_id)
    connector = connector_of(destination.kind)
    target = destinations.open_target(session, runtime().keyring, destination, now=now)
    jira = open_jira(session, runtime(), caller().tenant_id)
    if connector.has_trial(target.settings):
        return _Trial(connector=connector, target=target, signed=None, jira=jira)
    delivery = _delivery(destination)
    body = connector.body(target.settings, delivery, base_url=base_url)
    signed = connector.prepare(
        target, delivery, body.encode(), base_url=base_url, now=now
    )
    actor = caller().account_id
    destinations.note_mint(session, target, signed, actor=actor, now=now)
    return _Trial(connector=connector, target=target, signed=signed, jira=jira)


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
