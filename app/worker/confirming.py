"""Asks Jira whether what an unsigned body told us is so (rule T1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.jira import CREATED, Issue, Jira, JiraError, StatusChange, instant
from app.listeners import Version
from app.rules.inventory import Entry, Inventory, entry_of
from app.runs import AHEAD, Claim, Why
from app.steps.base import RUN_PROPERTY

OLDEST = timedelta(hours=1)
"""A change older than this at receipt is not what the call is about."""

BESIDE = timedelta(seconds=30)
"""How near another change must be to be what a second call alike is about."""

HISTORY_SIZE = 100
NOT_FOUND = 404


class UnconfirmedError(Exception):
    """Jira does not say what the body said. Nothing may be done for this call."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class SameChangeError(Exception):
    """Other runs of this rule already stand for every change that matches."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The change of status that the call is about, in Jira's own words."""

    history_id: str
    """The entry of Jira's history; a looped transition leaves none, so its token
    stands for it: one token is one such change."""
    at: datetime | None
    """When Jira says it happened; None for a looped transition."""
    from_id: str
    from_name: str
    to_id: str
    to_name: str
    actor: str | None


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What Jira said: the issue, the change, the rule. Only this is ever acted on."""

    issue: Issue
    change: Change
    entry: Entry

    @property
    def facts(self) -> dict[str, Any]:
        issue, change, entry = self.issue, self.change, self.entry
        return {
            "issue_key": issue.key,
            "project_id": issue.project_id,
            "project_key": issue.project_key,
            "workflow": entry.workflow,
            "transition_id": entry.transition_id,
            "transition": entry.transition_name,
            "from_id": change.from_id,
            "from": change.from_name,
            "to_id": change.to_id,
            "to": change.to_name,
            "actor": change.actor,
        }


def read_issue(jira: Jira, issue_id: str) -> Issue:
    """Read the issue by its number; raise `UnconfirmedError` if we may not see it."""
    try:
        issue = jira.issue(issue_id, properties=RUN_PROPERTY)
    except JiraError as error:
        if error.status != NOT_FOUND:
            raise
        raise UnconfirmedError(
            Why.NO_SUCH_ISSUE, "Jira shows us no issue with this number"
        ) from error
    if issue.id != issue_id:
        raise UnconfirmedError(Why.NO_SUCH_ISSUE, "Jira answered with another issue")
    return issue


def confirm(
    jira: Jira,
    inventory: Inventory,
    claim: Claim,
    taken: frozenset[str],
    own: Version | None = None,
) -> Confirmed:
    """Return what Jira confirms of the call; `taken` are changes of other runs.

    `own` is the version of a listener's rule that its call was recorded with, if it is
    still there.

    Attack: a designer, or who holds one captured token, posts a body of his own: an
    issue that never moved, a rule that no admin put into a workflow, an actor.
    """
    issue = read_issue(jira, claim.issue_id)
    hint = claim.unverified_hint
    change = find_change(issue, claim, taken)
    if claim.listener is not None:
        return _by_listener(issue, change, claim, own)
    for entry in inventory.find(
        claim.tenant_id,
        jira,
        workflow=str(hint["workflowName"]),
        text_hash=claim.rule_hash,
        received=claim.received_at,
        now=jira.now(),
    ):
        if entry.transition_id == hint["transitionId"]:
            return Confirmed(issue=issue, change=change, entry=entry)
    raise UnconfirmedError(
        Why.NO_SUCH_RULE, "this rule is in no published workflow on that transition"
    )


def _by_listener(
    issue: Issue, change: Change, claim: Claim, own: Version | None
) -> Confirmed:
    """Return what is confirmed of a rule that is ours, not Jira's, to keep.

    Attack: who can write the database swaps a run's rule before it is carried out. It
    has to be the listener's, at the version that the call was recorded with.
    """
    if own is None or own.rule_hash != claim.rule_hash:
        words = "the listener does not have this rule, or is there no more"
        raise UnconfirmedError(Why.NO_SUCH_RULE, words)
    into, wanted = change.to_name.casefold(), own.place.to_status.casefold()
    if into != wanted:
        words = f"the listener is for “{own.place.to_status}”, the change is not"
        raise UnconfirmedError(Why.NO_SUCH_CHANGE, words)
    return Confirmed(issue=issue, change=change, entry=entry_of(own))


def find_change(issue: Issue, claim: Claim, taken: frozenset[str]) -> Change:
    """Return the change that the hint points at; raise if Jira's history has none.

    That is the nearest one. Another is taken in its place only if it happened within
    seconds of the call: a retry of Jira's must not run the rule for an older change.
    """
    hint, received_at = claim.unverified_hint, claim.reported_at
    if not hint["from_status"]:
        found = _creation(issue, hint, received_at)
    elif hint["from_status"] == hint["to_status"]:
        found = _loop(issue, hint, claim.token_hash)
    else:
        found = _moves(issue, hint, received_at)
    if not found:
        said = f"“{hint['from_status']}” to “{hint['to_status']}”"
        raise UnconfirmedError(
            Why.NO_SUCH_CHANGE, f"the call said {said}, within the hour before it"
        )
    if claim.history_id is not None:
        return _same(found, claim.history_id)
    nearest, *others = found
    beside = [c for c in others if c.at and abs(c.at - received_at) <= BESIDE]
    for change in (nearest, *beside):
        if change.history_id not in taken:
            return change
    raise SameChangeError


def _same(found: Sequence[Change], history_id: str) -> Change:
    """Return the change that was confirmed before: a replay is about no other."""
    for change in found:
        if change.history_id == history_id:
            return change
    words = "Jira's history no longer has the change that was confirmed before"
    raise UnconfirmedError(Why.NO_SUCH_CHANGE, words)


def _moves(
    issue: Issue, hint: Mapping[str, Any], received_at: datetime
) -> list[Change]:
    since, until = received_at - OLDEST, received_at + AHEAD
    return [
        _change_of(entry)
        for entry in _nearest(issue.changes, received_at)
        if since <= entry.at <= until
        and entry.from_name == hint["from_status"]
        and entry.to_name == hint["to_status"]
    ]


def _nearest(
    changes: tuple[StatusChange, ...], received_at: datetime
) -> list[StatusChange]:
    """Order changes by how near they are: the newest before receipt comes first.

    Two transitions alike within seconds have a call each; each call must find its own.
    """
    return sorted(changes, key=lambda c: (c.at > received_at, abs(c.at - received_at)))


def _creation(
    issue: Issue, hint: Mapping[str, Any], received_at: datetime
) -> list[Change]:
    created = instant(issue.fields["created"])
    first = issue.changes[-1] if issue.changes else None
    complete = len(issue.changes) < HISTORY_SIZE
    status_id, status_name = issue.status_id, issue.status_name
    if first and complete:
        status_id, status_name = first.from_id, first.from_name
    fresh = received_at - OLDEST <= created <= received_at + AHEAD
    if not fresh or status_name != hint["to_status"]:
        return []
    creator = issue.fields.get("creator") or {}
    change = Change(
        history_id=CREATED,
        at=created,
        from_id="",
        from_name="",
        to_id=status_id,
        to_name=status_name,
        actor=creator.get("accountId"),
    )
    return [change]


def _loop(issue: Issue, hint: Mapping[str, Any], token_hash: str) -> list[Change]:
    # A transition to the same status leaves no history: the issue must be in that
    # status now, and who did it stays unsaid. Attack: one captured token with many
    # bodies; whatever they say, they are one change.
    if issue.status_name != hint["to_status"]:
        return []
    change = Change(
        history_id=f"loop-{token_hash}",
        at=None,
        from_id=issue.status_id,
        from_name=issue.status_name,
        to_id=issue.status_id,
        to_name=issue.status_name,
        actor=None,
    )
    return [change]


def _change_of(entry: StatusChange) -> Change:
    return Change(
        history_id=entry.history_id,
        at=entry.at,
        from_id=entry.from_id,
        from_name=entry.from_name,
        to_id=entry.to_id,
        to_name=entry.to_name,
        actor=entry.actor,
    )
