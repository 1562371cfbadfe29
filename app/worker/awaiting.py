"""What becomes of a delivery once it has left us: done, awaited, or in doubt.

No thread is held while a rule waits: its run rests, and is due when an answer comes,
when the receiver is to be asked, or when the time is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import destinations, keys, runs
from app.destinations import (
    AnyTarget,
    Connector,
    Destination,
    DestinationHealth,
    DestinationState,
    Finding,
    Judged,
    Line,
    NotNowError,
    Sight,
    Verdict,
    connector_of,
)
from app.runs import (
    AttemptOutcome,
    Awaited,
    Claim,
    Result,
    StepClaim,
    StepState,
    Why,
)
from app.runtime import Runtime
from app.steps.deliver import Deliver
from app.worker import hearing
from app.worker.ending import DONE, OPEN, WAITS, End, refuse_if_gone, rest_ambiguous
from app.worker.retrying import LOOKS

SOONEST, LATEST = timedelta(seconds=10), timedelta(minutes=2)
"""Between two questions how it ended; the longer it takes, the longer it may take."""

UNKNOWN = "whether it came is not known"
IN_DOUBT = "nobody can tell whether the receiver took it: look there, then say"

_Asked = tuple[Connector[Any, Any], AnyTarget]


@dataclass(frozen=True, kw_only=True)
class Awaiting:
    """One delivery that has left us."""

    runtime: Runtime
    claim: Claim
    row: StepClaim
    step: Deliver
    deadline: datetime | None
    """When the issue's hold is over, if it is held."""
    line: Line

    def carry_out(self) -> End:
        """Settle it by its answer; or ask the receiver, wait on, or give it up."""
        with self.runtime.sessions.begin() as session:
            refuse_if_gone(session, self.claim)
            if (end := self.heard(session)) is not None:
                return end
            if self.runtime.now() >= self._due:
                failure = f"no answer came{self.step.within()}"
                return End(failure=failure, missing=self.step.destination_id)
            asked = self._whom_to_ask(session)
        wait, seen, found = self._ask(asked)
        with self.runtime.sessions.begin() as session:
            if (end := self.heard(session)) is not None:
                return end
            if seen is not None:
                self._note(session, seen.reference, seen.url)
            if found is not None:
                return self._found(session, found)
            return self._rest(session, polls=asked is not None, wait=wait)

    def heard(self, session: Session) -> End | None:
        """Settle it by what was said of it, if anything was; hold it meanwhile."""
        if self.step.patience is None:
            return None
        return hearing.heard(session, self.claim, self.row, now=self.runtime.now())

    def through(self, session: Session, judged: Judged) -> End:
        """Note that the receiver took it: done, unless the rule waits for more."""
        if self.step.patience is not None:
            return self._wait(session, judged.words, judged.reference, judged.url)
        self._settle(session, StepState.DONE, judged.words)
        self._note(session, judged.reference, judged.url)
        return DONE

    def in_doubt(
        self, session: Session, connector: Connector[Any, Any], words: str
    ) -> End:
        """Do about an attempt without a clear answer what starts nothing twice."""
        if self.step.patience is not None:
            return self._wait(session, words)
        if not connector.looks:
            return self.ask_a_person(session)
        return self._look_later(session, LOOKS[0])

    def look(self) -> End | None:
        """Look for an attempt that was begun; None if that is not how to go on."""
        with self.runtime.sessions.begin() as session:
            refuse_if_gone(session, self.claim)
            if not self._is_unclear(session):
                return None
            if (end := self.heard(session)) is not None:
                return end
            asked = self._whom_to_ask(session)
            if asked is None or not asked[0].can_look(asked[1].settings):
                is_awaited = self.step.patience is not None
                return self._wait(session, UNKNOWN) if is_awaited else None
        seen = self._seen(asked)
        with self.runtime.sessions.begin() as session:
            return self.heard(session) or self._after_look(session, seen)

    def _is_unclear(self, session: Session) -> bool:
        """Say whether the last attempt may have come, and must not just be repeated."""
        last = runs.last_attempt(session, self.claim, self.row)
        if last.outcome is not AttemptOutcome.UNKNOWN:
            return False
        row = self._destination(session)
        return row is None or not row.honours_delivery_id

    def _after_look(self, session: Session, seen: Sight | None) -> End:
        if seen is None:
            return self._undecided(session)
        judged = Judged(
            verdict=Verdict.ACCEPTED,
            words="it was found at the receiver",
            reference=seen.reference,
            url=seen.url,
        )
        return self.through(session, judged)

    def ask_a_person(self, session: Session) -> End:
        """Rest until somebody says whether it came, unless an answer has."""
        if (end := self.heard(session)) is not None:
            return end
        now = self.runtime.now()
        rest_ambiguous(session, self.claim, self.row, IN_DOUBT, now=now)
        return OPEN

    def due_from(self, now: datetime) -> datetime | None:
        """Return until when an answer counts to what is sent now; None if nobody waits.

        A hold that is over is not outwaited: its issue is moved on then.
        """
        if self.step.patience is None:
            return None
        due = now + self.step.patience
        return min(due, self.deadline or due)

    def _undecided(self, session: Session) -> End:
        if self.step.patience is not None:
            return self._wait(session, UNKNOWN)
        if self.claim.tries > len(LOOKS):
            return self.ask_a_person(session)
        return self._look_later(session, LOOKS[max(self.claim.tries, 1) - 1])

    def _look_later(self, session: Session, wait: timedelta) -> End:
        until = self.runtime.now() + wait
        message = "looking whether the last try came"
        runs.rest(session, self.claim, until=until, message=message)
        return OPEN

    @property
    def _due(self) -> datetime:
        due = self.row.answer_due_at
        assert due is not None  # noqa: S101 -- a step that waits knows until when
        return due

    def _wait(
        self, session: Session, words: str, reference: str = "", url: str = ""
    ) -> End:
        now = self.runtime.now()
        until = self.due_from(now)
        assert until is not None  # noqa: S101 -- who asks has seen to it
        awaited = Awaited(until=until, message=words, reference=reference, url=url)
        runs.await_answer(session, self.claim, self.row, awaited)
        self._rest_until(session, min(until, now + SOONEST))
        return WAITS

    def _rest(self, session: Session, *, polls: bool, wait: timedelta) -> End:
        now, until = self.runtime.now(), self._due
        if polls:
            patience = self.step.patience or LATEST
            passed = max(now - (until - patience), timedelta(0))
            pause = max(min(max(passed / 4, SOONEST), LATEST), wait)
            until = min(until, now + pause)
        self._rest_until(session, until)
        return OPEN

    def _rest_until(self, session: Session, until: datetime) -> None:
        runs.rest(
            session,
            self.claim,
            until=until,
            message="waiting for the receiver's answer",
            is_progress=True,
            why=Why.AWAITS_ANSWER,
        )

    def _destination(self, session: Session) -> Destination | None:
        return destinations.find(
            session, self.claim.tenant_id, self.step.destination_id
        )

    def _whom_to_ask(self, session: Session) -> _Asked | None:
        """Return the receiver, if it can be asked, and may be just now."""
        row, now = self._destination(session), self.runtime.now()
        if row is None or row.state is not DestinationState.ACTIVE:
            return None
        health = session.get_one(DestinationHealth, row.id)
        if health.open_until is not None and health.open_until > now:
            return None  # it is left alone for a while, by questions as well
        connector = connector_of(row.kind)
        if not (connector.polls or connector.looks):
            return None
        try:
            target = destinations.open_target(
                session, self.runtime.keyring, row, now=now
            )
        except keys.NoKeyError:
            return None
        return connector, target

    def _ask(
        self, asked: _Asked | None
    ) -> tuple[timedelta, Sight | None, Finding | None]:
        """Ask how it ended; first for its name, if that is not known."""
        seen, reference = None, self.row.reference
        if asked is None:
            return timedelta(0), None, None
        connector, target = asked
        try:
            if reference is None and connector.can_look(target.settings):
                seen = connector.look(target, self.row.id, self.line)
                reference = seen.reference if seen else None
            if reference is None or not connector.can_poll(target.settings):
                return timedelta(0), seen, None
            found = connector.poll(target, reference, self.line)
        except NotNowError as error:
            return error.wait, seen, None
        return timedelta(0), seen, found

    def _seen(self, asked: _Asked) -> Sight | None:
        connector, target = asked
        try:
            return connector.look(target, self.row.id, self.line)
        except NotNowError:
            return None

    def _found(self, session: Session, found: Finding) -> End:
        result = Result.SUCCEEDED if found.succeeded else Result.FAILED
        said = (result, found.words, found.url)
        runs.note_found(session, self.claim, self.row, said, now=self.runtime.now())
        if result is Result.FAILED:
            return End(failure=found.words)
        self._settle(session, StepState.DONE, found.words)
        return DONE

    def _note(self, session: Session, reference: str, url: str) -> None:
        runs.note_reference(session, self.claim, self.row, reference, url)

    def _settle(self, session: Session, state: StepState, message: str) -> None:
        now = self.runtime.now()
        runs.settle_step(
            session, self.claim, self.row, state=state, message=message, now=now
        )
