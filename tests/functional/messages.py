"""What tests of destinations for people share: set up, sent, and what is kept of it."""

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app import destinations
from app.audit import AuditEvent
from app.destinations import Definition, Destination
from app.steps.deliver import reference
from tests.functional.conftest import rule
from tests.functional.receiving import DEMO, START, Desk


def set_up(
    desk: Desk,
    kind: str,
    settings: Mapping[str, Any],
    credentials: Mapping[str, str],
    **more: Any,
) -> uuid.UUID:
    """Have an admin set one up, as its form does."""
    given: dict[str, Any] = {"name": "Tell people", "project_ids": (DEMO,)} | more
    definition = Definition(
        kind=kind, settings=dict(settings), credentials=dict(credentials), **given
    )
    with desk.runtime.sessions.begin() as session:
        made, _ = destinations.create(
            session, desk.runtime.keyring, desk.change(), definition
        )
    return made


def deliver(desk: Desk, destination_id: uuid.UUID, **inputs: str) -> None:
    """Let a rule's delivery with these inputs go, as far as it goes now."""
    step = {"do": "deliver", "destination": reference(destination_id), "inputs": inputs}
    for known in desk.rules:
        desk.jira.remove_post_function(known.id)
    desk.rules = [desk.jira.add_post_function(START, rule(step))]
    desk.fire()
    desk.worker.drain()


def kept(desk: Desk) -> str:
    """Return everything that is stored in the clear of what was sent and configured."""
    attempts = [
        (each.request_head, each.response_head, each.response_body, each.message)
        for each in desk.attempts()
    ]
    steps = [desk.step().act, desk.step().message]
    with desk.runtime.sessions.begin() as session:
        rows = session.scalars(sa.select(Destination))
        places = [(row.url, row.settings, row.audience) for row in rows]
        events = [dict(row.facts) for row in session.scalars(sa.select(AuditEvent))]
    return repr((attempts, steps, places, events))
