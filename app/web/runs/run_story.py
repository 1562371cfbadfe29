"""One run from Jira's transition to its last step, as its page tells it."""

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import listeners, rules, runs, tracing
from app.audit import AuditEvent, Kind, Value
from app.db import least_id
from app.rules import InvalidRuleError
from app.runs import ListedRun, Role, RunState, WholeRun
from app.tenants import Door, Tenant
from app.web import naming
from app.web.naming import Names
from app.web.runs import run_words

_BIRTHS = (
    Kind.VERIFICATION_ACCEPTED,
    Kind.VERIFICATION_HELD,
    Kind.RUN_REPLAYED,
    Kind.TICKET_RESCUED,
)
"""What the audit says of a run's beginning; every run has one of them."""


@dataclass(frozen=True, kw_only=True)
class Birth:
    """What the audit keeps of how a run began."""

    actor: str
    facts: Mapping[str, Value]

    def moment(self, name: str) -> datetime | None:
        """Return a moment that it kept, if it did."""
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(str(self.facts.get(name)))
        return None


@dataclass(frozen=True, kw_only=True)
class Story:
    run: WholeRun
    birth: Birth | None
    """None once the audit has forgotten it."""
    site: str
    """Where people see the site, for links."""
    names: Names
    listeners: Mapping[uuid.UUID, str]
    """What those are called that answered."""
    rule: str
    """What the rule does, in one sentence; empty if it cannot be read."""

    @property
    def is_open(self) -> bool:
        """Say whether something is still to happen by itself."""
        return self.run.state in runs.UNDER_WAY

    @property
    def is_rescue(self) -> bool:
        return self.run.door is Door.WATCHDOG

    @property
    def is_replay(self) -> bool:
        return self.run.replay_of is not None and not self.is_rescue

    @property
    def turned(self) -> bool:
        """Say whether it failed after it had begun, and turned to its failure steps."""
        has_turned = any(step.role is Role.ON_FAILURE for step in self.run.steps)
        return has_turned and not self.is_rescue

    @property
    def trace(self) -> str:
        """Return the trace that everything it sends belongs to."""
        return tracing.trace_of(self.run.id, self.run.unverified_hint)

    @property
    def is_trace_named(self) -> bool:
        """Say whether its call named that trace, which nothing proves."""
        return tracing.named_in(self.run.unverified_hint) is not None

    @property
    def took(self) -> str:
        """Say how long it took to the last step; nothing while one is still to come."""
        until = _last(self.run)
        if self.is_open or self.run.state is RunState.AMBIGUOUS or until is None:
            return ""
        return run_words.lasted(until - self._since)

    @property
    def took_from(self) -> str:
        """Say from when on that is counted."""
        if self.is_replay:
            return "since it was wanted again"
        changed = self.run.changed_at is not None
        return "since Jira's transition" if changed else "since Jira's call"

    @property
    def _since(self) -> datetime:
        # A replay comes days later: what it took then says nothing about us.
        changed_at = None if self.is_replay else self.run.changed_at
        return changed_at or self.run.received_at


def read(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Story:
    """Read it all at once; raise `NoSuchRunError` for what is not theirs (rule T5)."""
    run = runs.get(session, tenant_id, run_id)
    tenant = session.get_one(Tenant, tenant_id)
    names = naming.read(session, tenant_id)
    return Story(
        run=run,
        birth=_birth(session, tenant_id, run),
        site=tenant.display_url or tenant.base_url,
        names=names,
        listeners=_listeners(session, tenant_id, run),
        rule=_rule(run, names),
    )


def _listeners(
    session: Session, tenant_id: uuid.UUID, run: ListedRun
) -> Mapping[uuid.UUID, str]:
    """Return the names of who answered; a listener that was deleted has one, too."""
    answers = [answer for step in run.steps for answer in step.answers]
    wanted = {answer.listener_id for answer in answers if answer.listener_id}
    return listeners.named(session, tenant_id, wanted) if wanted else {}


def _last(run: ListedRun) -> datetime | None:
    """Return when the last step was settled; of a run without one, when it ended."""
    settled = [step.settled_at for step in run.steps if step.settled_at]
    return max(settled, default=run.finished_at)


def _rule(run: WholeRun, names: Names) -> str:
    try:
        return rules.describe(rules.parse(run.config), names.act)
    except InvalidRuleError:
        return ""


def _birth(session: Session, tenant_id: uuid.UUID, run: ListedRun) -> Birth | None:
    """Find the event of the run's own transaction: it has the same moment.

    Its text is canonical JSON in which every quote of a value is escaped, so that no
    value can pretend to be the run.
    """
    after = run.received_at + timedelta(milliseconds=1)
    row = session.scalar(
        sa.select(AuditEvent)
        .where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.kind.in_(_BIRTHS),
            AuditEvent.id >= least_id(run.received_at),
            AuditEvent.id < least_id(after),
            AuditEvent.detail.contains(f'"run":"{run.id}"', autoescape=True),
        )
        .limit(1)
    )
    return Birth(actor=row.actor, facts=row.facts) if row else None
