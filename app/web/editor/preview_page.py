"""What a preview tells: how conditions stand, and what each step would send."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.jira import Issue, StatusChange
from app.web.words import Shown

TRANSITION = "(this transition)"
"""Stands for the transition's name: only Jira's call says which one it was."""

HOLDS = Shown("Holds", "success")
HOLDS_NOT = Shown("Does not hold", "neutral")
UNDECIDED = Shown("Cannot be decided", "danger")
SENT = Shown("Would be sent", "success")
NOTHING = Shown("Nothing to do", "neutral")
FAILS = Shown("Would fail", "danger")
UNKNOWN = Shown("Cannot be known", "warning")


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    text: str
    shown: Shown
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class JudgedGroup:
    words: str
    rows: Sequence[JudgedRow]


@dataclass(frozen=True, kw_only=True)
class ShownRequest:
    """A request as it would be sent, but for what is made when it is sent."""

    line: str
    headers: Sequence[tuple[str, str]] = ()
    body: str


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """One step, and what would come of it."""

    act: str
    shown: Shown
    why: str = ""
    request: ShownRequest | None = None
    moves: bool = False
    """It moves the issue to another status."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One rule on one issue."""

    issue: Issue
    change: StatusChange
    groups: Sequence[JudgedGroup]
    acts: bool | None
    """Whether the conditions hold; None if they cannot be decided."""
    steps: Sequence[Foreseen]
    after: Sequence[Foreseen]
    """What follows once every step is done."""
    on_failure: Sequence[Foreseen]

    @property
    def fails(self) -> bool:
        """Say whether it would fail, as far as that can be known."""
        return self.acts is None or self._has(FAILS)

    @property
    def verdict(self) -> str:
        """Say in a sentence what would come of the rule."""
        if self.acts is None:
            return "The rule would fail: a condition cannot be decided."
        if not self.acts:
            return "The rule would do nothing: its conditions do not hold."
        if self._has(FAILS):
            return "The rule would fail at the step that is marked below."
        if self._has(UNKNOWN):
            return "The rule would begin; how it ends cannot be known before."
        return "The rule would be carried out."

    def _has(self, shown: Shown) -> bool:
        return any(step.shown == shown for step in (*self.steps, *self.after))
