"""A tenant's latest runs, with their steps and attempts, as people look at them."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.tables import (
    Attempt,
    AttemptOutcome,
    Role,
    Run,
    RunState,
    RunStep,
    StepState,
    Why,
)
from app.tenants import Door

LISTED = 50
"""How many runs a page shows."""


@dataclass(frozen=True, kw_only=True)
class ListedAttempt:
    id: uuid.UUID
    begun_at: datetime
    outcome: AttemptOutcome | None
    status: int | None
    message: str | None
    duration_ms: int | None
    has_exchange: bool
    """It was a delivery: `find_exchange` has what was sent and answered."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What a delivery sent and was answered, without its credentials (rule T8)."""

    request_head: str
    response_head: str | None
    response_body: str | None


@dataclass(frozen=True, kw_only=True)
class ListedStep:
    id: uuid.UUID
    role: Role
    position: int
    state: StepState
    config: Mapping[str, Any]
    message: str | None
    attempts: Sequence[ListedAttempt]


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run to look at. Until Jira confirmed it, `issue_id` is only a claim."""

    id: uuid.UUID
    state: RunState
    why: Why | None
    message: str | None
    received_at: datetime
    finished_at: datetime | None
    due_at: datetime | None
    issue_id: str
    rule_name: str | None
    facts: Mapping[str, Any] | None
    door: Door
    replay_of: uuid.UUID | None
    replayed_position: int | None
    steps: Sequence[ListedStep]


def latest(
    session: Session, tenant_id: uuid.UUID, *, limit: int = LISTED
) -> list[ListedRun]:
    """Return the tenant's newest runs, the newest first."""
    rows = session.scalars(
        sa.select(Run)
        .where(Run.tenant_id == tenant_id)
        .order_by(Run.received_at.desc(), Run.id.desc())
        .limit(limit)
    ).all()
    steps = _steps(session, tenant_id, [row.id for row in rows])
    return [_run(row, steps[row.id]) for row in rows]


def find_exchange(
    session: Session, tenant_id: uuid.UUID, attempt_id: uuid.UUID
) -> Exchange | None:
    """Return what one of the tenant's deliveries sent and was answered, if it was one.

    There is no answer yet while the attempt is under way.
    """
    row = session.execute(
        sa.select(Attempt.request_head, Attempt.response_head, Attempt.response_body)
        .where(Attempt.tenant_id == tenant_id, Attempt.id == attempt_id)
        .where(Attempt.request_head.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    return Exchange(
        request_head=row.request_head,
        response_head=row.response_head,
        response_body=row.response_body,
    )


def _steps(
    session: Session, tenant_id: uuid.UUID, run_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, Sequence[ListedStep]]:
    rows = session.scalars(
        sa.select(RunStep).where(
            RunStep.tenant_id == tenant_id, RunStep.run_id.in_(run_ids)
        )
    ).all()
    attempts = _attempts(session, tenant_id, [row.id for row in rows])
    found: dict[uuid.UUID, list[ListedStep]] = defaultdict(list)
    roles = list(Role)
    for row in sorted(rows, key=lambda row: (roles.index(row.role), row.position)):
        step = ListedStep(
            id=row.id,
            role=row.role,
            position=row.position,
            state=row.state,
            config=row.config,
            message=row.message,
            attempts=attempts[row.id],
        )
        found[row.run_id].append(step)
    return found


def _attempts(
    session: Session, tenant_id: uuid.UUID, step_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, Sequence[ListedAttempt]]:
    # What was sent and answered may be long: a page that is renewed every few seconds
    # only learns whether there is any.
    rows = session.execute(
        sa.select(Attempt, Attempt.request_head.is_not(None))
        .where(Attempt.tenant_id == tenant_id, Attempt.run_step_id.in_(step_ids))
        .order_by(Attempt.begun_at, Attempt.id)
    )
    found: dict[uuid.UUID, list[ListedAttempt]] = defaultdict(list)
    for row, has_exchange in rows:
        attempt = ListedAttempt(
            id=row.id,
            begun_at=row.begun_at,
            outcome=row.outcome,
            status=row.status,
            message=row.message,
            duration_ms=row.duration_ms,
            has_exchange=has_exchange,
        )
        found[row.run_step_id].append(attempt)
    return found


def _run(row: Run, steps: Sequence[ListedStep]) -> ListedRun:
    return ListedRun(
        id=row.id,
        state=row.state,
        why=row.why,
        message=row.message,
        received_at=row.received_at,
        finished_at=row.finished_at,
        due_at=row.due_at,
        issue_id=row.issue_id,
        rule_name=row.rule_name,
        facts=row.facts,
        door=row.door,
        replay_of=row.replay_of,
        replayed_position=row.replayed_position,
        steps=steps,
    )
