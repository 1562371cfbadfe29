"""Carries out again what ended: a new run, linked to the old one, all checks anew.

A replay is a person's wish and never proof of anything. It starts as a call does:
received, nothing of it believed. It is about the change that the old run was about.
"""

import hashlib
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app.db import new_id
from app.runs import lineage
from app.runs.claims import Claim
from app.runs.lineage import Origin
from app.runs.resolving import NoSuchRunError
from app.runs.tables import Role, Run, RunState, RunStep
from app.tenants import Door

REPLAYABLE = frozenset(
    {RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.UNCONFIRMED}
)
"""Ends after which a run may be carried out again.

Of a duplicate the other run may. An ambiguous one waits for a person's word: what
perhaps happened could else happen twice.
"""

_OPEN = (RunState.RECEIVED, RunState.RUNNING, RunState.FAILING, RunState.AMBIGUOUS)


class NotReplayableError(Exception):
    """It cannot be carried out again as things stand; the message is for people."""


def replay(
    session: Session,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    *,
    step_id: uuid.UUID | None = None,
    now: datetime,
) -> uuid.UUID:
    """Record that a run, or one delivery of it, is wanted again; return the new run.

    Raise `NoSuchRunError` for another tenant's ids as for made-up ones (rule T5), and
    `NotReplayableError` while the run, or another replay of it, is still open: two
    clicks are one wish.
    """
    old = session.scalar(
        sa.select(Run)
        .where(Run.tenant_id == tenant_id, Run.id == run_id)
        .with_for_update()
        .options(undefer(Run.config), undefer(Run.unverified_hint))
    )
    if old is None:
        raise NoSuchRunError(run_id)
    position = _position(session, old, step_id)
    _refuse_open(session, old)
    new = _again(old, lineage.origin(session, old), now=now)
    new.replayed_position = position
    session.add(new)
    session.flush()
    return new.id


def keep_change(session: Session, claim: Claim, history_id: str) -> bool:
    """Let the first of a chain of replays stand for the change that a replay found.

    The unique key over issue, change and rule leaves replays out, so that a change can
    be repeated at all. Attack: without this, two replays of runs that Jira never
    confirmed would both be carried out for one change. Return False if the first
    stands for a change by now; a race with an ordinary run fails as in
    `settling.confirm`.
    """
    kept = session.execute(
        sa.update(Run)
        .where(
            Run.tenant_id == claim.tenant_id,
            Run.id == claim.origin_id,
            Run.history_id.is_(None),
        )
        .values(history_id=history_id)
        .returning(Run.id)
    )
    return kept.first() is not None


def _again(old: Run, origin: Origin, *, now: datetime) -> Run:
    run_id = new_id(now)
    return Run(
        id=run_id,
        tenant_id=old.tenant_id,
        door=old.door,
        state=RunState.RECEIVED,
        received_at=now,
        due_at=now,
        issue_id=old.issue_id,
        config=old.config,
        rule_hash=old.rule_hash,
        unverified_hint=old.unverified_hint,
        rule_id=old.rule_id,
        rule_name=old.rule_name,
        known_rule_id=old.known_rule_id,
        # Of the change that was confirmed before there can be no other.
        history_id=old.history_id or origin.history_id,
        token_hash=old.token_hash,
        call_hash=hashlib.sha256(b"replay\x00" + run_id.bytes).hexdigest(),
        depth=old.depth,
        caused_by=old.caused_by,
        replay_of=old.id,
    )


def _position(session: Session, old: Run, step_id: uuid.UUID | None) -> int | None:
    """Return the place in the rule of what is to be done again; None for all of it."""
    if step_id is None:
        return old.replayed_position
    step = session.scalar(
        sa.select(RunStep).where(
            RunStep.tenant_id == old.tenant_id,
            RunStep.run_id == old.id,
            RunStep.id == step_id,
        )
    )
    if step is None:
        raise NoSuchRunError(old.id)
    if step.role is not Role.STEP or step.config.get("do") != "deliver":
        raise NotReplayableError("only a delivery can be repeated by itself")
    if old.replayed_position is not None:
        return old.replayed_position
    return step.position


def _refuse_open(session: Session, old: Run) -> None:
    if old.state in _OPEN:
        raise NotReplayableError("this run is not over yet")
    if old.door is Door.WATCHDOG:
        raise NotReplayableError("no call of Jira's led to this run")
    if old.state not in REPLAYABLE:
        raise NotReplayableError("this run did nothing that could be done again")
    others = sa.select(Run.id).where(
        Run.tenant_id == old.tenant_id,
        Run.replay_of == old.id,
        Run.state.in_(_OPEN),
    )
    if session.scalar(others.limit(1)) is not None:
        raise NotReplayableError("it is being carried out again already")
