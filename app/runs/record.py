"""Writes a verified call down at the door, once (rule T2)."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import db
from app.runs.tables import Run, RunState, Why
from app.tenants import Door
from app.tokens.checks import LEEWAY

AHEAD = LEEWAY + timedelta(seconds=1)
"""How much later than its call was received, by our clock, a change may have happened:
the leeway, by which the call was let in, and what `iat` leaves out of a second."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a door heard: its sender is verified, its content is not."""

    door: Door
    tenant_id: uuid.UUID
    token_hash: str
    """Stands for the token's signed part; the token itself is not kept."""
    raw_body: bytes
    issue_id: str
    config: str
    rule_hash: str
    unverified_hint: dict[str, Any]
    webhook_id: str | None
    candidate_id: uuid.UUID | None = None
    """Which secret signed it, if that is still to be proven: stored, not run (T4)."""

    @property
    def call_hash(self) -> str:
        """Stand for exactly this call: the same token with the same body."""
        return hashlib.sha256(
            self.token_hash.encode() + b"\x00" + self.raw_body
        ).hexdigest()

    def __repr__(self) -> str:
        return f"Call(tenant={self.tenant_id}, issue={self.issue_id})"


def record(session: Session, call: Call, *, now: datetime) -> uuid.UUID | None:
    """Promise to look into the call; the promise holds once the caller commits.

    Return None for a call that was recorded before: Jira's retry, or a replay. Two
    transitions in one second may carry identical tokens, so the body counts too.
    """
    return db.insert_once(session, Run, _row(call, now=now))


@dataclass(frozen=True)
class Recordable:
    """Calls that only have to be inserted."""

    ids: Sequence[uuid.UUID]
    """Of each one's run, if it is recorded."""
    _rows: db.Prepared

    def record(self, connection: sa.Connection, places: Sequence[int]) -> Sequence[int]:
        """Promise it for those at these places; return the places of new ones."""
        if self._rows.insert(connection, places) == len(places):
            return places
        wanted = sa.select(Run.id).where(Run.id.in_(self.ids[n] for n in places))
        there = set(connection.scalars(wanted))
        return [place for place in places if self.ids[place] in there]


def prepare(dialect: sa.Dialect, calls: Sequence[Call], *, now: datetime) -> Recordable:
    """Make some calls ready, at least one; each is then recorded as by `record`.

    The database is not asked for it, so that it is done before others wait.
    """
    rows = [_row(call, now=now) for call in calls]
    prepared = db.prepare(dialect, Run, rows, is_once=True)
    return Recordable([row["id"] for row in rows], prepared)


def _row(call: Call, *, now: datetime) -> dict[str, Any]:
    is_held = call.candidate_id is not None
    return {
        "id": db.new_id(now),
        "tenant_id": call.tenant_id,
        "door": call.door,
        "state": RunState.RECEIVED,
        "received_at": now,
        "due_at": None if is_held else now,
        "why": Why.AWAITS_PROOF if is_held else None,
        "candidate_id": call.candidate_id,
        "issue_id": call.issue_id,
        "config": call.config,
        "rule_hash": call.rule_hash,
        "unverified_hint": call.unverified_hint,
        # Attack: the identifier is unsigned. Who offered a secret of his own would use
        # it up, and Jira's own call by that name would be a duplicate of his.
        "webhook_id": None if is_held else call.webhook_id,
        "token_hash": call.token_hash,
        "call_hash": call.call_hash,
    }
