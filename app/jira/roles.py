"""Who has a project's role, as far as an app with the scope READ may ask Jira."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.jira.answers import segment
from app.jira.calling import Jira


def is_in_role(jira: Jira, account_id: str, role_id: str, *, issue_id: str) -> bool:
    """Say whether a person has a role in the issue's project, by name or by a group.

    Raise `JiraError` where Jira does not tell: of a role that is not there, or to an
    app that a project does not let administer it. Source: Jira Cloud REST API v3, "Get
    project role for project" and "Get user groups".
    """
    issue = jira.get(f"/rest/api/3/issue/{segment(issue_id)}", {"fields": "project"})
    project = segment(str(issue["fields"]["project"]["id"]))
    role = jira.get(f"/rest/api/3/project/{project}/role/{segment(role_id)}")
    actors = _mappings(_mapping(role).get("actors"))
    people = {_mapping(actor.get("actorUser")).get("accountId") for actor in actors}
    if account_id in people:
        return True
    groups = _ids(_mapping(actor.get("actorGroup")) for actor in actors)
    return bool(groups) and bool(groups & _groups_of(jira, account_id))


def _groups_of(jira: Jira, account_id: str) -> set[str]:
    found = jira.get("/rest/api/3/user/groups", {"accountId": account_id})
    return _ids(_mappings(found))


def _ids(groups: Iterable[Mapping[str, Any]]) -> set[str]:
    # Attack: a group that is renamed to the name of one in the role. Ids stay.
    return {str(group["groupId"]) for group in groups if group.get("groupId")}


def _mappings(value: object) -> Sequence[Mapping[str, Any]]:
    listed = value if isinstance(value, list) else []
    return [each for each in listed if isinstance(each, Mapping)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
