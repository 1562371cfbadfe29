"""From a recorded call to a run that is believed: confirmed, judged, planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import failing, listeners, rules, runs, tenants
from app.jira import CREATED, Issue, Jira
from app.listeners import Version
from app.rules import InvalidRuleError, OnFailure, Rule, Seen, knowing
from app.rules.conditions import ConditionError, holds
from app.rules.inventory import Inventory
from app.runs import (
    Claim,
    Confirmation,
    Parent,
    RunState,
    StepClaim,
    Why,
)
from app.runtime import Runtime
from app.steps.base import RUN_PROPERTY
from app.tenants import Door
from app.worker import confirming, following
from app.worker.confirming import Confirmed, SameChangeError, UnconfirmedError
from app.worker.ending import end_in
from app.worker.judging import judge_gate

BUDGET_PERIOD = timedelta(hours=1)


class GoneError(Exception):
    """The issue of a confirmed run is no longer there, or no longer shown to us."""


@dataclass(frozen=True, kw_only=True)
class Believed:
    """A confirmed run in hand."""

    rule: Rule | None
    """None if it cannot be read; then the run is failing, and says so on the ticket."""
    issue: Issue
    facts: Mapping[str, Any]
    state: RunState
    steps: Sequence[StepClaim]


@dataclass(frozen=True, kw_only=True)
class Believing:
    """One claim, and what it takes to believe it."""

    runtime: Runtime
    inventory: Inventory
    claim: Claim
    jira: Jira

    def believe(self) -> Believed | None:
        if self.claim.facts is None:
            return self._confirm()
        issue = self._read_again()
        is_failing = self.claim.state is RunState.FAILING
        config = self.claim.config
        return Believed(
            # What is left of a failing run was planned; it needs no rule.
            rule=_read_rule(config)[0] if is_failing else self._wanted(config),
            issue=issue,
            facts=self.claim.facts,
            state=self.claim.state,
            steps=self.claim.steps,
        )

    def _read_again(self) -> Issue:
        """Read the issue of a run that is believed already; it may be gone by now."""
        try:
            return confirming.read_issue(self.jira, self.claim.issue_id)
        except UnconfirmedError as error:
            raise GoneError(str(error)) from error

    def _confirm(self) -> Believed | None:
        """Confirm, judge the rule, and plan its steps, in one transaction."""
        with self.runtime.sessions.begin() as session:
            if self._is_over_budget(session):
                words = "the site had more runs in an hour than its budget"
                stop = (Why.OVER_BUDGET, words)
                end_in(session, self.runtime, self.claim, RunState.FAILED, stop)
                return None
            taken = runs.taken_changes(session, self.claim)
            own = self._own_rule(session)
        confirmed = confirming.confirm(
            self.jira, self.inventory, self.claim, taken, own
        )
        with self.runtime.sessions.begin() as session:
            parent = self._parent(session, confirmed)
            rule, problem = _read_rule(self.claim.config)
            self._note(session, confirmed, rule, parent)
            if (loop := _loop(parent)) is not None:
                end_in(session, self.runtime, self.claim, RunState.FAILED, loop)
                return None
            if problem is not None:
                return self._fail_in(session, confirmed, None, problem)
            assert rule is not None  # noqa: S101 -- `problem` says why it is not
            believed = self._begin(session, confirmed, rule)
        if believed and believed.state is RunState.RUNNING:
            judge_gate(self.runtime, self.jira, self.claim, confirmed.entry, rule)
        return believed

    def _own_rule(self, session: Session) -> Version | None:
        """Return the listener's rule that a call was recorded with, where one was."""
        named = self.claim.listener
        if named is None:
            return None
        tenant_id = self.claim.tenant_id
        return listeners.rules.find_version(session, tenant_id, *named)

    def _note(
        self,
        session: Session,
        confirmed: Confirmed,
        rule: Rule | None,
        parent: Parent | None,
    ) -> None:
        tenant_id, now = self.claim.tenant_id, self.runtime.now()
        tenants.note_answer(session, tenant_id, now=now)
        if 0 in self.jira.answered and self.jira.door is Door.CONNECT:
            tenants.prove(session, tenant_id, now=now)
        confirmation = Confirmation(
            facts=confirmed.facts,
            history_id=confirmed.change.history_id,
            changed_at=confirmed.change.at,
            rule_id=rule.id if rule else None,
            rule_name=rule.name if rule else None,
            depth=parent.depth + 1 if parent else 0,
            caused_by=parent.run_id if parent else None,
        )
        runs.confirm(session, self.claim, confirmation, now=self.runtime.now())
        if self.claim.replay_of is None or self.claim.history_id is not None:
            return
        if not runs.keep_change(session, self.claim, confirmation.history_id):
            raise SameChangeError

    def _begin(
        self, session: Session, confirmed: Confirmed, rule: Rule
    ) -> Believed | None:
        seen = Seen(entry=confirmed.entry, rule=rule)
        known = knowing.met(session, self.claim.tenant_id, seen, now=self.runtime.now())
        runs.note_rule(session, self.claim, known.id)
        if (wrong := _wrong_hold(confirmed, rule)) is not None:
            # Not held, so not moved either: a comment says what to repair.
            return self._fail_in(session, confirmed, _told(rule), wrong)
        rule = self._wanted(self.claim.config)
        if known.paused_at is not None:
            return self._stop_paused(session, confirmed, rule)
        try:
            if not holds(rule.when, confirmed.issue):
                end_in(session, self.runtime, self.claim, RunState.SKIPPED)
                return None
        except ConditionError as error:
            # A condition that errors is a failure, not a skip (docs/design.md).
            return self._fail_in(
                session, confirmed, rule, (Why.CONDITION_ERROR, str(error))
            )
        planned = following.planned(session, self.claim, rule)
        now = self.runtime.now()
        steps = runs.plan_steps(session, self.claim, planned, now=now)
        return self._believed(confirmed, rule, RunState.RUNNING, steps)

    def _stop_paused(
        self, session: Session, confirmed: Confirmed, rule: Rule
    ) -> Believed | None:
        """Do nothing for a paused rule, but never leave its ticket in a hold."""
        stop = (Why.PAUSED, "the rule is paused")
        if rule.hold is not None:
            return self._fail_in(session, confirmed, rule, stop)
        end_in(session, self.runtime, self.claim, RunState.SKIPPED, stop)
        return None

    def _fail_in(
        self,
        session: Session,
        confirmed: Confirmed,
        rule: Rule | None,
        stop: tuple[Why, str],
    ) -> Believed:
        why, message = stop
        now, issue, run_id = self.runtime.now(), confirmed.issue, self.claim.run_id
        if rule is None:
            transition = str(confirmed.facts["transition"])
            follow_ups = failing.after_broken_rule(
                issue, transition=transition, run_id=run_id, problem=message
            )
        else:
            follow_ups = failing.after_failure(
                rule, issue, run_id=run_id, failed=message
            )
        steps = runs.plan_steps(session, self.claim, follow_ups, now=now)
        runs.change_state(
            session, self.claim, RunState.FAILING, why=why, message=message, now=now
        )
        return self._believed(confirmed, rule, RunState.FAILING, steps)

    def _believed(
        self,
        confirmed: Confirmed,
        rule: Rule | None,
        state: RunState,
        steps: Sequence[StepClaim],
    ) -> Believed:
        return Believed(
            rule=rule,
            issue=confirmed.issue,
            facts=confirmed.facts,
            state=state,
            steps=steps,
        )

    def _parent(self, session: Session, confirmed: Confirmed) -> Parent | None:
        """Return the run whose act this change is the echo of (rule T12)."""
        if self.claim.history_id is not None:
            return self.claim.parent  # of a replay: as it was found the first time
        issue, change = confirmed.issue, confirmed.change
        if change.history_id == CREATED:
            mark = issue.properties.get(RUN_PROPERTY)
            named = str(mark.get("run", "")) if isinstance(mark, dict) else ""
            return runs.parent_by_creation(session, self.claim.tenant_id, named)
        return runs.parent_by_transition(
            session,
            self.claim.tenant_id,
            issue_id=issue.id,
            to_status=change.to_id,
            changed_at=change.at or self.claim.reported_at,
        )

    def _wanted(self, config: str) -> Rule:
        """Return the rule; of a replay of one delivery, what of it is wanted again."""
        rule, position = rules.parse(config), self.claim.replayed_position
        return rule if position is None else _only(rule, position)

    def _is_over_budget(self, session: Session) -> bool:
        """Say so before Jira is asked: a flood must not cost it anything either."""
        since = self.claim.received_at - BUDGET_PERIOD
        spent = runs.spent(session, self.claim.tenant_id, since=since)
        budget = self.runtime.settings.runs_per_hour
        # Counted apart: what Jira does not confirm takes nothing from the genuine
        # runs, until it alone is as much as the whole budget.
        return max(spent.believed, spent.unconfirmed) >= budget


def _loop(parent: Parent | None) -> tuple[Why, str] | None:
    if parent is None or parent.depth + 1 < runs.MAX_DEPTH:
        return None
    return Why.LOOP, "rules of this site keep setting each other off"


def _wrong_hold(confirmed: Confirmed, rule: Rule) -> tuple[Why, str] | None:
    """Say so if a gate's transition led elsewhere than into its hold."""
    to_id = confirmed.change.to_id
    if rule.hold is None or rule.hold.status == to_id:
        return None
    return Why.WRONG_HOLD, (
        f"the transition led to the status {to_id}, and the rule's hold is the status"
        f" {rule.hold.status}: nothing holds the issue"
    )


def _told(rule: Rule) -> Rule:
    """Return the rule as one that only comments when it fails."""
    failure = OnFailure(mode="report", comment=True)
    return rule.model_copy(update={"on_failure": failure})


def _only(rule: Rule, position: int) -> Rule:
    """Return the rule as one step of it, that a person wants again, needs it.

    The ticket moved on when the run ended: this step moves and tells it nothing.
    """
    return rule.model_copy(
        update={
            "steps": rule.steps[position : position + 1],
            "hold": None,
            "on_success": None,
            "on_failure": OnFailure(mode="report"),
        }
    )


def _read_rule(config: str) -> tuple[Rule | None, tuple[Why, str] | None]:
    try:
        return rules.parse(config), None
    except InvalidRuleError as error:
        return None, (Why.BROKEN_RULE, str(error))
