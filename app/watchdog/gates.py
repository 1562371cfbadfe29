"""The gates that are watched, apart from the session that read them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import rules
from app.rules import Hold, KnownRule, Rule


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate as Jira has it now."""

    known_id: uuid.UUID
    rule: Rule
    hold: Hold
    config: str
    hash: str
    workflow: str
    transition_id: str
    transition: str
    since: datetime
    """Since when its hold is known to us (rule T12)."""
    is_stopped: bool
    """Whether the watchdog stopped for it, and waits for an admin."""

    @property
    def wait(self) -> timedelta:
        return self.hold.wait

    def may_lead_out_by(self, offered: Sequence[str]) -> bool:
        """Say whether Jira offers its failure transition, by name or id."""
        wanted = (self.rule.on_failure.transition or "").casefold()
        return wanted in {name.casefold() for name in offered}


def gate_of(known: KnownRule) -> Gate:
    """Return the gate of a known rule that has a hold."""
    rule = rules.parse(known.config)
    assert rule.hold is not None  # noqa: S101 -- `knowing.gates` asks for one
    return Gate(
        known_id=known.id,
        rule=rule,
        hold=rule.hold,
        config=known.config,
        hash=known.rule_hash,
        workflow=known.workflow,
        transition_id=known.transition_id,
        transition=known.transition_name,
        since=known.hold_since or known.last_seen_at,
        is_stopped=known.watch_stopped_at is not None,
    )
