"""What somebody who verified a history is told."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.checkpoints.findings import Finding
from app.checkpoints.statement import Statement

NAMED = 10
"""Findings that are named, the first ones; the others are counted."""


@dataclass(kw_only=True)
class Report:
    """What was looked at, and what is wrong."""

    tenant_id: uuid.UUID
    fingerprint: str = ""
    """Of the key that signs; empty while there is none."""
    newest: Statement | None = None
    checkpoints: int = 0
    events: int = 0
    pruned: int = 0
    """Checkpoints whose events went by age."""
    open: int = 0
    """Events that no checkpoint has yet."""
    findings: list[Finding] = field(default_factory=list)
    """Checkpoints, then events, in the order in which they happened; some of many."""
    count: int = 0
    """Of all findings."""
    is_whole: bool = False
    """Whether all of it was looked at."""
    since: datetime | None = None
    """Since when all was looked at, if not all of it was."""

    def note(self, *found: Finding) -> None:
        self.count += len(found)
        both = sorted([*self.findings, *found], key=lambda each: each.order)
        self.findings = both[:NAMED]

    def note_all(self, found: Iterable[Finding]) -> None:
        for each in found:
            self.note(each)
