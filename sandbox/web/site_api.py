"""REST: people, projects, fields and the site itself."""

from typing import Any

from flask import Response, jsonify, request

from sandbox import beans, catalogue, issues, people
from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.web import asking, issue_api, rest

Json = dict[str, Any]

route = rest.BLUEPRINT.route
_LARGEST_PAGE = 50


def _beans() -> Beans:
    return asking.jira().beans(rest.caller())


@route(f"{rest.V3}/myself", methods=["GET"])
def myself() -> Json:
    return _beans().user(rest.caller())


@route(f"{rest.V3}/user", methods=["GET"])
def get_user() -> Json:
    person = people.find(request.args.get("accountId"))
    if person is None:
        raise RestError(404, ["Specified user does not exist or you cannot see it."])
    return _beans().user(person)


@route(f"{rest.V3}/user/groups", methods=["GET"])
def get_user_groups() -> Response:
    """For who may browse users and groups; apps may by default."""
    caller = rest.caller()
    if not (caller.is_app or caller.may_globally("USER_PICKER")):
        raise RestError(403, ["You may not browse users and groups."])
    person = people.find(request.args.get("accountId"))
    if person is None:
        raise RestError(404, ["Specified user does not exist or you cannot see it."])
    url = _beans().url("group")
    return jsonify(
        [
            {"name": one.name, "groupId": one.id, "self": f"{url}?groupId={one.id}"}
            for one in people.groups_of(person)
        ]
    )


@route(f"{rest.V3}/user/assignable/search", methods=["GET"])
def assignable() -> Response:
    project, key = request.args.get("project"), request.args.get("issueKey")
    if key:
        issues.get(asking.jira().world, key, rest.caller())
    elif not project:
        raise RestError(400, ["Either project or issueKey is required."])
    elif catalogue.project(project) is None:
        raise RestError(404, [f"No project could be found with key '{project}'."])
    query = request.args.get("query", "").casefold()
    start = asking.number("startAt", 0)
    found = [
        _beans().user(person)
        for person in people.USERS
        if person.may("ASSIGNABLE_USER") and query in person.name.casefold()
    ]
    return jsonify(found[start : start + asking.number("maxResults", _LARGEST_PAGE)])


def _project(name: str) -> catalogue.Project:
    project = catalogue.project(name)
    if project is None:
        raise RestError(404, [f"No project could be found with key '{name}'."])
    return project


@route(f"{rest.V3}/project/search", methods=["GET"])
def search_projects() -> Json:
    """Those the caller may browse; by key unless asked otherwise."""
    ids, keys = asking.words("id"), [key.upper() for key in asking.words("keys")]
    query = request.args.get("query", "").casefold()
    shown, may_browse = _beans(), rest.caller().may("BROWSE_PROJECTS")
    found = [
        shown.project(project)
        for project in sorted(catalogue.PROJECTS, key=lambda p: p.key)
        if may_browse
        and (not ids or project.id in ids)
        and (not keys or project.key in keys)
        and (query in project.name.casefold() or query in project.key.casefold())
    ]
    return issue_api.page(found, "project/search", _LARGEST_PAGE)


@route(f"{rest.V3}/project/<name>", methods=["GET"])
def get_project(name: str) -> Json:
    shown = _beans()
    return shown.project(_project(name)) | {
        "description": "",
        "lead": shown.person(people.ADA.account_id),
        "assigneeType": "UNASSIGNED",
        "issueTypes": [shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES],
        "components": [],
        "versions": [],
        "roles": {},
    }


@route(f"{rest.V3}/project/<name>/statuses", methods=["GET"])
def get_project_statuses(name: str) -> Response:
    """By issue type; here each has all of them."""
    _project(name)
    shown = _beans()
    statuses = [shown.status(status) for status in catalogue.STATUSES]
    members = ("id", "name", "self", "subtask")
    kinds = [shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES]
    return jsonify(
        [{m: kind[m] for m in members} | {"statuses": statuses} for kind in kinds]
    )


@route(f"{rest.V3}/role", methods=["GET"])
def get_roles() -> Response:
    """For administrators; of an app Jira wants the scope ADMIN as well."""
    if not rest.caller().is_admin:
        raise RestError(403, ["Only Jira administrators may see all project roles."])
    url = _beans().url("role")
    return jsonify([_role(role, f"{url}/{role.id}") for role in people.ROLES])


def _role(role: people.ProjectRole, url: str) -> Json:
    return {
        "self": url,
        "id": role.id,
        "name": role.name,
        "description": role.description,
    }


@route(f"{rest.V3}/project/<name>/role", methods=["GET"])
def get_project_roles(name: str) -> Json:
    """Name and address of each role: its id is the end of the address."""
    project = _project(name)
    _administers_projects()
    url = _beans().url(f"project/{project.id}/role")
    return {role.name: f"{url}/{role.id}" for role in people.ROLES}


@route(f"{rest.V3}/project/<name>/role/<int:number>", methods=["GET"])
def get_project_role(name: str, number: int) -> Json:
    project = _project(name)
    _administers_projects()
    role = next((r for r in people.ROLES if r.id == number), None)
    if role is None:
        raise RestError(404, [f"There is no project role {number}."])
    url = _beans().url(f"project/{project.id}/role/{role.id}")
    actors = [_actor(role, one) for one in role.members]
    return _role(role, url) | {"actors": [*actors, *_group_actors(role)]}


def _actor(role: people.ProjectRole, person: people.Person) -> Json:
    return {
        "id": role.id * 100 + people.EVERYONE.index(person),
        "displayName": person.name,
        "type": "atlassian-user-role-actor",
        "actorUser": {"accountId": person.account_id},
    }


def _group_actors(role: people.ProjectRole) -> list[Json]:
    return [
        {
            "id": role.id * 100 + 50 + people.GROUPS.index(group),
            "displayName": group.name,
            "type": "atlassian-group-role-actor",
            "actorGroup": {
                "displayName": group.name,
                "name": group.name,
                "groupId": group.id,
            },
        }
        for group in role.groups
    ]


def _administers_projects() -> None:
    # the role that Jira keeps its apps in has this permission by default
    person = rest.caller()
    if not (person.is_app or person.may("ADMINISTER_PROJECTS")):
        raise RestError(401, ["You do not have permission to see project roles."])


@route(f"{rest.V3}/issue/createmeta/<name>/issuetypes", methods=["GET"])
def get_issue_types(name: str) -> Json:
    _project(name)
    shown, start = _beans(), asking.number("startAt", 0)
    limit = asking.number("maxResults", _LARGEST_PAGE)
    kinds = [shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES]
    return {
        "maxResults": limit,
        "startAt": start,
        "total": len(kinds),
        "issueTypes": kinds[start : start + limit],
    }


@route(f"{rest.V3}/issuetype", methods=["GET"])
def get_all_issue_types() -> Response:
    shown = _beans()
    return jsonify([shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES])


@route(f"{rest.V3}/priority", methods=["GET"])
def get_priorities() -> Response:
    url = _beans().url("priority")
    shown = catalogue.PRIORITIES.items()
    return jsonify(
        [{"self": f"{url}/{id_}", "id": id_, "name": name} for id_, name in shown]
    )


@route(f"{rest.V3}/field", methods=["GET"])
def get_fields() -> Response:
    return jsonify(beans.field_details())


@route(f"{rest.V3}/status", methods=["GET"])
def get_statuses() -> Response:
    shown = _beans()
    return jsonify([shown.status(status) for status in catalogue.STATUSES])


@route(f"{rest.V3}/serverInfo", methods=["GET"])
def get_server_info() -> Json:
    world = asking.jira().world
    site = world.state.site
    return {
        "baseUrl": site.base_url,
        "displayUrl": site.display_url or site.base_url,
        "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0],
        "deploymentType": "Cloud",
        "buildNumber": 100290,
        "buildDate": "2026-11-02T00:00:00.000+0000",
        "serverTime": world.stamp(),
        "scmInfo": "sandbox",
        "serverTitle": "Jira sandbox",
    }
