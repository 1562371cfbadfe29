"""Makes the run that moves a held ticket to where its rule fails."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit, failing, runs
from app.db import insert_once, new_id
from app.jira import CREATED
from app.runs import Parent, PlannedStep, Run, RunState, RunStep, StepState, Why
from app.steps.base import RUN_PROPERTY
from app.tenants import Door
from app.watchdog.gates import Gate
from app.watchdog.held import Held
from app.watchdog.judging import Judgement

_WORDS = {
    Why.NEVER_HEARD: "Jira's call about it never came, or could not be believed",
    Why.DEADLINE: "it was not done by the deadline of its hold",
    Why.LOOP: "rules of this site keep setting each other off",
}


@dataclass(frozen=True, kw_only=True)
class Rescue:
    """One held issue whose time is over, and the gate whose ticket it is."""

    tenant_id: uuid.UUID
    gate: Gate
    held: Held
    judgement: Judgement

    def record(self, session: Session, *, now: datetime) -> uuid.UUID | None:
        """Record the run, failing from birth; an ordinary worker carries it out.

        None if it was recorded before. As it stands for the change, a genuine call
        that comes late finds it and is a duplicate.
        """
        parent = self._parent(session)
        why = Why.DEADLINE if self.judgement.was_heard_of else Why.NEVER_HEARD
        if _depth(parent) >= runs.MAX_DEPTH:
            why = Why.LOOP
        run_id = insert_once(session, Run, self._values(why, parent, now=now))
        if run_id is None:
            return None
        if why is not Why.LOOP:
            self._plan(session, run_id, why, now=now)
        audit.record(
            session,
            self.tenant_id,
            "ticket-rescued",
            actor="countersign",
            now=now,
            run=str(run_id),
            issue=self.held.issue.key,
            rule=self.gate.rule.name,
            why=why,
        )
        return run_id

    def _values(
        self, why: Why, parent: Parent | None, *, now: datetime
    ) -> dict[str, Any]:
        gate, arrival = self.gate, self.held.arrival
        # It fails as any other run would, and then nothing is left to be done.
        is_loop = why is Why.LOOP
        return {
            "id": new_id(now),
            "tenant_id": self.tenant_id,
            "door": Door.WATCHDOG,
            "state": RunState.FAILED if is_loop else RunState.FAILING,
            "why": why,
            "message": _WORDS[why],
            "received_at": now,
            "due_at": None if is_loop else now,
            "finished_at": now if is_loop else None,
            "issue_id": self.held.issue.id,
            "config": gate.config,
            "rule_hash": gate.hash,
            "rule_id": gate.rule.id,
            "rule_name": gate.rule.name,
            "unverified_hint": {},
            "history_id": arrival.history_id,
            "known_rule_id": gate.known_id,
            "facts": self._facts(),
            "issue_key": self.held.issue.key,
            "changed_at": arrival.at,
            "token_hash": "",
            "call_hash": self._call_hash(),
            "depth": _depth(parent),
            "caused_by": parent.run_id if parent else None,
            "replay_of": self._first_run(),
        }

    def _facts(self) -> Mapping[str, Any]:
        """Return what Jira confirmed; workflow and transition are the rule's."""
        issue, arrival, gate = self.held.issue, self.held.arrival, self.gate
        return {
            "issue_key": issue.key,
            "project_id": issue.project_id,
            "project_key": issue.project_key,
            "workflow": gate.workflow,
            "transition_id": gate.transition_id,
            "transition": gate.transition,
            "from_id": arrival.from_id,
            "from": arrival.from_name,
            "to_id": arrival.to_id,
            "to": arrival.to_name,
            "actor": arrival.actor,
        }

    def _call_hash(self) -> str:
        """Stand for this rescue: two watchdogs at once record it once."""
        number = len(self.judgement.rescues)
        parts = (self.held.issue.id, self.held.arrival.history_id, self.gate.hash)
        return hashlib.sha256(f"watchdog {parts} {number}".encode()).hexdigest()

    def _first_run(self) -> uuid.UUID | None:
        """Return the run that stands for the change already, if one does."""
        for run in self.judgement.past:
            if run.is_first and run.rule_hash == self.gate.hash:
                return run.id
        return None

    def _plan(
        self, session: Session, run_id: uuid.UUID, why: Why, *, now: datetime
    ) -> None:
        planned = failing.after_failure(
            self.gate.rule, self.held.issue, run_id=run_id, failed=_WORDS[why]
        )
        session.add_all(
            _row(self.tenant_id, run_id, position, step, now=now)
            for position, step in enumerate(planned)
        )

    def _parent(self, session: Session) -> Parent | None:
        """Return the run that brought the issue into the hold, if one did (T12)."""
        issue, arrival = self.held.issue, self.held.arrival
        if arrival.history_id == CREATED:
            mark = issue.properties.get(RUN_PROPERTY)
            named = str(mark.get("run", "")) if isinstance(mark, dict) else ""
            return runs.parent_by_creation(session, self.tenant_id, named)
        return runs.parent_by_transition(
            session,
            self.tenant_id,
            issue_id=issue.id,
            to_status=arrival.to_id,
            changed_at=arrival.at,
        )


def _depth(parent: Parent | None) -> int:
    return parent.depth + 1 if parent else 0


def _row(
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    position: int,
    step: PlannedStep,
    *,
    now: datetime,
) -> RunStep:
    return RunStep(
        id=new_id(now),
        tenant_id=tenant_id,
        run_id=run_id,
        role=step.role,
        position=position,
        state=StepState.PENDING,
        config=step.config,
        tries=0,
    )
