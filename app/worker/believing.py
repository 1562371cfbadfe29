"""From a recorded call to a run that is believed: confirmed, judged, planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import failing, rules, runs, tenants
from app.jira import Issue, Jira
from app.rules import InvalidRuleError, Rule
from app.rules.conditions import ConditionError, holds
from app.rules.inventory import Inventory
from app.runs import (
    Claim,
    Confirmation,
    Parent,
    PlannedStep,
    Role,
    RunState,
    StepClaim,
    Why,
)
from app.runtime import Runtime
from app.steps.base import RUN_PROPERTY
from app.worker import confirming
from app.worker.confirming import CREATED, Confirmed, UnconfirmedError
from app.worker.ending import end_in

BUDGET_PERIOD = timedelta(hours=1)


class GoneError(Exception):
    """The issue of a confirmed run is no longer there, or no longer shown to us."""


@dataclass(frozen=True, kw_only=True)
class Believed:
    """A confirmed run in hand."""

    rule: Rule
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
        return Believed(
            rule=rules.parse(self.claim.config),
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
        confirmed = confirming.confirm(self.jira, self.inventory, self.claim, taken)
        with self.runtime.sessions.begin() as session:
            parent = self._parent(session, confirmed)
            rule, problem = _read_rule(self.claim.config)
            self._note(session, confirmed, rule, parent)
            if (because := problem or _loop(parent)) is not None:
                end_in(session, self.runtime, self.claim, RunState.FAILED, because)
                return None
            assert rule is not None  # noqa: S101 -- `problem` says why it is not
            return self._begin(session, confirmed, rule)

    def _note(
        self,
        session: Session,
        confirmed: Confirmed,
        rule: Rule | None,
        parent: Parent | None,
    ) -> None:
        if 0 in self.jira.answered:
            tenants.prove(session, self.claim.tenant_id, now=self.runtime.now())
        confirmation = Confirmation(
            facts=confirmed.facts,
            history_id=confirmed.change.history_id,
            rule_id=rule.id if rule else None,
            rule_name=rule.name if rule else None,
            depth=parent.depth + 1 if parent else 0,
            caused_by=parent.run_id if parent else None,
        )
        runs.confirm(session, self.claim, confirmation, now=self.runtime.now())

    def _begin(
        self, session: Session, confirmed: Confirmed, rule: Rule
    ) -> Believed | None:
        try:
            if not holds(rule.when, confirmed.issue):
                end_in(session, self.runtime, self.claim, RunState.SKIPPED)
                return None
        except ConditionError as error:
            # A condition that errors is a failure, not a skip (docs/design.md).
            return self._fail_in(
                session, confirmed, rule, (Why.CONDITION_ERROR, str(error))
            )
        planned = [
            PlannedStep(role=Role.STEP, config=step.model_dump(mode="json"))
            for step in rule.steps
        ]
        now = self.runtime.now()
        steps = runs.plan_steps(
            session, self.claim, (*planned, *failing.after_success(rule)), now=now
        )
        return self._believed(confirmed, rule, RunState.RUNNING, steps)

    def _fail_in(
        self,
        session: Session,
        confirmed: Confirmed,
        rule: Rule,
        stop: tuple[Why, str],
    ) -> Believed:
        why, message = stop
        now = self.runtime.now()
        follow_ups = failing.after_failure(
            rule, confirmed.issue, run_id=self.claim.run_id, failed=message
        )
        steps = runs.plan_steps(session, self.claim, follow_ups, now=now)
        runs.change_state(
            session, self.claim, RunState.FAILING, why=why, message=message, now=now
        )
        return self._believed(confirmed, rule, RunState.FAILING, steps)

    def _believed(
        self,
        confirmed: Confirmed,
        rule: Rule,
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
            changed_at=change.at or self.claim.received_at,
        )

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


def _read_rule(config: str) -> tuple[Rule | None, tuple[Why, str] | None]:
    try:
        return rules.parse(config), None
    except InvalidRuleError as error:
        return None, (Why.BROKEN_RULE, str(error))
