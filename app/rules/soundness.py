"""Whether a gate holds: every way out of its hold must carry our condition.

Jira lets an app with our scopes read no workflow. It tells the ways out of an issue's
present status, though, so a gate is judged by an issue that is in its hold
(docs/adr/0006-a-gate-is-judged-by-an-issue.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.connect import descriptor
from app.jira import Jira, segment

Shut = Mapping[str, frozenset[str]]
"""By workflow: the ids of the transitions that carry our condition."""

NAMED = 5
"""Open ways that are named; of the others only the number is said."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A transition that leads out of a status."""

    id: str
    name: str
    is_global: bool

    def __str__(self) -> str:
        sort = "the global transition " if self.is_global else ""
        return f"{sort}“{self.name}” ({self.id})"


def shut(jira: Jira) -> Shut:
    """Return which transitions only we, and the role that an admin chose, may make."""
    account = jira.own_account()
    found: dict[str, set[str]] = {}
    for workflow in jira.rule_inventory("condition"):
        place = workflow.get("workflowId") or {}
        if place.get("draft"):
            continue
        ids = found.setdefault(str(place.get("name")), set())
        for condition in workflow.get("conditions") or []:
            if _is_ours(condition, account):
                ids.add(str((condition.get("transition") or {}).get("id", "")))
    return {name: frozenset(ids) for name, ids in found.items()}


def ways_out(jira: Jira, issue_id: str, *, hold: str) -> list[Way] | None:
    """Return every way out of the hold, also those that we may not go.

    None if the issue is not in the hold: then Jira's answer is about another status;
    and where Jira does not tell, as a self-managed one.
    """
    if jira.is_self_managed:
        # Its own conditions may shut the ways, and it does not tell which there are.
        return None
    path = f"/rest/api/3/issue/{segment(issue_id)}"
    answer = jira.get(f"{path}/transitions", {"includeUnavailableTransitions": "true"})
    # Looked at after the ways, so that a move in between is seen.
    fields = jira.get(path, {"fields": "status"})["fields"]
    if str(fields["status"]["id"]) != hold:
        return None
    return [
        Way(
            id=str(each["id"]),
            name=str(each["name"]),
            is_global=each.get("isGlobal") is True,
        )
        for each in answer["transitions"]
        if str(each["to"]["id"]) != hold
    ]


def complaint(ways: list[Way], shut_ids: frozenset[str]) -> str | None:
    """Say which ways out of a hold are open to others; None if all of them are shut."""
    if not ways:
        return "Jira shows us no way out of the hold: may we make transitions there?"
    open_ways = [way for way in ways if way.id not in shut_ids]
    if not open_ways:
        return None
    named = ", ".join(map(str, open_ways[:NAMED]))
    if more := len(open_ways) - NAMED if len(open_ways) > NAMED else 0:
        named += f" and {more} more"
    verb = "leads" if len(open_ways) == 1 else "lead"
    return f"{named} {verb} out of the hold without our condition"


def config_of(account: str, role: int | None) -> str:
    """Return what Jira is to keep for our condition; its expression reads this."""
    data = {"v": 1, "account": account, "role": role}
    return json.dumps(data, separators=(",", ":"))


def _is_ours(condition: Mapping[str, Any], account: str) -> bool:
    key, stored = str(condition.get("key")), condition.get("configuration") or {}
    is_of_module = descriptor.is_of_module(key, descriptor.CONDITION)
    if stored.get("disabled") or not is_of_module:
        return False
    try:
        config = json.loads(stored.get("value") or "")
    except (ValueError, TypeError, RecursionError):
        return False
    # Attack: a stored "expression" replaces the descriptor's, and may let anybody by.
    return (
        isinstance(config, dict)
        and config.get("account") == account
        and "expression" not in config
    )
