"""Carries out one delivery: its turn, its token, its answer, and when to try again.

A delivery that left us and was not answered may have started a build. It is repeated
only where the receiver takes two deliveries with one id for one; else we look whether
it came, wait for its answer where the rule does, or a person says.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import destinations, keys, runs
from app.destinations import (
    Delivery,
    Destination,
    DestinationState,
    Exchange,
    Line,
    Progress,
    Verdict,
    Wait,
    connector_of,
)
from app.rules import Rule
from app.runs import AttemptOutcome, Claim, Role, StepClaim, StepState
from app.runtime import Runtime
from app.steps.base import Context, StepError
from app.steps.deliver import Deliver
from app.tenants import Tenant, preferences
from app.worker.awaiting import Awaiting
from app.worker.ending import OPEN, End, refuse_if_gone
from app.worker.sending import (
    Ready,
    answer_of,
    answer_to,
    is_idempotent,
    learn,
    measure,
    note_refusal,
    pack,
)

log = logging.getLogger(__name__)

PAUSED_CHECK = timedelta(seconds=60)
"""How often a delivery to a paused destination asks whether it may go."""

STATE = "state"
"""The input by which we say how a run ended (following.py); no designer's."""

TURN_CHECK = timedelta(seconds=5)
"""How often a delivery asks whether the one before it is through."""


@dataclass(frozen=True, kw_only=True)
class Delivering:
    """One `deliver` step of one confirmed run."""

    runtime: Runtime
    claim: Claim
    row: StepClaim
    step: Deliver
    rule: Rule
    facts: Mapping[str, Any]
    context: Context
    line: Line

    def carry_out(self) -> End:
        """Bring the delivery to its end, or to where it has to wait."""
        if (end := self._left()) is not None:
            with self.runtime.sessions.begin() as session:
                return self._ended(session, end)
        with self.runtime.sessions.begin() as session:
            ready = self._begin(session)
            if isinstance(ready, End):
                return self._ended(session, ready)
        came = ready.connector.send(ready.parcel.target, ready.parcel.signed, self.line)
        with self.runtime.sessions.begin() as session:
            return self._ended(session, self._settle(session, ready, came))

    def _left(self) -> End | None:
        """Do about an attempt that has left us what can be done; None if none has."""
        if self.row.state is StepState.WAITING:
            return self._awaiting.carry_out()
        return self._awaiting.look() if self.row.state is StepState.BEGUN else None

    @property
    def _awaiting(self) -> Awaiting:
        return Awaiting(
            runtime=self.runtime,
            claim=self.claim,
            row=self.row,
            step=self.step,
            deadline=self._deadline,
            line=self.line,
        )

    def _begin(self, session: Session) -> Ready | End:
        """Judge whether it may go, and now; if so, mint its token on the record."""
        refuse_if_gone(session, self.claim)
        if (end := self._awaiting.heard(session)) is not None:
            # An answer to an earlier attempt, come since this claim: send no other.
            return end
        destination = destinations.find(
            session, self.claim.tenant_id, self.step.destination_id
        )
        words = self.refusal(session, destination)
        if destination is None or words is not None:
            what = (self.claim, self.step.destination_id, words or "")
            note_refusal(session, *what, now=self.runtime.now())
            return self._stop(session, words or "")
        if (end := self._not_now(session, destination)) is not None:
            return end
        try:
            return self._mint(session, destination)
        except StepError as error:
            words = str(error)
        except keys.NoKeyError:
            words = "the destination has no key or secret to sign with"
        return self._stop(session, words)

    def _not_now(self, session: Session, destination: Destination) -> End | None:
        """Say how it ends or rests, if it may not go now."""
        if (end := self._after_last(session, destination)) is not None:
            return end
        if self._is_late(session, destination):
            # Also when no worker had time for it: a deployment hours late is harm.
            lately = self.claim.message or "no worker had time for it"
            return self._stop(session, f"it waited too long: {lately}")
        if (wait := self._wait(session, destination)) is not None:
            return self._rest(session, wait)
        return None

    def refusal(self, session: Session, destination: Destination | None) -> str | None:
        """Say why it may not go at all, if so (rule T7)."""
        # Attack: a rule of one project, let loose on an issue moved to another.
        if self.context.issue.project_id != self.facts["project_id"]:
            return "the issue was moved to another project meanwhile"
        return destinations.refusal(
            session,
            destination,
            project_id=self.context.issue.project_id,
            rule_hash=self.claim.rule_hash,
        )

    def _after_last(self, session: Session, destination: Destination) -> End | None:
        """Judge an attempt that was begun and whose worker did not come to settle."""
        if self.row.state is not StepState.BEGUN:
            return None
        last = runs.last_attempt(session, self.claim, self.row)
        if last.outcome is AttemptOutcome.REFUSED:
            return End(failure=last.message or "it was refused")
        if destination.honours_delivery_id:
            return None
        return self._awaiting.ask_a_person(session)

    def _wait(self, session: Session, destination: Destination) -> Wait | None:
        """Say until when it has to wait, for an admin, its turn, or the destination."""
        now = self.runtime.now()
        if destination.state is DestinationState.PAUSED:
            return Wait(until=now + PAUSED_CHECK, words="the destination is paused")
        if runs.is_behind(session, self.claim, destination.id):
            return Wait(
                until=now + TURN_CHECK,
                words="an earlier delivery for this issue is still under way",
            )
        health = destinations.locked(session, destination)
        return destinations.admit(health, destination, now=now)

    def _rest(self, session: Session, wait: Wait) -> End:
        until = min(wait.until, self._deadline or wait.until)
        runs.rest(
            session, self.claim, until=until, message=wait.words, is_progress=True
        )
        return OPEN

    def _mint(self, session: Session, destination: Destination) -> Ready:
        now = self.runtime.now()
        delivery = self._delivery(session, destination)
        parcel = pack(session, self.runtime, destination, delivery, self.row)
        destinations.note_mint(
            session, parcel.target, parcel.signed, actor="countersign", now=now
        )
        sent = replace(parcel.kept, answer_due_at=self._awaiting.due_from(now))
        if not self._keeps(session):
            sent = replace(sent, request_head=None)
        attempt_id = runs.begin_step(session, self.claim, self.row, sent, now=now)
        connector = connector_of(destination.kind)
        return Ready(parcel=parcel, connector=connector, attempt_id=attempt_id)

    def _delivery(self, session: Session, destination: Destination) -> Delivery:
        about = self.about(session, destination)
        if self.is_report:
            progress = Progress(self.step.inputs[STATE])
            shown_at = runs.shown_at(session, self.claim)
            return replace(about, progress=progress, shown_at=shown_at)
        inputs = {} if self.row.act else self.step.rendered(self.context)
        answer = None
        if self.step.patience is not None:
            answer = answer_to(self.runtime, destination)
        return replace(about, inputs=inputs, answer=answer)

    @property
    def is_report(self) -> bool:
        """Whether it is none of the rule's steps, but tells how the run ended."""
        return self.row.role is not Role.STEP

    def about(self, session: Session, destination: Destination) -> Delivery:
        """Return what is said to any destination of this run."""
        return Delivery(
            id=self.row.id,
            tenant_id=self.claim.tenant_id,
            destination_id=destination.id,
            project_id=self.context.issue.project_id,
            environment=destination.environment,
            at=self.claim.reported_at,
            run_id=self.claim.run_id,
            rule_id=self.rule.id,
            rule_name=self.rule.name,
            issue_id=self.claim.issue_id,
            facts=self.facts,
            replay_of=self.claim.replay_of,
            made_at=self.runtime.now(),
            site_url=session.get_one(Tenant, self.claim.tenant_id).site_url,
        )

    def _settle(self, session: Session, ready: Ready, came: Exchange) -> End:
        """Note the answer, what it says of the destination, and what comes next."""
        now, judged = self.runtime.now(), came.judged
        kept = answer_of(came, keeps=self._keeps(session))
        runs.settle_attempt(session, self.claim, ready.attempt_id, kept, now=now)
        measure(self.claim, ready.connector.kind, kept, now=now)
        destination = learn(
            session, self.step.destination_id, judged, now=self.runtime.now()
        )
        log.info("run=%s delivery=%s %s", self.claim.run_id, self.row.id, judged.words)
        if (end := self._awaiting.heard(session)) is not None:
            # It answered before our own request was: it came, whatever that says.
            return end
        if judged.verdict is Verdict.ACCEPTED:
            return self._awaiting.through(session, judged)
        if judged.verdict is Verdict.REJECTED:
            return End(failure=judged.words)
        if judged.verdict is Verdict.AMBIGUOUS and not destination.honours_delivery_id:
            return self._awaiting.in_doubt(session, ready.connector, judged.words)
        tries = self.row.tries + 1
        at = destinations.next_attempt(destination.pace, tries, judged, now=now)
        if at is None or self._is_late(session, destination, at=at):
            return self._stop(
                session, f"{judged.words}; it was tried for the last time"
            )
        pending, words = StepState.PENDING, judged.words
        runs.settle_step(
            session, self.claim, self.row, state=pending, message=words, now=now
        )
        runs.rest(session, self.claim, until=at, message=judged.words, is_progress=True)
        return OPEN

    @property
    def _deadline(self) -> datetime | None:
        """When a gate's issue has waited long enough for it; for a report, it has."""
        hold = None if self.is_report else self.rule.hold
        return self.claim.received_at + hold.wait if hold else None

    def _is_late(
        self, session: Session, destination: Destination, *, at: datetime | None = None
    ) -> bool:
        """Say whether its time is over, now or `at`."""
        now = self.runtime.now()
        if self._deadline is not None and (at or now) >= self._deadline:
            return True
        since = runs.note_waiting(session, self.claim, self.row, now=now)
        return (at or now) - since >= destinations.LONGEST[destination.pace]

    def _stop(self, session: Session, words: str) -> End:
        """End it for good: failed, unless one of its attempts may have got through."""
        where = (self.claim.tenant_id, self.step.destination_id)
        asks = not self.is_report and not is_idempotent(session, *where)
        if asks and runs.was_perhaps_done(session, self.claim, self.row):
            return self._awaiting.ask_a_person(session)
        if self._deadline is not None and self.runtime.now() >= self._deadline:
            words = f"the hold's deadline is over; {words}"
        return End(failure=words)

    def _keeps(self, session: Session) -> bool:
        return preferences.find(session, self.claim.tenant_id).keeps_exchanges

    def _ended(self, session: Session, end: End) -> End:
        if not end.is_open and not self._keeps(session):
            runs.forget_message(session, self.claim, self.row)
        return end
