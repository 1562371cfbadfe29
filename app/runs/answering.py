"""Hears how a delivery ended, from a listener, and lets its run go on (rule T17).

Attack: a run's id is in the receiver's log, in a comment, in a link: whoever reads it
says that the deployment succeeded. So an answer needs the key that went with this one
delivery, has to come through the listener that its destination named, and, where we
know which run of the provider's it began, from that run.
"""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import new_id, printable
from app.runs.answered import Result, StepAnswer, counting
from app.runs.resolving import go_on, hold_run
from app.runs.tables import Attempt, Run, RunState, RunStep, StepState
from app.tokens.checks import Reason, Refused

KEY_BYTES = 16
"""Of an answer's key: 128 bits that nobody guesses."""

MESSAGE = 1000
"""Characters of what a receiver says that are kept."""

MOST = 20
"""Answers to one step that are kept. Attack: whoever has the key says it for ever."""

_OPEN = frozenset(
    # A build may answer before our own request for it has been answered, or when that
    # got no clear answer: it is proof enough that the delivery came.
    {StepState.PENDING, StepState.BEGUN, StepState.WAITING, StepState.AMBIGUOUS}
)


class Effect(StrEnum):
    """What an answer did."""

    COUNTED = "counted"
    LATE = "late"
    """The step had ended: the answer is kept and shown, and changes nothing."""
    REPEATED = "repeated"
    """It was heard before, or there are enough of them: not kept again."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a verified caller says. Of it nothing is proven but who says it."""

    run_id: uuid.UUID
    key: str = field(repr=False)
    result: Result
    message: str
    url: str
    claims: Mapping[str, str]
    """What its token proved, as far as it may be kept."""
    provider_run: str | None
    """The provider's own number of the run whose token it is."""
    token_hash: str
    keeps: bool = True
    """Whether what it says is kept beside its result, as the site's admins chose."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What became of an answer, and of which step, for the audit."""

    effect: Effect
    run_id: uuid.UUID
    step_id: uuid.UUID


def new_key() -> str:
    """Return a key for one attempt at a delivery."""
    return secrets.token_urlsafe(KEY_BYTES)


def key_hash(key: str) -> str:
    """Return what is kept of it."""
    return hashlib.sha256(key.encode()).hexdigest()


def hear(
    session: Session,
    tenant_id: uuid.UUID,
    listener_id: uuid.UUID,
    answer: Answer,
    *,
    now: datetime,
) -> Heard:
    """Note the answer and let its run go on, if it is one to a delivery of theirs.

    Raise `Refused`, and change nothing, for every other: another tenant's run as for a
    made-up one (rule T5).
    """
    run, step = _held(session, tenant_id, answer)
    if step.listener_id != listener_id:
        # Attack: a listener that was set up for another receiver.
        raise Refused(Reason.WRONG_LISTENER, str(step.run_id), proven=True)
    if step.reference and answer.provider_run not in {None, step.reference}:
        # Attack: another run of the same workflow, with the key out of this one's log.
        detail = f"{step.run_id}: of run {answer.provider_run}"
        raise Refused(Reason.WRONG_PROVIDER_RUN, detail, proven=True)
    first = counting(session, tenant_id, step.id) is None
    counts = first and _is_awaited(run, step, now)
    if not _keep(session, step, listener_id, answer, counts=counts, now=now):
        effect = Effect.REPEATED
    elif counts:
        effect = Effect.COUNTED
        _wake(run, step, answer, now=now)
    else:
        effect = Effect.LATE
    return Heard(effect=effect, run_id=run.id, step_id=step.id)


def _is_awaited(run: Run, step: RunStep, now: datetime) -> bool:
    """Say whether an answer still counts: also while no worker had time to say no."""
    is_open = run.state in {RunState.RUNNING, RunState.AMBIGUOUS}
    due = step.answer_due_at
    return is_open and step.state in _OPEN and due is not None and now < due


def _held(
    session: Session, tenant_id: uuid.UUID, answer: Answer
) -> tuple[Run, RunStep]:
    """Return the run and the step that the key went with, held as a worker would."""
    run = hold_run(session, tenant_id, answer.run_id)
    step = session.scalar(
        sa.select(RunStep)
        .where(
            RunStep.tenant_id == tenant_id,
            RunStep.run_id == answer.run_id,
            sa.exists().where(
                Attempt.tenant_id == tenant_id,
                Attempt.run_step_id == RunStep.id,
                Attempt.answer_key_hash == key_hash(answer.key),
            ),
        )
        .with_for_update()
    )
    if run is None or step is None:
        raise Refused(Reason.UNKNOWN_ANSWER, str(answer.run_id), proven=True)
    return run, step


def _keep(
    session: Session,
    step: RunStep,
    listener_id: uuid.UUID,
    answer: Answer,
    *,
    counts: bool,
    now: datetime,
) -> bool:
    known = session.scalars(
        sa.select(StepAnswer.token_hash).where(
            StepAnswer.tenant_id == step.tenant_id, StepAnswer.run_step_id == step.id
        )
    ).all()
    if answer.token_hash in known or len(known) >= MOST:
        return False
    row = StepAnswer(
        id=new_id(now),
        tenant_id=step.tenant_id,
        run_step_id=step.id,
        at=now,
        listener_id=listener_id,
        result=answer.result,
        message=printable(answer.message, limit=MESSAGE) if answer.keeps else "",
        url=answer.url if answer.keeps else "",
        claims=dict(answer.claims),
        token_hash=answer.token_hash,
        counts=counts,
    )
    session.add(row)
    return True


def _wake(run: Run, step: RunStep, answer: Answer, *, now: datetime) -> None:
    """Let the worker look at it now; who has it in hand looks before it rests."""
    if step.reference is None and answer.provider_run is not None:
        step.reference = answer.provider_run
    if step.state in {StepState.AMBIGUOUS, StepState.PENDING}:
        step.state = StepState.WAITING
    if run.state is RunState.AMBIGUOUS:
        go_on(run, step, now=now)
    elif run.lease_until is None or run.lease_until <= now:
        run.due_at = now
