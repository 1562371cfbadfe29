"""How often Jira is asked about a person (rule T10), whatever he asks of us (T13)."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.runtime import Runtime
from app.tokens.checks import Refused
from app.under_way import BusyError
from app.web.permissions import (
    ASKED_AT_ONCE,
    JIRA_ADMIN,
    SEES_ISSUE,
    Permissions,
    Person,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOCK = cast("Runtime", SimpleNamespace(now=lambda: NOON))
ADA = Person(tenant_id=uuid.UUID(int=1), account_id="ada")
DEE = Person(tenant_id=uuid.UUID(int=1), account_id="dee")


@dataclass
class Slow(Permissions):
    """Meets the next question while Jira has not answered the one before."""

    deepest: int = 0
    asked: int = 0
    answer: bool = True

    def _ask(self, person: Person, permission: str, issue_id: str) -> bool:
        self.asked += 1
        if self.asked < self.deepest:
            issue = str(self.asked)
            self.require(person, permission, live=False, issue_id=issue)
        elif self.asked == self.deepest:
            # Whoever else there is, is asked about all the same.
            self.require(DEE, permission, live=False, issue_id=issue_id)
        return self.answer


def test_t10_questions_about_one_person_leave_room_for_others() -> None:
    """Attack: ever other issues, while Jira is slow, until every thread waits."""
    some = Slow(CLOCK, deepest=ASKED_AT_ONCE)
    some.require(ADA, SEES_ISSUE, live=False, issue_id="0")
    assert some.asked == ASKED_AT_ONCE + 1

    many = Slow(CLOCK, deepest=ASKED_AT_ONCE + 1)
    with pytest.raises(BusyError):
        many.require(ADA, SEES_ISSUE, live=False, issue_id="0")
    # All places are free again.
    many.require(ADA, SEES_ISSUE, live=False, issue_id="0")


@pytest.mark.parametrize(("granted", "asked"), [(True, 3), (False, 1)])
def test_t10_only_a_yes_has_to_be_fresh(*, granted: bool, asked: int) -> None:
    """Attack: who may not change anything tries it, and Jira is asked each time."""
    of = Slow(CLOCK, answer=granted)
    for _ in range(3):
        try:
            of.require(ADA, JIRA_ADMIN, live=True)
        except Refused:
            assert not granted

    assert of.asked == asked


def test_what_is_asked_is_no_longer_remembered_once_it_is_answered() -> None:
    of = Slow(CLOCK)
    of.require(ADA, JIRA_ADMIN, live=True)

    assert cast("Any", of)._asking == {}  # noqa: SLF001 -- what it would grow by
