"""Settles a claimed run: step by step, each in a transaction of its own, fenced."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import new_id, printable
from app.runs import claims
from app.runs.claims import Claim, StepClaim, step_claim
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

MESSAGE_LIMIT = 600
"""Characters kept of why something failed or rests."""


LIMITED = frozenset({Why.RATE_LIMITED, Why.ISSUE_LIMITED})
"""Reasons to rest that are limits of Jira's."""


class LostClaimError(Exception):
    """The lease ran out and another worker has the run: change nothing, walk away."""


class TenantGoneError(Exception):
    """The tenant may not be acted for any more."""


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step to be added to a run."""

    role: Role
    config: dict[str, Any]
    destination_id: uuid.UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of sending a step's call."""

    outcome: AttemptOutcome
    status: int | None = None
    message: str | None = None
    duration_ms: int | None = None
    request_head: str | None = None
    """Where it was another request than was noted before it was sent."""
    response_head: str | None = None
    response_body: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What is about to be sent for a step."""

    act: str
    """The decided call or message, as the next attempt or look needs it."""
    to_status: str | None = None
    request_head: str | None = None
    """Without credentials, for a page."""
    answer_key_hash: str | None = None
    """Of the key that goes with it, where an answer is awaited (rule T17)."""
    key_place: str | None = None
    """What stands for that key in `act`."""
    listener_id: uuid.UUID | None = None
    """Who alone may answer."""
    answer_due_at: datetime | None = None
    """Until when an answer counts; None if nobody waits for one."""


def plan_steps(
    session: Session, claim: Claim, steps: Sequence[PlannedStep], *, now: datetime
) -> tuple[StepClaim, ...]:
    """Add steps to the run, in their order."""
    rows = [
        RunStep(
            id=new_id(now),
            tenant_id=claim.tenant_id,
            run_id=claim.run_id,
            role=step.role,
            position=position,
            state=StepState.PENDING,
            config=step.config,
            tries=0,
            destination_id=step.destination_id,
        )
        for position, step in enumerate(steps)
    ]
    session.add_all(rows)
    return tuple(map(step_claim, rows))


def begin_step(
    session: Session,
    claim: Claim,
    step: StepClaim,
    sent: Sent,
    *,
    now: datetime,
) -> uuid.UUID:
    """Note that the step's call is about to be sent; return the attempt's id.

    From this commit until the step is settled it is ambiguous: whoever claims the run
    next looks before repeating it.
    """
    update_run(session, claim, lease_until=now + claims.LEASE)
    update_step(
        session,
        claim,
        step,
        state=StepState.BEGUN,
        act=sent.act,
        tries=RunStep.tries + 1,
        key_place=sent.key_place,
        listener_id=sent.listener_id,
        answer_due_at=sent.answer_due_at,
    )
    attempt = Attempt(
        id=new_id(now),
        tenant_id=claim.tenant_id,
        run_step_id=step.id,
        begun_at=now,
        issue_id=claim.issue_id,
        to_status=sent.to_status,
        request_head=sent.request_head,
        answer_key_hash=sent.answer_key_hash,
    )
    session.add(attempt)
    return attempt.id


def settle_step(
    session: Session,
    claim: Claim,
    step: StepClaim,
    *,
    state: StepState,
    message: str | None = None,
    now: datetime,
) -> None:
    """Note how the step stands now, and renew the lease."""
    settled = state in {StepState.DONE, StepState.FAILED}
    progress = {"tries": 0} if settled else {}
    update_run(session, claim, lease_until=now + claims.LEASE, **progress)
    update_step(
        session,
        claim,
        step,
        state=state,
        message=_clean(message),
        settled_at=now if settled else None,
    )


def settle_attempt(
    session: Session,
    claim: Claim,
    attempt_id: uuid.UUID,
    answer: Answer,
    *,
    now: datetime,
) -> None:
    """Note what came of one try."""
    other = {"request_head": answer.request_head} if answer.request_head else {}
    session.execute(
        sa.update(Attempt)
        .where(Attempt.tenant_id == claim.tenant_id, Attempt.id == attempt_id)
        .values(
            **other,
            outcome=answer.outcome,
            status=answer.status,
            message=_clean(answer.message),
            duration_ms=answer.duration_ms,
            response_head=answer.response_head,
            response_body=answer.response_body,
            settled_at=now,
        )
    )


def rest(
    session: Session,
    claim: Claim,
    *,
    until: datetime,
    message: str,
    is_progress: bool = False,
    why: Why | None = None,
) -> None:
    """Give the run back, due `until`; nothing of it is forgotten.

    `is_progress` says that this claim was not in vain, though nothing was settled: it
    waits for what comes by itself, a delivery for its schedule and others' turns.
    """
    noted: dict[str, Any] = {"tries": 0} if is_progress else {}
    if why in LIMITED:
        # Why a failing run fails is not to be written over: nothing waits for this.
        is_failing = Run.state == RunState.FAILING
        noted["why"] = sa.case(
            (is_failing, Run.why), else_=sa.literal(why, Run.why.type)
        )
    elif why is not None:
        noted["why"] = why
    update_run(
        session,
        claim,
        due_at=until,
        lease_until=None,
        message=_clean(message),
        **noted,
    )


def put_back(session: Session, claim: Claim) -> None:
    """Give the run back as due as it was: it goes on where it stood, in its turn."""
    update_run(session, claim, lease_until=None, tries=0)


def change_state(
    session: Session,
    claim: Claim,
    state: RunState,
    *,
    why: Why | None = None,
    message: str | None = None,
    now: datetime,
) -> None:
    """Move the run on, and end it when the state is an end."""
    ended = state not in {RunState.RECEIVED, RunState.RUNNING, RunState.FAILING}
    values: dict[str, Any] = {"state": state, "lease_until": now + claims.LEASE}
    if why is not None:
        values |= {"why": why, "message": _clean(message)}
    if ended:
        values |= {"finished_at": now, "due_at": None, "lease_until": None}
    update_run(session, claim, **values)


def why_of(session: Session, claim: Claim) -> Why | None:
    """Return why the run stands as it does, also if that was noted since the claim."""
    return session.scalar(
        sa.select(Run.why).where(
            Run.tenant_id == claim.tenant_id, Run.id == claim.run_id
        )
    )


def _clean(message: str | None) -> str | None:
    # It may quote what Jira answered, and whatever a reporter wrote.
    return None if message is None else printable(message, limit=MESSAGE_LIMIT)


def update_run(session: Session, claim: Claim, **values: Any) -> None:  # noqa: ANN401
    kept = session.execute(
        sa.update(Run)
        .where(
            Run.tenant_id == claim.tenant_id,
            Run.id == claim.run_id,
            Run.fence == claim.fence,
        )
        .values(values)
        .returning(Run.id)
    )
    if kept.first() is None:
        raise LostClaimError(claim.run_id)


def update_step(
    session: Session,
    claim: Claim,
    step: StepClaim,
    **values: Any,  # noqa: ANN401
) -> None:
    session.execute(
        sa.update(RunStep)
        .where(RunStep.tenant_id == claim.tenant_id, RunStep.id == step.id)
        .values(values)
    )
