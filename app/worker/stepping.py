"""Carries out one step: look if it was begun, plan, note, send, settle."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import runs
from app.destinations import Line
from app.http import SendError
from app.jira import Issue, Jira, JiraError
from app.rules import Rule
from app.runs import (
    Answer,
    AttemptOutcome,
    Claim,
    Role,
    Sent,
    StepClaim,
    StepState,
    Why,
)
from app.runtime import Runtime
from app.steps import STEPS
from app.steps.base import Act, Context, JiraStep, Looked, StepError
from app.steps.deliver import Deliver
from app.steps.transition_issue import TransitionIssue
from app.steps.view import view
from app.worker import following
from app.worker.delivering import Delivering
from app.worker.ending import DONE, OPEN, End, refuse_if_gone, rest_ambiguous
from app.worker.retrying import LOOKS, excuse, may_pass, perhaps_done, retry_time

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """The steps of one confirmed run, each settled in a transaction of its own."""

    runtime: Runtime
    claim: Claim
    jira: Jira
    issue: Issue
    rule: Rule | None
    """None for a run that only says that its rule cannot be read."""
    facts: Mapping[str, Any]
    line: Line
    """What deliveries go out by."""

    def carry_out(self, row: StepClaim) -> End:
        """Carry the step to its end, or to where it has to wait.

        A failed step of the rule itself is not settled here: its caller does that in
        one transaction with what the rule does on failure.
        """
        try:
            step = STEPS[row.config["do"]].model_validate(dict(row.config))
        except (KeyError, ValidationError):
            # It was judged when its run was planned, by another version of us.
            return self._failed(row, "this version of Countersign does not know it")
        if isinstance(step, Deliver):
            return self._deliver(row, step)
        assert isinstance(step, JiraStep)  # noqa: S101 -- there are these two sorts
        return self._call(row, step)

    def _deliver(self, row: StepClaim, step: Deliver) -> End:
        if self.rule is None:
            # It could be read when the step was planned, by another version of us.
            return self._failed(row, "the rule cannot be read any more")
        delivering = Delivering(
            runtime=self.runtime,
            claim=self.claim,
            row=row,
            step=step,
            rule=self.rule,
            facts=self.facts,
            context=self._context(row),
            line=self.line,
        )
        end = delivering.carry_out()
        if end.waits:
            following.tell_in_progress(delivering)
        if not delivering.is_report or end.failure is None:
            return end
        with self.runtime.sessions.begin() as session:
            self._settle(session, row, StepState.FAILED, end.failure)
            following.note_failed(session, delivering, end.failure)
        return DONE

    def _call(self, row: StepClaim, step: JiraStep) -> End:
        try:
            context = self._context(row)
            if row.state is StepState.BEGUN and row.act is not None:
                looked = step.look(context, Act.from_json(row.act))
                if looked is not Looked.NOT_DONE:
                    return self._after_look(row, looked)
            left = self._has_left_hold(row, step, context)
            act = None if left else step.plan(context)
        except StepError as error:
            return self._failed(row, str(error))
        except (JiraError, SendError) as error:
            return self._wait(row, error)
        except Exception as error:
            # A fault of ours, or a value that nobody thought of. It fails this step,
            # visibly, and not the worker that carries everybody's runs.
            log.exception("run=%s step=%s", self.claim.run_id, row.id)
            return self._failed(row, f"a fault of Countersign: {type(error).__name__}")
        if act is None:
            why = "the issue had left the hold" if left else "nothing was left to do"
            return self._done(row, why)
        return self._send(row, step, context, act)

    def _has_left_hold(self, row: StepClaim, step: JiraStep, context: Context) -> bool:
        """Say whether somebody else moved the issue out of the hold: once is enough."""
        hold = self.rule.hold if self.rule else None
        if hold is None or row.role is Role.STEP:
            return False
        if not isinstance(step, TransitionIssue):
            return False
        return context.reread().status_id != hold.status

    def _send(self, row: StepClaim, step: JiraStep, context: Context, act: Act) -> End:
        attempt = self._begin(row, act)
        if isinstance(attempt, runs.Full):
            return self._rest(attempt.until, str(attempt), Why.ISSUE_LIMITED)
        error: JiraError | SendError | None = None
        answer = None
        try:
            answer = self.jira.call(act.method, act.path, body=act.body)
            if act.expects_answer and answer is None:
                raise SendError("the answer is empty", sent=True)  # noqa: TRY301
        except (JiraError, SendError) as caught:
            error = caught
        with self.runtime.sessions.begin() as session:
            runs.settle_attempt(
                session, self.claim, attempt, _answer(error), now=self.runtime.now()
            )
            if error is None:
                self._settle(session, row, StepState.DONE, step.made(answer))
            elif may_pass(error) and not perhaps_done(error):
                self._settle(session, row, StepState.PENDING, str(error))
        if error is None:
            return DONE
        if not may_pass(error):
            return self._failed(row, str(error))
        return self._wait(row, error, last=(step, context, act))

    def _begin(self, row: StepClaim, act: Act) -> uuid.UUID | runs.Full:
        """Note that the call is about to be sent, unless its issue has had too many."""
        now, sent = self.runtime.now(), Sent(act=act.to_json(), to_status=act.to_status)
        with self.runtime.sessions.begin() as session:
            refuse_if_gone(session, self.claim)
            full = runs.full(session, self.claim, now=now)
            if full is not None:
                return full
            return runs.begin_step(session, self.claim, row, sent, now=now)

    def _wait(
        self,
        row: StepClaim,
        error: JiraError | SendError,
        *,
        last: tuple[JiraStep, Context, Act] | None = None,
    ) -> End:
        """Rest until the next try; when there is none, look a last time and end."""
        at = retry_time(error, self.claim.tries, now=self.runtime.now())
        if at is not None:
            now, received_at = self.runtime.now(), self.claim.received_at
            return self._rest(at, str(error), excuse(error, received_at, now=now))
        if last is None or not perhaps_done(error):
            return self._failed(row, str(error))
        step, context, act = last
        try:
            looked = step.look(context, act)
        except (StepError, JiraError, SendError):
            looked = Looked.UNDECIDED
        match looked:
            case Looked.DONE:
                return self._done(row, "found done")
            case Looked.NOT_DONE:
                return self._failed(row, str(error))
            case Looked.UNDECIDED:
                return self._ambiguous(row)

    def _after_look(self, row: StepClaim, looked: Looked) -> End:
        if looked is Looked.DONE:
            return self._done(row, "found done")
        if self.claim.tries > len(LOOKS):
            return self._ambiguous(row)
        wait = LOOKS[max(self.claim.tries, 1) - 1]
        at = self.runtime.now() + wait
        return self._rest(at, "looking whether the last try had its effect")

    def _rest(self, until: datetime, message: str, excused: Why | None = None) -> End:
        with self.runtime.sessions.begin() as session:
            runs.rest(
                session,
                self.claim,
                until=until,
                message=message,
                is_progress=excused is not None,
                why=excused,
            )
        return OPEN

    def _done(self, row: StepClaim, message: str) -> End:
        with self.runtime.sessions.begin() as session:
            self._settle(session, row, StepState.DONE, message)
        return DONE

    def _failed(self, row: StepClaim, message: str) -> End:
        if row.role is Role.ON_FAILURE:
            with self.runtime.sessions.begin() as session:
                self._settle(session, row, StepState.FAILED, message)
        return End(failure=message)

    def _ambiguous(self, row: StepClaim) -> End:
        message = (
            f"nobody can tell whether step {row.position + 1} ({title_of(row)})"
            " had its effect: look in Jira, then say so here"
        )
        with self.runtime.sessions.begin() as session:
            now = self.runtime.now()
            rest_ambiguous(session, self.claim, row, message, now=now)
        return OPEN

    def _settle(
        self,
        session: Session,
        row: StepClaim,
        state: StepState,
        message: str | None = None,
    ) -> None:
        runs.settle_step(
            session,
            self.claim,
            row,
            state=state,
            message=message,
            now=self.runtime.now(),
        )

    def _context(self, row: StepClaim) -> Context:
        facts = self.facts
        transition = {
            "id": facts["transition_id"],
            "name": facts["transition"],
            "from": facts["from"],
            "to": facts["to"],
        }
        return Context(
            run_id=self.claim.run_id,
            step_id=row.id,
            issue=self.issue,
            view=view(
                self.issue,
                transition=transition,
                actor=facts["actor"],
                run={"id": str(self.claim.run_id)},
            ),
            actor=facts["actor"],
            jira=self.jira,
        )


def title_of(row: StepClaim) -> str:
    """Return what the editor calls the step."""
    known = STEPS.get(row.config["do"])
    return known.title if known else str(row.config["do"])


def _answer(error: JiraError | SendError | None) -> Answer:
    if error is None:
        return Answer(outcome=AttemptOutcome.DONE)
    if not may_pass(error):
        outcome = AttemptOutcome.REFUSED
    elif perhaps_done(error):
        outcome = AttemptOutcome.UNKNOWN
    else:
        outcome = AttemptOutcome.RETRY
    status = error.status if isinstance(error, JiraError) else None
    return Answer(outcome=outcome, status=status, message=str(error))
