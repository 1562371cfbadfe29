"""What apps show beside an issue: their web panels, to whom their conditions let."""

from collections.abc import Callable
from typing import Any

from sandbox import catalogue, issues
from sandbox.addon import Addon
from sandbox.iframes import Frame, Module
from sandbox.people import Person
from sandbox.world import Issue

Json = dict[str, Any]

KIND = "webPanels"
LOCATION = "atl.jira.view.issue.right.context"
"""The right column of the issue view (Connect, "Issue view UI locations")."""
_WEIGHT = 100


def of_issue(addon: Addon, issue: Issue, person: Person) -> list[Frame]:
    """The lightest first, as Connect orders them."""
    offered = [one for one in addon.modules(KIND) if one["location"] == LOCATION]
    return [
        _frame(one, issue)
        for one in sorted(offered, key=lambda one: int(one.get("weight", _WEIGHT)))
        if all(_holds(each, issue, person) for each in one.get("conditions", []))
    ]


def _frame(module: Json, issue: Issue) -> Frame:
    project = next(p for p in catalogue.PROJECTS if p.key == issue.project)
    name = str(module["name"]["value"])
    return Frame(
        Module(KIND, str(module["key"]), name, str(module["url"])),
        {
            "issue.id": issue.id,
            "issue.key": issue.key,
            "project.id": project.id,
            "project.key": project.key,
        },
        {
            "jira": {
                "issue": {
                    "id": issue.id,
                    "key": issue.key,
                    "issuetype": {"id": issue.issuetype},
                },
                "project": {"id": project.id, "key": project.key},
            }
        },
    )


def _holds(condition: Json, issue: Issue, person: Person) -> bool:
    """One condition, or several joined; an unknown one hides the panel."""
    if "or" in condition:
        return any(_holds(one, issue, person) for one in condition["or"])
    if "and" in condition:
        return all(_holds(one, issue, person) for one in condition["and"])
    known = _CONDITIONS.get(str(condition.get("condition")))
    if known is None:
        return False
    permission = str(condition.get("params", {}).get("permission", ""))
    return known(issue, person, permission) != bool(condition.get("invert"))


def _on_issue(issue: Issue, person: Person, permission: str) -> bool:
    return issues.visible(issue, person) and person.may(permission)


_CONDITIONS: dict[str, Callable[[Issue, Person, str], bool]] = {
    "user_is_logged_in": lambda *_: True,
    "user_is_admin": lambda _, person, __: person.is_admin,
    "has_issue_permission": _on_issue,
    "has_project_permission": lambda _, person, permission: person.may(permission),
}
