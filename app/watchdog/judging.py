"""Whether a held issue is to be rescued, and by which rule, from our own tables."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs import AHEAD, Run, RunState
from app.tenants import Door
from app.watchdog.gates import Gate
from app.watchdog.held import Held

MOST_RESCUES = 3
"""Rescues of one issue in one stay; each waits a deadline for the one before it."""

_LIVE = frozenset({RunState.RECEIVED, RunState.RUNNING, RunState.FAILING})


class Verdict(StrEnum):
    RESCUE = "rescue"
    OVERDUE = "overdue"
    """Its time is over, and nobody is moving it."""
    LEAVE = "leave"


@dataclass(frozen=True, kw_only=True)
class Past:
    """The runs that stand for this stay of the issue in the hold."""

    id: uuid.UUID
    state: RunState
    door: Door
    rule_id: str | None
    rule_hash: str
    workflow: str | None
    """As the call said, once confirmed (docs/adr/0005)."""
    is_first: bool
    """Whether it holds the unique key of its change; others are replays of it."""
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    verdict: Verdict
    gate: Gate | None = None
    """Whose ticket it is; None if no rule of ours brought it there."""
    past: Sequence[Past] = ()

    @property
    def rescues(self) -> Sequence[Past]:
        return [run for run in self.past if run.door is Door.WATCHDOG]

    @property
    def workflow(self) -> str | None:
        """The issue's workflow, where a call of Jira's told it."""
        told = [run for run in self.past if run.door is not Door.WATCHDOG]
        return told[0].workflow if told else None

    @property
    def was_heard_of(self) -> bool:
        return len(self.past) > len(self.rescues)


def past(session: Session, tenant_id: uuid.UUID, held: Held) -> list[Past]:
    """Return the runs about this stay, those that Jira has not confirmed yet included.

    Such a one names no change yet; it may be about this one, so it counts.
    """
    arrival = held.arrival
    unconfirmed = sa.and_(
        Run.state == RunState.RECEIVED,
        Run.received_at >= arrival.at - AHEAD,
        # Attack: a call that an unproven secret signed keeps a ticket in its hold (T4).
        Run.due_at.is_not(None),
    )
    rows = session.scalars(
        sa.select(Run)
        .where(
            Run.tenant_id == tenant_id,
            Run.issue_id == held.issue.id,
            # One delivery carried out again moves no ticket, whatever comes of it.
            Run.replayed_position.is_(None),
            sa.or_(Run.history_id == arrival.history_id, unconfirmed),
        )
        .order_by(Run.id)
    )
    return [
        Past(
            id=row.id,
            state=row.state,
            door=row.door,
            rule_id=row.rule_id,
            rule_hash=row.rule_hash,
            workflow=row.facts["workflow"] if row.facts else None,
            is_first=row.replay_of is None and row.history_id is not None,
            finished_at=row.finished_at,
        )
        for row in rows
    ]


def judge(
    gates: Sequence[Gate],
    runs: Sequence[Past],
    held: Held,
    *,
    resumed_at: datetime | None,
    now: datetime,
) -> Judgement:
    """Judge one held issue; `gates` share its hold, the likeliest first.

    Jira tells neither the transition nor the workflow (docs/adr/0005). So whose ticket
    it is follows from the runs about it; without one, from `gates`, and then it gets
    the longest of their deadlines: too late is better than too early.
    """
    about = [run for run in runs if _is_of(run, gates)]
    gate, wait = _whose(gates, about, held)
    if gate is None or any(run.state in _LIVE for run in runs):
        # Of another rule, too: what that one does may be what the ticket waits for.
        return Judgement(verdict=Verdict.LEAVE, gate=gate, past=about)
    # After an outage of ours, calls that wait in Jira are given a deadline to come.
    since = max(held.arrival.at, resumed_at or held.arrival.at)
    verdict = Verdict.LEAVE
    if now - since >= wait:
        verdict = _overdue_or_rescue(gate, about, now=now)
    return Judgement(verdict=verdict, gate=gate, past=about)


def _overdue_or_rescue(gate: Gate, runs: Sequence[Past], *, now: datetime) -> Verdict:
    rescues = [run for run in runs if run.door is Door.WATCHDOG]
    succeeded = any(run.state is RunState.SUCCEEDED for run in runs)
    last = max((run.finished_at or now for run in rescues), default=None)
    waits = last is not None and now - last < gate.wait
    if gate.is_stopped or succeeded or waits or len(rescues) >= MOST_RESCUES:
        return Verdict.OVERDUE
    return Verdict.RESCUE


def _whose(
    gates: Sequence[Gate], runs: Sequence[Past], held: Held
) -> tuple[Gate | None, timedelta]:
    for run in runs:
        own = [gate for gate in gates if _is_of(run, [gate])]
        # A copied workflow has the same rule once more.
        own.sort(key=lambda gate: gate.workflow != run.workflow)
        return own[0], own[0].wait
    # Attack (T12): a status that was in use before becomes a hold, and every ticket in
    # it would fail at once. Only those that came after we first saw the rule are its.
    later = [gate for gate in gates if held.arrival.at >= gate.since]
    if not later:
        return None, timedelta(0)
    return later[0], max(gate.wait for gate in later)


def _is_of(run: Past, gates: Sequence[Gate]) -> bool:
    return any(
        run.rule_id == gate.rule.id or run.rule_hash == gate.hash for gate in gates
    )
