"""Carries one claimed run as far as it goes: believed, step by step, ended."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from app import failing, runs, tenants
from app.destinations import Line
from app.http import SendError
from app.jira import Jira, JiraError, Standing, TokenRefusedError
from app.rules import InvalidRuleError
from app.rules.inventory import Inventory, InventoryBusyError
from app.runs import Claim, Role, RunState, StepClaim, StepState, Why
from app.runtime import Runtime
from app.worker import following
from app.worker.believing import Believed, Believing, GoneError
from app.worker.confirming import SameChangeError, UnconfirmedError
from app.worker.doors import Doors
from app.worker.ending import End, end_in
from app.worker.hearing import last_word
from app.worker.in_hand import StoppingError
from app.worker.retrying import TOKEN_WAIT, retry_time
from app.worker.stepping import Stepping, title_of

MAX_TRIES = 8
"""Claims without progress after which a run ends: it may be what kills its workers."""

LONGEST_SILENCE = timedelta(days=7)
"""How long Forge may say nothing before runs that wait for its token end: the app may
have been removed."""

NOWHERE = (Why.CANNOT_TELL, "it got nowhere, time after time")

_ENDINGS = (UnconfirmedError, SameChangeError, InvalidRuleError, GoneError)


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """One claim, from where it stood to where it can rest or end."""

    runtime: Runtime
    inventory: Inventory
    doors: Doors
    claim: Claim
    stop: threading.Event
    jira: Jira
    line: Line

    def carry_out(self) -> None:
        """Do what can be done now; raise `runs.LostClaimError` if another has it.

        Raise `StoppingError` before the next step if the process is to end.
        """
        if self.jira.standing is not Standing.READY:
            return self._do_without_jira()
        stuck = self.claim.tries > MAX_TRIES
        believed_before = self.claim.state is RunState.RUNNING
        # One claim more, to say so on the ticket; if that comes to nothing, the end.
        if stuck and not (believed_before and self.claim.tries == MAX_TRIES + 1):
            return self._end(RunState.FAILED, NOWHERE)
        try:
            self.doors.enter(self.runtime, self.claim.tenant_id, self.jira)
            believing = Believing(
                runtime=self.runtime,
                inventory=self.inventory,
                claim=self.claim,
                jira=self.jira,
            )
            believed = believing.believe()
        except (JiraError, SendError) as error:
            return self._wait_for_jira(error)
        except (InventoryBusyError, IntegrityError) as error:
            # IntegrityError: another call for the same change was confirmed in the
            # same moment. Ask again, now that its change counts as taken.
            wait = getattr(error, "wait", timedelta(0))
            return self._rest(self.runtime.now() + wait, "Jira is asked again")
        except _ENDINGS as error:
            return self._end(*_ending(error))
        if believed and stuck:
            believed = self._give_up(believed)
        return self._carry_steps(believed) if believed else None

    def _give_up(self, believed: Believed) -> Believed:
        """Turn a run that gets nowhere to what its rule does on failure: no silence."""
        why, message = NOWHERE
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            follow_ups = failing.after_failure(
                believed.rule, believed.issue, run_id=self.claim.run_id, failed=message
            )
            told = following.at_failure(session, self.claim)
            planned = runs.plan_steps(
                session, self.claim, (*follow_ups, *told), now=now
            )
            state = RunState.FAILING
            runs.change_state(
                session, self.claim, state, why=why, message=message, now=now
            )
        return replace(believed, state=state, steps=planned)

    def _do_without_jira(self) -> None:
        if self.jira.standing is Standing.WAITING:
            self._wait_for_token()
        else:
            self.end_without_tenant()

    def end_without_tenant(self) -> None:
        """End a run whose site left while it was under way."""
        self._end(RunState.FAILED, (Why.TENANT_GONE, "the site left us"))

    def _carry_steps(self, believed: Believed) -> None:
        # What was settled since the claim starts its tries anew, as in the table.
        fresh = replace(self.claim, tries=1)
        stepping = Stepping(
            runtime=self.runtime,
            claim=fresh if self.claim.facts is None else self.claim,
            jira=self.jira,
            issue=believed.issue,
            rule=believed.rule,
            facts=believed.facts,
            line=self.line,
        )
        state, steps = believed.state, list(believed.steps)
        while step := _next(state, steps):
            if self.stop.is_set():
                raise StoppingError
            steps.remove(step)
            end = stepping.carry_out(step)
            if end.is_open:
                return
            stepping = replace(stepping, claim=fresh)
            if end.failure is not None and state is RunState.RUNNING:
                follow_ups = self._turn_to_failure(believed, step, end)
                if follow_ups is not None:
                    state, steps = RunState.FAILING, list(follow_ups)
        ended = RunState.SUCCEEDED if state is RunState.RUNNING else RunState.FAILED
        self._end(ended)

    def _turn_to_failure(
        self, believed: Believed, step: StepClaim, end: End
    ) -> Sequence[StepClaim] | None:
        """Settle what failed, and plan what the rule does about it, at once.

        Return None if it did not fail: its answer came in the last moment.
        """
        now = self.runtime.now()
        part = f"step {step.position + 1} ({title_of(step)}) failed"
        with self.runtime.sessions.begin() as session:
            end = last_word(session, self.claim, step, end, now=now)
            if end.failure is None:
                return None
            follow_ups = failing.after_failure(
                believed.rule, believed.issue, run_id=self.claim.run_id, failed=part
            )
            runs.settle_step(
                session,
                self.claim,
                step,
                state=StepState.FAILED,
                message=end.failure,
                now=now,
            )
            told = following.at_failure(session, self.claim)
            planned = runs.plan_steps(
                session, self.claim, (*follow_ups, *told), now=now
            )
            runs.change_state(
                session,
                self.claim,
                RunState.FAILING,
                why=Why.STEP_FAILED,
                message=f"{part}: {end.failure}",
                now=now,
            )
        return planned

    def _wait_for_jira(self, error: JiraError | SendError) -> None:
        now = self.runtime.now()
        if isinstance(error, TokenRefusedError):
            return self._wait_for_token()
        if isinstance(error, JiraError) and error.refuses_us:
            with self.runtime.sessions.begin() as session:
                tenants.note_refusal(session, self.claim.tenant_id, str(error), now=now)
        at = retry_time(error, self.claim.tries, now=now)
        if at is None:
            refused = isinstance(error, JiraError)
            why = Why.JIRA_REFUSES_US if refused else Why.JIRA_UNREACHABLE
            return self._end(RunState.FAILED, (why, str(error)))
        return self._rest(at, str(error))

    def _wait_for_token(self) -> None:
        """Wait until Forge lends us a token again; nothing of the run is lost (T16)."""
        now, heard_at = self.runtime.now(), self.jira.heard_at
        words = Standing.WAITING.words
        if heard_at is not None and now - heard_at > LONGEST_SILENCE:
            return self._end(RunState.FAILED, (Why.JIRA_REFUSES_US, words))
        with self.runtime.sessions.begin() as session:
            runs.rest(
                session,
                self.claim,
                until=now + TOKEN_WAIT,
                message=words,
                is_progress=True,
                why=Why.AWAITS_TOKEN,
            )
        return None

    def _rest(self, until: datetime, message: str) -> None:
        with self.runtime.sessions.begin() as session:
            runs.rest(session, self.claim, until=until, message=message)

    def _end(self, state: RunState, because: tuple[Why, str] | None = None) -> None:
        with self.runtime.sessions.begin() as session:
            end_in(session, self.runtime, self.claim, state, because)


def _ending(
    error: UnconfirmedError | SameChangeError | InvalidRuleError | GoneError,
) -> tuple[RunState, tuple[Why, str]]:
    match error:
        case UnconfirmedError():
            return RunState.UNCONFIRMED, (error.why, str(error))
        case SameChangeError():
            return RunState.DUPLICATE, (Why.SAME_CHANGE, "")
        case GoneError():
            return RunState.FAILED, (Why.NO_SUCH_ISSUE, str(error))
        case InvalidRuleError():
            return RunState.FAILED, (Why.BROKEN_RULE, str(error))


def _next(state: RunState, steps: Sequence[StepClaim]) -> StepClaim | None:
    """Return the first step that is not settled, of the part the run is in."""
    failing_part = state is RunState.FAILING
    return next(
        (
            step
            for step in steps
            if (step.role is Role.ON_FAILURE) == failing_part
            and step.state in {StepState.PENDING, StepState.BEGUN, StepState.WAITING}
        ),
        None,
    )
