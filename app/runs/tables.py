"""What is stored of a run, its steps and their attempts."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.tenants import Door


class RunState(StrEnum):
    RECEIVED = "received"
    """Recorded at the door; nothing it says is believed yet."""
    RUNNING = "running"
    """Confirmed by Jira; its steps are being carried out."""
    FAILING = "failing"
    """A step failed; what the rule does on failure is being carried out."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The rule's conditions did not hold: nothing was to be done."""
    UNCONFIRMED = "unconfirmed"
    """Jira did not confirm what the unsigned body said: nothing was done."""
    DUPLICATE = "duplicate"
    """Another run carries out the same rule for the same change."""
    AMBIGUOUS = "ambiguous"
    """Nobody can tell whether a step happened: a person must say."""


class StepState(StrEnum):
    PENDING = "pending"
    BEGUN = "begun"
    """Its call may be under way, done or lost: look before repeating it."""
    WAITING = "waiting"
    """A delivery that is through, or may be: it is done once an answer says so."""
    DONE = "done"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"


class Role(StrEnum):
    """Why a step is part of the run; also the order of the parts."""

    STEP = "step"
    ON_SUCCESS = "on-success"
    ON_FAILURE = "on-failure"


class AttemptOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """The answer says that it did not happen and will not."""
    RETRY = "retry"
    """The answer says that it did not happen this time."""
    UNKNOWN = "unknown"
    """There was no answer, or one that says nothing."""


class Why(StrEnum):
    """Why a run ended as it did, or rests; `message` says it to people."""

    BROKEN_RULE = "broken-rule"
    CONDITION_ERROR = "condition-error"
    STEP_FAILED = "step-failed"
    LOOP = "loop"
    OVER_BUDGET = "over-budget"
    NO_SUCH_ISSUE = "no-such-issue"
    NO_SUCH_CHANGE = "no-such-change"
    NO_SUCH_RULE = "no-such-rule"
    SAME_CHANGE = "same-change"
    JIRA_REFUSES_US = "jira-refuses-us"
    JIRA_UNREACHABLE = "jira-unreachable"
    TENANT_GONE = "tenant-gone"
    CANNOT_TELL = "cannot-tell"
    AWAITS_TOKEN = "awaits-token"  # noqa: S105 -- a reason, not a token
    AWAITS_ANSWER = "awaits-answer"
    AWAITS_PROOF = "awaits-proof"
    SECRET_DROPPED = "secret-dropped"  # noqa: S105 -- a reason, not a secret
    PAUSED = "paused"
    WRONG_HOLD = "wrong-hold"
    NEVER_HEARD = "never-heard"
    DEADLINE = "deadline"
    RESTORED = "restored"


def _partial(*columns: str) -> sa.Index:
    """Return an index over the rows that have the second column at all."""
    named = sa.text(f"{columns[1]} IS NOT NULL")
    return sa.Index(None, *columns, sqlite_where=named, postgresql_where=named)


class Run(Base):
    """A rule to carry out for one change of one issue, and how far that got."""

    __tablename__ = "run"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    door: Mapped[Door]
    state: Mapped[RunState]
    why: Mapped[Why | None]
    message: Mapped[str | None]
    received_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When a worker may take it: at once, or after a back-off. Empty once finished, and
    while it is stored until the secret that signed its call is proven (rule T4)."""
    candidate_id: Mapped[uuid.UUID | None]
    """Which secret signed its call, if that was still to be proven when it came."""
    lease_until: Mapped[datetime | None]
    """Until when it is in one worker's hands."""
    fence: Mapped[int] = mapped_column(default=0)
    """Counts claims; a worker that overslept its lease settles nothing."""
    tries: Mapped[int] = mapped_column(default=0)
    """Claims since something was settled last; a run that gets nowhere ends."""

    issue_id: Mapped[str]
    """Unconfirmed until the run is; the only part of the body that we look up by."""
    config: Mapped[str] = mapped_column(deferred=True)
    """The rule as Jira sent it; later edits do not reach back."""
    rule_hash: Mapped[str]
    unverified_hint: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """What the body says of the transition: where to look, never what to believe."""

    rule_id: Mapped[str | None]
    rule_name: Mapped[str | None]
    known_rule_id: Mapped[uuid.UUID | None]
    """The rule at its place in the workflow, once Jira confirmed that it is there."""
    history_id: Mapped[str | None]
    """The entry of Jira's history that is the change; for a looped transition, which
    leaves none, what stands for the token that reported it."""
    facts: Mapped[dict[str, Any] | None]
    """What Jira confirmed: issue key, project, transition, statuses, actor."""
    issue_key: Mapped[str | None]
    """As it was when Jira confirmed it; people look for runs by it."""
    changed_at: Mapped[datetime | None]
    """When Jira's history says that the issue changed; a looped transition has none."""

    webhook_id: Mapped[str | None]
    token_hash: Mapped[str]
    call_hash: Mapped[str]
    depth: Mapped[int] = mapped_column(default=0)
    caused_by: Mapped[uuid.UUID | None]
    replay_of: Mapped[uuid.UUID | None]
    replayed_position: Mapped[int | None]
    """Of a replay: the one step that is carried out again; empty for all of them."""

    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "caused_by"], ["run.tenant_id", "run.id"]
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "replay_of"], ["run.tenant_id", "run.id"]
        ),
        sa.UniqueConstraint("tenant_id", "call_hash"),
        # An identifier of Jira's is unsigned, so it only ever *joins* what is equal.
        sa.UniqueConstraint("tenant_id", "webhook_id", "rule_hash"),
        sa.Index(
            "uq_run_tenant_id_issue_id_history_id_rule_hash",
            "tenant_id",
            "issue_id",
            "history_id",
            "rule_hash",
            unique=True,
            sqlite_where=sa.text("replay_of IS NULL AND history_id IS NOT NULL"),
            postgresql_where=sa.text("replay_of IS NULL AND history_id IS NOT NULL"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "known_rule_id"], ["known_rule.tenant_id", "known_rule.id"]
        ),
        # What people filter by; ids count upwards with time, so each is in order. Each
        # index is a page more that is written while Jira waits: a new run is in few.
        sa.Index(None, "tenant_id", "state", "id"),
        sa.Index(None, "tenant_id", "issue_id", "id"),
        _partial("tenant_id", "issue_key"),
        _partial("tenant_id", "finished_at"),
        _partial("tenant_id", "known_rule_id", "id"),
        # Few runs have these, and whoever deletes a run must find those that name it.
        _partial("tenant_id", "caused_by"),
        _partial("tenant_id", "replay_of"),
        _partial("tenant_id", "candidate_id"),
    )


class RunStep(Base):
    """One thing to do in a run, settled in a transaction of its own."""

    __tablename__ = "run_step"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """Also the delivery id: the same over all attempts."""
    tenant_id: Mapped[uuid.UUID]
    run_id: Mapped[uuid.UUID]
    role: Mapped[Role]
    position: Mapped[int]
    state: Mapped[StepState]
    config: Mapped[dict[str, Any]]
    """The step as the rule has it, `{"do": …}`."""
    act: Mapped[str | None]
    """The call that was decided, as JSON: what a look looks for."""
    key_place: Mapped[str | None]
    """What stands in `act` for the key of the answer, which nobody keeps (rule T17)."""
    tries: Mapped[int] = mapped_column(default=0)
    message: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    destination_id: Mapped[uuid.UUID | None]
    """Where it delivers to; by this, deliveries of one issue keep their order."""
    waiting_since: Mapped[datetime | None]
    """When a delivery was first to go, or since a person said that it did not arrive:
    its pace says how long it may go on trying."""
    answer_due_at: Mapped[datetime | None]
    """Of a delivery that waits: until when. Empty if nobody waits, or it did not go."""
    listener_id: Mapped[uuid.UUID | None]
    """Who alone may answer, as its destination said when it went (rule T17)."""
    reference: Mapped[str | None]
    """What the receiver calls what the delivery began."""
    reference_url: Mapped[str | None]

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"], ["run.tenant_id", "run.id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "listener_id"], ["listener.tenant_id", "listener.id"]
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destination.tenant_id", "destination.id"],
        ),
        sa.Index(None, "tenant_id", "destination_id", "run_id"),
        sa.UniqueConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "run_id", "role", "position"),
    )


class Attempt(Base):
    """One try at one step: begun before its call is sent, settled after its answer."""

    __tablename__ = "attempt"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    run_step_id: Mapped[uuid.UUID]
    begun_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None]
    """Empty while it is under way, and for ever if its worker was killed."""
    status: Mapped[int | None]
    """The HTTP status of the answer."""
    message: Mapped[str | None]
    issue_id: Mapped[str]
    to_status: Mapped[str | None]
    """The status that it moves the issue to: so we know our own echo (rule T12)."""
    duration_ms: Mapped[int | None]
    request_head: Mapped[str | None] = mapped_column(deferred=True)
    """Of a delivery: what was sent, without its credentials (rule T8)."""
    response_head: Mapped[str | None] = mapped_column(deferred=True)
    response_body: Mapped[str | None] = mapped_column(deferred=True)
    """The first 20 kB of what it answered, as text, without our credentials."""
    answer_key_hash: Mapped[str | None]
    """Of the key that went with it: who has that may say how it ended, once (T17)."""

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_step_id"],
            ["run_step.tenant_id", "run_step.id"],
            ondelete="CASCADE",
        ),
        sa.Index(None, "tenant_id", "run_step_id"),
        sa.Index(None, "tenant_id", "issue_id", "begun_at"),
        # By age, those that have something left to forget.
        sa.Index(
            "ix_attempt_tenant_id_id_exchange",
            "tenant_id",
            "id",
            sqlite_where=sa.text("request_head IS NOT NULL"),
            postgresql_where=sa.text("request_head IS NOT NULL"),
        ),
    )
