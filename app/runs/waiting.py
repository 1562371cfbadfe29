"""What a run waits for: its turn, an answer, and on Forge the site's next token."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import new_id, printable
from app.runs import claims
from app.runs.answered import Result, StepAnswer, counting
from app.runs.claims import Claim, StepClaim
from app.runs.settling import Answer, update_run, update_step
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

REFERENCE, URL = 200, 2000
"""Characters of a receiver's own name and address of a run that are kept."""


def wake(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Let runs that wait for Forge's token go on: it has come."""
    session.execute(
        sa.update(Run)
        .where(
            Run.tenant_id == tenant_id,
            Run.state.in_((RunState.RECEIVED, RunState.RUNNING, RunState.FAILING)),
            Run.lease_until.is_(None),
            Run.why == Why.AWAITS_TOKEN,
        )
        .values(due_at=now)
    )


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """A delivery that is through, or may be, and how long its answer is awaited."""

    until: datetime
    message: str
    reference: str = ""
    url: str = ""


def await_answer(
    session: Session, claim: Claim, step: StepClaim, awaited: Awaited
) -> None:
    """Let the step wait; it is settled by what is said of it, or once it is late."""
    update_step(
        session,
        claim,
        step,
        state=StepState.WAITING,
        answer_due_at=awaited.until,
        message=awaited.message,
    )
    note_reference(session, claim, step, awaited.reference, awaited.url)


def note_reference(
    session: Session, claim: Claim, step: StepClaim, reference: str, url: str
) -> None:
    """Note what the receiver calls what the delivery began, where it said so."""
    if reference:
        named = printable(reference, limit=REFERENCE)
        shown = url if url.startswith(("https://", "http://")) else ""
        update_step(
            session, claim, step, reference=named, reference_url=shown[:URL] or None
        )


def note_found(
    session: Session,
    claim: Claim,
    step: StepClaim,
    found: tuple[Result, str, str],
    *,
    now: datetime,
) -> None:
    """Note what the receiver said when asked: result, words and address."""
    result, words, url = found
    update_run(session, claim, lease_until=now + claims.LEASE)
    row = StepAnswer(
        id=new_id(now),
        tenant_id=claim.tenant_id,
        run_step_id=step.id,
        at=now,
        result=result,
        message=printable(words, limit=REFERENCE),
        url=url[:URL] if url.startswith(("https://", "http://")) else "",
        claims={},
        token_hash="",
        counts=True,
    )
    session.add(row)


def hold_step(
    session: Session, claim: Claim, step: StepClaim, *, now: datetime
) -> StepAnswer | None:
    """Hold run and step until the transaction ends; return the answer that counts.

    An answer is heard under the same locks, taken in the same order: either it is here,
    or it finds the run at rest and wakes it. Raise `LostClaimError` for who overslept.
    """
    update_run(session, claim, lease_until=now + claims.LEASE)
    session.execute(
        sa.select(RunStep.id)
        .where(RunStep.tenant_id == claim.tenant_id, RunStep.id == step.id)
        .with_for_update()
    )
    return counting(session, claim.tenant_id, step.id)


def note_waiting(
    session: Session, claim: Claim, step: StepClaim, *, now: datetime
) -> datetime:
    """Note when a delivery was first to go; return that moment."""
    row = session.get_one(RunStep, step.id)
    if row.waiting_since is None:
        update_step(session, claim, step, waiting_since=now)
        return now
    return row.waiting_since


def is_behind(session: Session, claim: Claim, destination_id: uuid.UUID) -> bool:
    """Say whether an earlier run still has to deliver to it for the same issue.

    One that is not confirmed yet counts if its rule names the destination: it has no
    steps so far, and would come to it second.
    """
    planned = sa.exists().where(
        RunStep.tenant_id == claim.tenant_id,
        RunStep.run_id == Run.id,
        RunStep.destination_id == destination_id,
        # What tells how a run ended has no turn: it is the last thing of its run.
        RunStep.role == Role.STEP,
        RunStep.state.in_((StepState.PENDING, StepState.BEGUN)),
    )
    earlier = (
        sa.select(Run.id)
        .where(
            Run.tenant_id == claim.tenant_id,
            Run.issue_id == claim.issue_id,
            Run.id < claim.run_id,
            sa.or_(
                sa.and_(Run.state == RunState.RUNNING, planned),
                sa.and_(
                    Run.state == RunState.RECEIVED,
                    # Attack: a call that an unproven secret signed holds up others.
                    Run.due_at.is_not(None),
                    Run.config.contains(destination_id.hex),
                ),
            ),
        )
        .limit(1)
    )
    return session.scalar(earlier) is not None


def was_perhaps_done(session: Session, claim: Claim, step: StepClaim) -> bool:
    """Say whether an attempt at the step may have had its effect, for all we know.

    A person who said that it had not (`resolve`) settled those before.
    """
    since = session.get_one(RunStep, step.id).waiting_since
    if since is None:
        return False
    unclear = sa.select(Attempt.id).where(
        Attempt.tenant_id == claim.tenant_id,
        Attempt.run_step_id == step.id,
        Attempt.begun_at >= since,
        sa.or_(Attempt.outcome == AttemptOutcome.UNKNOWN, Attempt.outcome.is_(None)),
    )
    return session.scalar(unclear.limit(1)) is not None


def last_attempt(session: Session, claim: Claim, step: StepClaim) -> Answer:
    """Return what came of the newest attempt at a step that was begun."""
    row = session.scalars(
        sa.select(Attempt)
        .where(Attempt.tenant_id == claim.tenant_id, Attempt.run_step_id == step.id)
        .order_by(Attempt.id.desc())
        .limit(1)
    ).one()
    outcome = row.outcome or AttemptOutcome.UNKNOWN
    return Answer(outcome=outcome, status=row.status, message=row.message)


def done_deliveries(session: Session, claim: Claim) -> Sequence[Mapping[str, Any]]:
    """Return those of the rule's own steps that delivered something, as configured."""
    rows = session.scalars(
        sa.select(RunStep)
        .where(*_own_deliveries(claim), RunStep.state == StepState.DONE)
        .order_by(RunStep.position)
    )
    return [row.config for row in rows]


def shown_at(session: Session, claim: Claim) -> str:
    """Return where people see what the run started, as a receiver said last."""
    rows = session.execute(
        sa.select(RunStep.reference_url, StepAnswer.url)
        .outerjoin(
            StepAnswer,
            sa.and_(
                StepAnswer.tenant_id == RunStep.tenant_id,
                StepAnswer.run_step_id == RunStep.id,
                StepAnswer.counts,
            ),
        )
        .where(*_own_deliveries(claim))
        .order_by(RunStep.position.desc())
    )
    found = (said or known for known, said in rows)
    return next(filter(None, found), "")


def _own_deliveries(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        RunStep.tenant_id == claim.tenant_id,
        RunStep.run_id == claim.run_id,
        RunStep.role == Role.STEP,
        RunStep.destination_id.is_not(None),
    )
