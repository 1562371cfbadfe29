"""How Jira's REST answers show people, issues, comments and changes."""

from dataclasses import dataclass
from typing import Any

from sandbox import adf, catalogue, conditions, fields, issues, links, people
from sandbox.catalogue import IssueType, Project, Status, Transition
from sandbox.people import Person
from sandbox.world import Issue, World

Json = dict[str, Any]

LONGEST_CHANGELOG = 100


@dataclass(frozen=True)
class Beans:
    """Beans as one person sees them; `api` 2 has plain text where 3 has ADF."""

    world: World
    viewer: Person
    api: int = 3

    def url(self, path: str) -> str:
        return f"{self.world.state.site.base_url}/rest/api/{self.api}/{path}"

    def _picture(self, name: str) -> str:
        return f"{self.world.state.site.base_url}/sandbox/static/{name}.svg"

    def person(self, account_id: str | None) -> Json | None:
        person = people.find(account_id)
        if person is None:
            return None
        return {
            "self": self.url(f"user?accountId={person.account_id}"),
            "accountId": person.account_id,
            "accountType": "app" if person.is_app else "atlassian",
            "displayName": person.name,
            "active": True,
            "timeZone": "Etc/UTC",
            "avatarUrls": {"48x48": self._picture("avatar")},
        }

    def user(self, person: Person) -> Json:
        return (self.person(person.account_id) or {}) | {"locale": "en_US"}

    def status(self, status: Status) -> Json:
        key, name, colour = catalogue.CATEGORIES[status.category]
        return {
            "self": self.url(f"status/{status.id}"),
            "id": status.id,
            "name": status.name,
            "description": "",
            "iconUrl": self._picture("status"),
            "statusCategory": {
                "self": self.url(f"statuscategory/{status.category}"),
                "id": status.category,
                "key": key,
                "name": name,
                "colorName": colour,
            },
        }

    def issue_type(self, kind: IssueType) -> Json:
        return {
            "self": self.url(f"issuetype/{kind.id}"),
            "id": kind.id,
            "name": kind.name,
            "description": kind.description,
            "iconUrl": self._picture("type"),
            "subtask": kind.subtask,
            "hierarchyLevel": -1 if kind.subtask else 0,
        }

    def project(self, project: Project) -> Json:
        return {
            "self": self.url(f"project/{project.id}"),
            "id": project.id,
            "key": project.key,
            "name": project.name,
            "projectTypeKey": "software",
            "simplified": False,
            "avatarUrls": {"48x48": self._picture("avatar")},
        }

    def transition(self, issue: Issue, made: Transition) -> Json:
        """As Jira offers it for this issue to who looks."""
        status = next(s for s in catalogue.STATUSES if s.id == made.to)
        return {
            "id": made.id,
            "name": made.name,
            "to": self.status(status),
            "hasScreen": bool(made.screen),
            "isGlobal": made.is_global,
            "isInitial": made.is_initial,
            "isAvailable": conditions.allow(self.world, issue, made, self.viewer),
            "isConditional": bool(conditions.on(self.world, issue, made)),
            "looped": made.to in made.sources,
        }

    def issue(self, issue: Issue, wanted: list[str]) -> Json:
        values = self.fields(issue)
        return {
            "expand": "renderedFields,names,schema,transitions,editmeta,changelog",
            "id": issue.id,
            "self": self.url(f"issue/{issue.id}"),
            "key": issue.key,
            "fields": selected(values, wanted),
        }

    def fields(self, issue: Issue) -> Json:
        status = next(s for s in catalogue.STATUSES if s.id == issue.status)
        project = next(p for p in catalogue.PROJECTS if p.key == issue.project)
        kind = next(t for t in catalogue.ISSUE_TYPES if t.id == issue.issuetype)
        values = {
            f.id: self._value(f.id, issue.fields.get(f.id)) for f in catalogue.FIELDS
        }
        values |= {
            "status": self.status(status),
            "project": self.project(project),
            "issuetype": self.issue_type(kind),
            "creator": self.person(issue.creator),
            "created": issue.created,
            "updated": issue.updated,
            "issuelinks": self._links(issue),
            "subtasks": self._subtasks(issue),
            "comment": self.comments(issue),
        }
        parent = self.world.state.issues.get(str(issue.fields.get("parent")))
        values.pop("parent")
        return values | ({"parent": self._brief(parent)} if parent else {})

    def _value(self, name: str, value: object) -> object:
        if value is None:
            return None
        if name in {"assignee", "reporter"}:
            return self.person(str(value))
        if name in fields.CHOICES:
            number = str(value)
            label = "value" if name.startswith("customfield_") else "name"
            place = "customFieldOption" if label == "value" else name
            return {
                "self": self.url(f"{place}/{number}"),
                "id": number,
                label: fields.CHOICES[name][number],
            }
        if name in fields.RICH and isinstance(value, dict) and self.api != 3:  # noqa: PLR2004 - the REST version
            return adf.text(value)
        return value

    def _brief(self, issue: Issue) -> Json:
        status = next(s for s in catalogue.STATUSES if s.id == issue.status)
        kind = next(t for t in catalogue.ISSUE_TYPES if t.id == issue.issuetype)
        return {
            "id": issue.id,
            "key": issue.key,
            "self": self.url(f"issue/{issue.id}"),
            "fields": {
                "summary": issue.fields["summary"],
                "status": self.status(status),
                "priority": self._value("priority", issue.fields.get("priority")),
                "issuetype": self.issue_type(kind),
            },
        }

    def _subtasks(self, issue: Issue) -> list[Json]:
        return [
            self._brief(other)
            for other in self.world.state.issues.values()
            if other.fields.get("parent") == issue.id
            and issues.visible(other, self.viewer)
        ]

    def _links(self, issue: Issue) -> list[Json]:
        shown = []
        for link, end, other in links.of(self.world, issue, self.viewer):
            kind = next(t for t in catalogue.LINK_TYPES if t.id == link["type"])
            shown.append(
                {
                    "id": link["id"],
                    "self": self.url(f"issueLink/{link['id']}"),
                    "type": self.link_type(kind),
                    f"{end}Issue": self._brief(other),
                }
            )
        return shown

    def link_type(self, kind: catalogue.LinkType) -> Json:
        return {
            "id": kind.id,
            "name": kind.name,
            "inward": kind.inward,
            "outward": kind.outward,
            "self": self.url(f"issueLinkType/{kind.id}"),
        }

    def comments(self, issue: Issue) -> Json:
        total = len(issue.comments)
        return {
            "comments": [self.comment(issue, one) for one in issue.comments],
            "self": self.url(f"issue/{issue.id}/comment"),
            "maxResults": total,
            "total": total,
            "startAt": 0,
        }

    def comment(self, issue: Issue, comment: Json) -> Json:
        """Without its properties: those come from comment/list only."""
        author = self.person(comment["author"])
        body = comment["body"]
        shown = {
            "self": self.url(f"issue/{issue.id}/comment/{comment['id']}"),
            "id": comment["id"],
            "author": author,
            "updateAuthor": author,
            "body": body if self.api == 3 else adf.text(body),  # noqa: PLR2004 - the REST version
            "created": comment["created"],
            "updated": comment["created"],
            "jsdPublic": True,
        }
        visibility = comment.get("visibility")
        return shown | ({"visibility": visibility} if visibility else {})

    def change(self, entry: Json) -> Json:
        return entry | {"author": self.person(entry["author"])}

    def changelog(self, issue: Issue) -> Json:
        """As `expand=changelog` shows it: the newest first, a hundred of them."""
        newest = [self.change(entry) for entry in reversed(issue.history)]
        return {
            "startAt": 0,
            "maxResults": LONGEST_CHANGELOG,
            "total": len(newest),
            "histories": newest[:LONGEST_CHANGELOG],
        }


def selected(values: Json, wanted: list[str]) -> Json:
    """`*all`, `*navigable`, names, and names to leave out with a minus."""
    everything = not wanted or any(w.startswith(("*", "-")) for w in wanted)
    without = {w[1:] for w in wanted if w.startswith("-")}
    if "*navigable" in wanted and "*all" not in wanted:
        without.add("comment")
    return {
        name: value
        for name, value in values.items()
        if name in wanted or (everything and name not in without)
    }


def edit_meta(beans: Beans) -> Json:
    shown = {}
    for known in fields.editable(beans.viewer):
        meta: Json = {
            "key": known.id,
            "name": known.name,
            "required": known.id == "summary",
            "schema": known.schema,
            "operations": list(known.operations),
        }
        if known.id in fields.CHOICES:
            label = "value" if known.is_custom else "name"
            choices = fields.CHOICES[known.id].items()
            meta["allowedValues"] = [{"id": k, label: name} for k, name in choices]
        shown[known.id] = meta
    return {"fields": shown}


def names() -> Json:
    return {f.id: f.name for f in catalogue.FIELDS}


def field_details() -> list[Json]:
    return [
        {
            "id": f.id,
            "key": f.id,
            "name": f.name,
            "custom": f.is_custom,
            "navigable": f.id != "comment",
            "orderable": bool(f.operations),
            "searchable": bool(f.clauses),
            "clauseNames": list(f.clauses),
            "schema": f.schema,
        }
        for f in catalogue.FIELDS
    ]
