"""What is kept of a rule beside Jira's copy: since when we know it, how it stands."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class KnownRule(Base):
    """A rule on one transition of one workflow, which Jira's inventory has or had.

    Its master copy stays in Jira. Workflows are copied, so its own id is not enough to
    know it by.
    """

    __tablename__ = "known_rule"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    rule_id: Mapped[str]
    workflow: Mapped[str]
    transition_id: Mapped[str]
    transition_name: Mapped[str]
    name: Mapped[str]
    rule_hash: Mapped[str]
    config: Mapped[str] = mapped_column(deferred=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    """When Jira's inventory had it no more; its row stays, for when it is back."""

    hold_status: Mapped[str | None]
    """The id of the status that holds the issue, if the rule is a gate."""
    hold_since: Mapped[datetime | None]
    """Since when we know this hold of it: tickets that were there before are not
    the rule's, so the watchdog leaves them alone (rule T12)."""

    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]

    watch_stopped_at: Mapped[datetime | None]
    """When the watchdog stopped for this rule, until an admin resumes it."""
    watch_stopped_because: Mapped[str | None]
    overdue: Mapped[int | None]
    """Tickets past their deadline that nobody is moving, at the last look."""

    sound_at: Mapped[datetime | None]
    """When the gate was last judged; empty if no issue was there to judge it by."""
    unsound_because: Mapped[str | None]

    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "rule_id", "workflow", "transition_id"),
        sa.UniqueConstraint("tenant_id", "id"),
    )
