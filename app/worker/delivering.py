"""Carries out one delivery: its turn, its token, its answer, and when to try again.

A delivery that left us and was not answered may have started a build. It is repeated
only where the receiver takes two deliveries with one id for one; else a person says.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import audit, destinations, keys, runs
from app.destinations import (
    Delivery,
    Destination,
    DestinationState,
    Exchange,
    Judged,
    Signed,
    Verdict,
    Wait,
)
from app.rules import Rule
from app.runs import Answer, AttemptOutcome, Claim, Sent, StepClaim, StepState
from app.runtime import Runtime
from app.steps.base import Context, StepError
from app.steps.deliver import Deliver
from app.worker.ending import DONE, OPEN, End, refuse_if_gone, rest_ambiguous

log = logging.getLogger(__name__)

PAUSED_CHECK = timedelta(seconds=60)
"""How often a delivery to a paused destination asks whether it may go."""

TURN_CHECK = timedelta(seconds=5)
"""How often a delivery asks whether the one before it is through."""

_OUTCOMES = {
    Verdict.ACCEPTED: AttemptOutcome.DONE,
    Verdict.REJECTED: AttemptOutcome.REFUSED,
    Verdict.RETRY: AttemptOutcome.RETRY,
    Verdict.AMBIGUOUS: AttemptOutcome.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """An attempt that is written down and may be sent now."""

    signed: Signed
    attempt_id: uuid.UUID


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

    def carry_out(self) -> End:
        """Bring the delivery to its end, or to where it has to wait."""
        with self.runtime.sessions.begin() as session:
            ready = self._begin(session)
        if isinstance(ready, End):
            return ready
        came = destinations.exchange(
            self.runtime.http, ready.signed, now=self.runtime.now
        )
        with self.runtime.sessions.begin() as session:
            return self._settle(session, ready, came)

    def _begin(self, session: Session) -> _Ready | End:
        """Judge whether it may go, and now; if so, mint its token on the record."""
        refuse_if_gone(session, self.claim)
        destination = destinations.find(
            session, self.claim.tenant_id, self.step.destination_id
        )
        words = self._refusal(session, destination)
        if destination is None or words is not None:
            self._note_refusal(session, words or "")
            return self._stop(session, words or "")
        if (end := self._after_last(session, destination)) is not None:
            return end
        if self._is_late(session, destination):
            # Also when no worker had time for it: a deployment hours late is harm.
            lately = self.claim.message or "no worker had time for it"
            return self._stop(session, f"it waited too long: {lately}")
        if (wait := self._wait(session, destination)) is not None:
            return self._rest(session, wait)
        try:
            return self._mint(session, destination)
        except StepError as error:
            words = str(error)
        except keys.NoKeyError:
            words = "the destination has no key or secret to sign with"
        return self._stop(session, words)

    def _refusal(self, session: Session, destination: Destination | None) -> str | None:
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

    def _note_refusal(self, session: Session, words: str) -> None:
        """Leave a trace of a rule that reached for what it may not have (rule T7)."""
        audit.record(
            session,
            self.claim.tenant_id,
            "delivery-refused",
            actor="countersign",
            now=self.runtime.now(),
            run=str(self.claim.run_id),
            destination=str(self.step.destination_id),
            reason=words,
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
        return self._ambiguous(session)

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

    def _mint(self, session: Session, destination: Destination) -> _Ready:
        now, base_url = self.runtime.now(), self.runtime.settings.base_url
        delivery = self._delivery(destination)
        # Rendered once: every attempt carries the same bytes under the same id.
        body = (
            self.row.act or destinations.message(delivery, base_url=base_url).decode()
        )
        target = destinations.open_target(
            session, self.runtime.keyring, destination, now=now
        )
        signed = destinations.sign(
            target, delivery, body.encode(), base_url=base_url, now=now
        )
        destinations.note_mint(session, target, signed, actor="countersign", now=now)
        sent = Sent(act=body, request_head=signed.head)
        attempt_id = runs.begin_step(session, self.claim, self.row, sent, now=now)
        return _Ready(signed=signed, attempt_id=attempt_id)

    def _delivery(self, destination: Destination) -> Delivery:
        inputs = {} if self.row.act else self.step.rendered(self.context)
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
            inputs=inputs,
            replay_of=self.claim.replay_of,
        )

    def _settle(self, session: Session, ready: _Ready, came: Exchange) -> End:
        """Note the answer, what it says of the destination, and what comes next."""
        now, judged = self.runtime.now(), came.judged
        answer = _answer(came)
        runs.settle_attempt(session, self.claim, ready.attempt_id, answer, now=now)
        destination = self._learn(session, judged)
        log.info("run=%s delivery=%s %s", self.claim.run_id, self.row.id, judged.words)
        if judged.verdict is Verdict.ACCEPTED:
            self._settle_step(session, StepState.DONE, judged.words)
            return DONE
        if judged.verdict is Verdict.REJECTED:
            return End(failure=judged.words)
        if judged.verdict is Verdict.AMBIGUOUS and not destination.honours_delivery_id:
            return self._ambiguous(session)
        tries = self.row.tries + 1
        at = destinations.next_attempt(destination.pace, tries, judged, now=now)
        if at is None or self._is_late(session, destination, at=at):
            return self._stop(
                session, f"{judged.words}; it was tried for the last time"
            )
        self._settle_step(session, StepState.PENDING, judged.words)
        runs.rest(session, self.claim, until=at, message=judged.words, is_progress=True)
        return OPEN

    def _learn(self, session: Session, judged: Judged) -> Destination:
        """Let the destination's breaker know; disable it when it is hopeless."""
        now = self.runtime.now()
        destination = session.get_one(Destination, self.step.destination_id)
        health = destinations.locked(session, destination)
        turn = destinations.settle(health, judged, now=now)
        if turn.disabled_because and destination.state is DestinationState.ACTIVE:
            destinations.disable(session, destination, turn.disabled_because, now=now)
        if turn.recovered:
            audit.record(
                session,
                self.claim.tenant_id,
                "destination-recovered",
                actor="countersign",
                now=now,
                destination=str(destination.id),
            )
        return destination

    @property
    def _deadline(self) -> datetime | None:
        """When a gate's issue has waited long enough for it."""
        hold = self.rule.hold
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
        if runs.was_perhaps_done(session, self.claim, self.row):
            return self._ambiguous(session)
        if self._deadline is not None and self.runtime.now() >= self._deadline:
            words = f"the hold's deadline is over; {words}"
        return End(failure=words)

    def _ambiguous(self, session: Session) -> End:
        message = "nobody can tell whether the receiver took it: look there, then say"
        rest_ambiguous(session, self.claim, self.row, message, now=self.runtime.now())
        return OPEN

    def _settle_step(self, session: Session, state: StepState, message: str) -> None:
        runs.settle_step(
            session,
            self.claim,
            self.row,
            state=state,
            message=message,
            now=self.runtime.now(),
        )


def _answer(came: Exchange) -> Answer:
    return Answer(
        outcome=_OUTCOMES[came.judged.verdict],
        status=came.judged.status,
        message=came.judged.words,
        duration_ms=came.duration_ms,
        response_head=came.response_head,
        response_body=came.response_body,
    )
