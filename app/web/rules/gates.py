"""How each rule stands with us, beside Jira's copy: its gate, its watch, its pause."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.rules import Entry, KnownRule, NoSuchRuleError, knowing
from app.web.context import caller, runtime
from app.web.words import Shown

bp = Blueprint("gates", __name__, url_prefix="/api/v1")

PAUSED = Shown("Paused", "warning")
STOPPED = Shown("Rescue stopped", "danger")
OPEN = Shown("Gate is open", "danger")
SOUND = Shown("Gate is shut", "success")
UNJUDGED = Shown("Gate not judged yet", "information")


@dataclass(frozen=True, kw_only=True)
class ShownRule:
    """One rule in a live workflow, as it was when we last looked."""

    id: uuid.UUID
    rule_id: str
    name: str
    workflow: str
    transition: str
    entry: Entry
    """What Jira had then."""
    seen_at: datetime
    states: Sequence[Shown]
    troubles: Sequence[str]
    """What somebody should look into, each in a sentence."""
    paused_at: datetime | None
    can_be_resumed: bool


class Switch(Protocol):
    """`knowing.pause` or `knowing.resume`."""

    def __call__(
        self,
        session: Session,
        tenant_id: uuid.UUID,
        known_id: uuid.UUID,
        *,
        actor: str,
        now: datetime,
    ) -> bool: ...


def read(session: Session, tenant_id: uuid.UUID) -> Sequence[ShownRule]:
    """Return the rules that Jira's inventory had when it was last read."""
    return [_shown(row) for row in knowing.listed(session, tenant_id)]


@bp.post("/rules/<uuid:known_id>/pause")
def pause(known_id: uuid.UUID) -> ResponseReturnValue:
    """Let a rule do nothing until somebody resumes it."""
    return _switch(knowing.pause, known_id)


@bp.post("/rules/<uuid:known_id>/resume")
def resume(known_id: uuid.UUID) -> ResponseReturnValue:
    """Let a rule go on, and the watchdog for it."""
    return _switch(knowing.resume, known_id)


def _switch(switch: Switch, known_id: uuid.UUID) -> ResponseReturnValue:
    person = caller()
    with runtime().sessions.begin() as session:
        try:
            is_done = switch(
                session,
                person.tenant_id,
                known_id,
                actor=person.account_id,
                now=runtime().now(),
            )
        except NoSuchRuleError:
            abort(404)
    if is_done:
        return "", 204
    message = "Somebody else was faster: it is so already. Reload the page"
    return {"error": "already-so", "message": message}, 409


def _shown(row: KnownRule) -> ShownRule:
    return ShownRule(
        id=row.id,
        rule_id=row.rule_id,
        name=row.name,
        workflow=row.workflow,
        transition=row.transition_name,
        entry=Entry(
            workflow=row.workflow,
            transition_id=row.transition_id,
            transition_name=row.transition_name,
            text=row.config,
            hash=row.rule_hash,
        ),
        seen_at=row.last_seen_at,
        states=_states(row),
        troubles=_troubles(row),
        paused_at=row.paused_at,
        can_be_resumed=bool(row.paused_at or row.watch_stopped_at),
    )


def _states(row: KnownRule) -> Sequence[Shown]:
    found = [PAUSED] if row.paused_at else []
    if row.watch_stopped_at:
        found.append(STOPPED)
    if row.hold_status is None:
        return found
    if row.sound_at is None:
        return [*found, UNJUDGED]
    return [*found, OPEN if row.unsound_because else SOUND]


def _troubles(row: KnownRule) -> Sequence[str]:
    found = []
    if row.unsound_because:
        said = row.unsound_because
        found.append(f"{said[:1].upper()}{said[1:]}.")
    if row.watch_stopped_because:
        found.append(f"Issues are not rescued: {row.watch_stopped_because}.")
    if row.overdue:
        found.append(f"Issues past the deadline of their hold: {row.overdue}.")
    if row.hold_status is not None and row.sound_at is None:
        found.append("No issue was in its hold yet to judge the ways out by.")
    return found
