"""How REST v2 of a self-managed Jira shows people, issues, comments and changes."""

from dataclasses import dataclass
from typing import Any

from sandbox import beans, people
from sandbox.beans import Beans
from sandbox.catalogue import IssueType, Project, Transition
from sandbox.datacenter import users
from sandbox.people import Person
from sandbox.world import Issue

Json = dict[str, Any]

_ITEM = ("field", "fieldtype", "from", "fromString", "to", "toString")
"""Of a change; `fieldId` is Jira Cloud's."""
_PEOPLE = frozenset({"assignee", "reporter"})


@dataclass(frozen=True)
class ServerBeans(Beans):
    """Long texts are wiki markup, people have a name and a key."""

    api: int = 2

    def person(self, account_id: str | None) -> Json | None:
        person, user = people.find(account_id), users.of(account_id)
        if person is None or user is None:
            return None
        return {
            "self": self.url(f"user?username={user.name}"),
            "name": user.name,
            "key": user.key,
            "emailAddress": user.email,
            "avatarUrls": {"48x48": self._picture("avatar")},
            "displayName": person.name,
            "active": True,
            "timeZone": "Etc/UTC",
        }

    def myself(self, person: Person) -> Json:
        groups = [{"name": group.name} for group in people.groups_of(person)]
        return self.user(person) | {
            "groups": {"size": len(groups), "items": groups},
            "applicationRoles": {"size": 1, "items": []},
            "expand": "groups,applicationRoles",
        }

    def issue_type(self, kind: IssueType) -> Json:
        shown = super().issue_type(kind)
        return {name: value for name, value in shown.items() if name != _HIERARCHY}

    def project(self, project: Project) -> Json:
        shown = super().project(project)
        return {name: value for name, value in shown.items() if name != "simplified"}

    def transition(self, issue: Issue, made: Transition) -> Json:
        """No word of conditions: what may not be made is not there."""
        shown = super().transition(issue, made)
        return {"opsbarSequence": 10} | {m: shown[m] for m in ("id", "name", "to")}

    def comment(self, issue: Issue, comment: Json) -> Json:
        shown = super().comment(issue, comment)
        return {name: value for name, value in shown.items() if name != "jsdPublic"}

    def change(self, entry: Json) -> Json:
        return {
            "id": entry["id"],
            "author": self.person(entry["author"]),
            "created": entry["created"],
            "items": [item(one) for one in entry["items"]],
        }

    def changelog(self, issue: Issue) -> Json:
        """As `expand=changelog` shows it: all of it, and the oldest first."""
        entries = [self.change(entry) for entry in issue.history]
        total = len(entries)
        return {
            "startAt": 0,
            "maxResults": total,
            "total": total,
            "histories": entries,
        }


_HIERARCHY = "hierarchyLevel"


def item(changed: Json) -> Json:
    shown = {name: changed[name] for name in _ITEM}
    if changed["fieldId"] in _PEOPLE:
        shown |= {end: _key(changed[end]) for end in ("from", "to")}
    return shown


def _key(account_id: str | None) -> str | None:
    user = users.of(account_id)
    return user.key if user else None


def field_details() -> list[Json]:
    return beans.field_details()
