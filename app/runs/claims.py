"""Takes a run in hand: one worker at a time, by lease and fence."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs import choosing
from app.runs.lineage import Origin, Parent, origin
from app.runs.tables import (
    Role,
    Run,
    RunState,
    RunStep,
    StepState,
    Why,
)
from app.runs.turns import Turns

LEASE = timedelta(seconds=60)
"""How long a claimed run may stay silent before another worker takes it; longer than
the deadline of one request, and renewed whenever something is settled."""

_RESTED = frozenset(
    {Why.AWAITS_TOKEN, Why.AWAITS_ANSWER, Why.RATE_LIMITED, Why.ISSUE_LIMITED}
)
"""Reasons to rest that are over once a run is claimed."""


@dataclass(frozen=True, kw_only=True)
class StepClaim:
    """A step as it stood when its run was claimed."""

    id: uuid.UUID
    role: Role
    position: int
    state: StepState
    config: Mapping[str, Any]
    act: str | None
    tries: int
    key_place: str | None = None
    """What stands in `act` for the key of the answer."""
    answer_due_at: datetime | None = None
    """Of a delivery that waits: until when."""
    reference: str | None = None
    """What the receiver calls what it began, if it said so."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run as it stood when it was claimed. `fence` shuts out who overslept."""

    run_id: uuid.UUID
    fence: int
    tenant_id: uuid.UUID
    state: RunState
    received_at: datetime
    reported_at: datetime
    """When the call came; of a replay, the call that its first run was recorded for."""
    tries: int
    issue_id: str
    config: str
    rule_hash: str
    token_hash: str
    unverified_hint: Mapping[str, Any]
    facts: Mapping[str, Any] | None
    depth: int
    parent: Parent | None
    """The run that set this one off, where that is known already."""
    history_id: str | None
    """The change it is about; a replay of a confirmed run is confirmed by no other."""
    replay_of: uuid.UUID | None
    replayed_position: int | None
    origin_id: uuid.UUID
    """The first run of a chain of replays; of any other run, itself."""
    why: Why | None
    message: str | None
    steps: tuple[StepClaim, ...]

    @property
    def listener(self) -> tuple[uuid.UUID, int] | None:
        """Whose rule it carries out, and at which version; None for a rule of Jira's.

        It was written by the door, not by the caller.
        """
        named = self.unverified_hint.get("listener")
        if named is None:
            return None
        return uuid.UUID(named), int(self.unverified_hint["version"])


def claim(
    session: Session, *, now: datetime, turns: Turns | None = None
) -> Claim | None:
    """Take a run that is due, including one whose worker went silent.

    Of the site whose turn it is the longest due one. None of a tenant that is stopped,
    or rests: whether it does, is asked in the very statement that takes the run.
    """
    run = choosing.take(session, turns or Turns(), now=now)
    return _taken(session, run, now) if run is not None else None


def _taken(session: Session, run: Run, now: datetime) -> Claim:
    run.lease_until = now + LEASE
    run.fence += 1
    run.tries += 1
    if run.why in _RESTED:
        run.why = None  # if it still does, it says so again
    steps = session.scalars(
        sa.select(RunStep).where(
            RunStep.tenant_id == run.tenant_id, RunStep.run_id == run.id
        )
    )
    found = sorted(map(step_claim, steps), key=_order)
    return _claim(run, origin(session, run), found)


def _claim(run: Run, first: Origin, steps: Sequence[StepClaim]) -> Claim:
    return Claim(
        run_id=run.id,
        fence=run.fence,
        tenant_id=run.tenant_id,
        state=run.state,
        received_at=run.received_at,
        reported_at=first.received_at,
        tries=run.tries,
        issue_id=run.issue_id,
        config=run.config,
        rule_hash=run.rule_hash,
        token_hash=run.token_hash,
        unverified_hint=run.unverified_hint,
        facts=run.facts,
        depth=run.depth,
        parent=_parent(run),
        history_id=run.history_id,
        replay_of=run.replay_of,
        replayed_position=run.replayed_position,
        origin_id=first.run_id,
        why=run.why,
        message=run.message,
        steps=tuple(steps),
    )


def taken_changes(session: Session, claim: Claim) -> frozenset[str]:
    """Return the history entries that other runs of this rule already stand for."""
    return frozenset(
        entry
        for entry in session.scalars(
            sa.select(Run.history_id).where(
                Run.tenant_id == claim.tenant_id,
                Run.issue_id == claim.issue_id,
                Run.rule_hash == claim.rule_hash,
                Run.id != claim.run_id,
                Run.replay_of.is_(None),
            )
        )
        if entry is not None
    )


def step_claim(row: RunStep) -> StepClaim:
    return StepClaim(
        id=row.id,
        role=row.role,
        position=row.position,
        state=row.state,
        config=row.config,
        act=row.act,
        tries=row.tries,
        key_place=row.key_place,
        answer_due_at=row.answer_due_at,
        reference=row.reference,
    )


def _parent(run: Run) -> Parent | None:
    if run.caused_by is None:
        return None
    return Parent(run_id=run.caused_by, depth=run.depth - 1)


def _order(step: StepClaim) -> tuple[int, int]:
    return (list(Role).index(step.role), step.position)
