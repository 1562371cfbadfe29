"""How an issue comes into being, by REST or by hand."""

from typing import Any

from sandbox import catalogue, issues, transitions
from sandbox.people import Person
from sandbox.world import Event, Issue, Moved, World

Json = dict[str, Any]


def by_hand(fields: Json) -> Json:
    """Return the `fields` of a REST body; projects and types may be plain names."""
    given: Json = {"project": "DEMO", "issuetype": "Task", "summary": "An issue"}
    given |= fields
    if isinstance(given["project"], str):
        given["project"] = {"key": given["project"]}
    if isinstance(given["issuetype"], str):
        given["issuetype"] = {"name": given["issuetype"]}
    return given


def create(
    world: World, given: Json, person: Person, properties: Json | None = None
) -> Issue:
    """Make an issue from the `fields` of a REST body, and fire Create."""
    project, kind = _kind_of(given)
    if not person.may("CREATE_ISSUES"):
        why = "You cannot create issues in this project."
        raise issues.RestError(400, errors={"project": why})
    parent = _parent(world, given, kind, project.key, person)
    special = {"project", "issuetype", "parent"}
    rest = {name: value for name, value in given.items() if name not in special}
    if "summary" not in rest:
        why = "You must specify a summary of the issue."
        raise issues.RestError(400, errors={"summary": why})
    stored = issues.checked(rest, person)
    with world.change() as state:
        number = world.next_number(f"issue {project.key}", 1)
        now = world.stamp()
        issue = Issue(
            id=str(world.next_number("issue", 10100)),
            key=f"{project.key}-{number}",
            project=project.key,
            issuetype=kind.id,
            status=catalogue.TO_DO.id,
            created=now,
            updated=now,
            creator=person.account_id,
            fields=_defaults(person) | stored | {"parent": parent},
            properties=dict(properties or {}),
        )
        state.issues[issue.id] = issue
        world.touched(issue)
    world.tell(Event("jira:issue_created", issue, person))
    transitions.announce(world, Moved(issue, catalogue.TRANSITIONS[0], "", person))
    return issue


def _kind_of(given: Json) -> tuple[catalogue.Project, catalogue.IssueType]:
    project = _choice_of(given, "project", ("id", "key"), catalogue.project)
    kind = _choice_of(given, "issuetype", ("id", "name"), catalogue.issue_type)
    if project is None:
        why = "Specify a valid project ID or key"
        raise issues.RestError(400, errors={"project": why})
    if kind is None:
        raise issues.RestError(400, errors={"issuetype": "Specify an issue type"})
    return project, kind


def _defaults(person: Person) -> Json:
    empty: Json = {f.id: None for f in catalogue.FIELDS if f.operations}
    return empty | {
        "labels": [],
        "priority": "3",
        "reporter": person.account_id,
        "resolution": None,
    }


def _choice_of(given: Json, name: str, members: tuple[str, str], find: Any) -> Any:  # noqa: ANN401 - one of two catalogue types
    value = given.get(name)
    if not isinstance(value, dict):
        return None
    return next((find(str(value[m])) for m in members if m in value), None)


def _parent(
    world: World,
    given: Json,
    kind: catalogue.IssueType,
    project: str,
    person: Person,
) -> str | None:
    value = given.get("parent")
    if not kind.subtask:
        if value is not None:
            why = "Only a sub-task may have a parent here."
            raise issues.RestError(400, errors={"parent": why})
        return None
    named = value.get("id") or value.get("key") if isinstance(value, dict) else None
    issue = world.find_issue(str(named)) if named else None
    if issue is None or not issues.visible(issue, person) or issue.project != project:
        why = "Could not find a valid parent issue in this project."
        raise issues.RestError(400, errors={"parent": why})
    return issue.id
