"""Runs with their steps and attempts, as people look at them."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.answered import ListedAnswer, of_steps
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
    request_body: str | None
    """The same over all attempts; no credential is ever part of it."""
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
    settled_at: datetime | None
    destination_id: uuid.UUID | None
    answer_due_at: datetime | None
    """Of a delivery that waits, or waited: until when."""
    reference: str | None
    reference_url: str | None
    attempts: Sequence[ListedAttempt]
    answers: Sequence[ListedAnswer]
    """What was said of how it ended, the oldest first; at most one of it counts."""


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
    changed_at: datetime | None
    """When Jira's history says that the issue changed."""
    known_rule_id: uuid.UUID | None
    door: Door
    caused_by: uuid.UUID | None
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
        .order_by(Run.id.desc())
        .limit(limit)
    ).all()
    return listed(session, tenant_id, rows)


def listed(
    session: Session, tenant_id: uuid.UUID, rows: Sequence[Run]
) -> list[ListedRun]:
    """Return these runs of the tenant's with all that is shown of them."""
    steps = _steps(session, tenant_id, [row.id for row in rows])
    return [_run(row, steps[row.id]) for row in rows]


def find_exchange(
    session: Session, tenant_id: uuid.UUID, attempt_id: uuid.UUID
) -> Exchange | None:
    """Return what one of the tenant's deliveries sent and was answered, if it was one.

    There is no answer yet while the attempt is under way.
    """
    row = session.execute(
        sa.select(
            Attempt.request_head,
            RunStep.act,
            Attempt.response_head,
            Attempt.response_body,
        )
        .join(
            RunStep,
            sa.and_(
                RunStep.tenant_id == Attempt.tenant_id,
                RunStep.id == Attempt.run_step_id,
            ),
        )
        .where(Attempt.tenant_id == tenant_id, Attempt.id == attempt_id)
        .where(Attempt.request_head.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    return Exchange(
        request_head=row.request_head,
        request_body=row.act,
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
    waited = [row.id for row in rows if row.answer_due_at is not None]
    answers = of_steps(session, tenant_id, waited) if waited else ()
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
            settled_at=row.settled_at,
            destination_id=row.destination_id,
            answer_due_at=row.answer_due_at,
            reference=row.reference,
            reference_url=row.reference_url,
            attempts=attempts[row.id],
            answers=[each for each in answers if each.step_id == row.id],
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
            duration_ms=_took(row),
            has_exchange=has_exchange,
        )
        found[row.run_step_id].append(attempt)
    return found


def _took(row: Attempt) -> int | None:
    """Return how long an attempt took; of a step in Jira, with what it read before."""
    if row.duration_ms is not None or row.settled_at is None:
        return row.duration_ms
    return (row.settled_at - row.begun_at) // timedelta(milliseconds=1)


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
        changed_at=row.changed_at,
        known_rule_id=row.known_rule_id,
        door=row.door,
        caused_by=row.caused_by,
        replay_of=row.replay_of,
        replayed_position=row.replayed_position,
        steps=steps,
    )
