"""REST: search, and permissions."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import request

from sandbox import catalogue, issues, people, search
from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.search import Search
from sandbox.web import asking, rest

Json = dict[str, Any]

route = rest.BLUEPRINT.route
_PROJECT_PERMISSIONS = people.PROJECT_ADMIN
_MOST_CHECKED = 1000


def _run(asked: Search) -> Json:
    jira = asking.jira()
    shown = Beans(jira.world, rest.caller())
    paths = jira.addon.searchable_paths() | jira.forge.app.searchable_paths()
    return search.run(shown, asked, paths)


@route(f"{rest.V3}/search/jql", methods=["GET"])
def search_by_get() -> Json:
    return _run(
        Search(
            text=request.args.get("jql", ""),
            fields=tuple(asking.words("fields")) or ("id",),
            size=asking.number("maxResults", search.PAGE),
            token=request.args.get("nextPageToken"),
            reconciled=frozenset(asking.words("reconcileIssues")),
            expand=request.args.get("expand", ""),
        )
    )


@route(f"{rest.V3}/search/jql", methods=["POST"])
def search_by_post() -> Json:
    given = asking.body()
    return _run(
        Search(
            text=str(given.get("jql") or ""),
            fields=tuple(given.get("fields") or ("id",)),
            size=int(given.get("maxResults") or search.PAGE),
            token=given.get("nextPageToken"),
            reconciled=frozenset(str(n) for n in given.get("reconcileIssues") or []),
            expand=str(given.get("expand") or ""),
        )
    )


@route(f"{rest.V3}/permissions/check", methods=["POST"])
def check_permissions() -> Json:
    """What is granted; ids that do not exist are silently left out."""
    given, asker = asking.body(), rest.caller()
    account = given.get("accountId") or asker.account_id
    # an add-on's server may ask about anybody; a Forge app is an account like others
    if account != asker.account_id and not (asker == people.APP or asker.is_admin):
        raise RestError(403, ["Only an administrator may ask about others."])
    person = people.find(str(account))
    wanted = given.get("globalPermissions") or []
    if unknown := set(wanted) - people.GLOBAL_PERMISSIONS:
        raise RestError(400, [f"Unrecognized permission: {min(unknown)}"])
    if person is None:
        return {"globalPermissions": [], "projectPermissions": []}
    person = asking.jira().world.as_of_now(person)
    return {
        "globalPermissions": [p for p in wanted if person.may_globally(p)],
        "projectPermissions": [
            grant
            for group in given.get("projectPermissions") or []
            for grant in _grants(group, person)
        ],
    }


def _grants(group: Json, person: Person) -> Iterator[Json]:
    projects, several = group.get("projects") or [], group.get("issues") or []
    if len(projects) > _MOST_CHECKED or len(several) > _MOST_CHECKED:
        raise RestError(400, ["At most 1000 projects and 1000 issues."])
    for permission in group.get("permissions") or []:
        if permission not in _PROJECT_PERMISSIONS:
            raise RestError(400, [f"Unrecognized permission: {permission}"])
        if not person.may(permission):
            continue
        yield {
            "permission": permission,
            "projects": _existing(projects, _is_project),
            "issues": _existing(several, lambda number: _sees(person, number)),
        }


def _existing(numbers: list[object], exists: Callable[[str], bool]) -> list[int]:
    """Ids are integers; others are ignored like those that are not there."""
    return [n for n in numbers if isinstance(n, int) and exists(str(n))]


def _is_project(number: str) -> bool:
    return any(number == project.id for project in catalogue.PROJECTS)


def _sees(person: Person, number: str) -> bool:
    issue = asking.jira().world.state.issues.get(number)
    return issue is not None and issues.visible(issue, person)
