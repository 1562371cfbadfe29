"""REST v2 of a self-managed Jira: search, people, projects, and the site itself."""

from typing import Any

from flask import Response, jsonify, request

from sandbox import catalogue, issues, jql, people, search
from sandbox.beans import Beans
from sandbox.datacenter import users
from sandbox.datacenter.beans import ServerBeans
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.search import Search
from sandbox.web import asking, datacenter_rest, rest, site_api
from sandbox.world import Issue

Json = dict[str, Any]

BLUEPRINT = datacenter_rest.BLUEPRINT
route = BLUEPRINT.route
_LARGEST_PAGE = 1000
_PAGE = 50

for _rule, _view in (
    ("/field", site_api.get_fields),
    ("/priority", site_api.get_priorities),
):
    BLUEPRINT.add_url_rule(_rule, view_func=_view, methods=["GET"])


@route("/serverInfo", methods=["GET"])
def get_server_info() -> Json:
    world = asking.jira().world
    return {
        "baseUrl": world.state.site.base_url,
        "version": "10.3.2",
        "versionNumbers": [10, 3, 2],
        "deploymentType": "Server",
        "buildNumber": 10030002,
        "buildDate": "2026-01-20T00:00:00.000+0000",
        "databaseBuildNumber": 10030002,
        "serverTime": world.stamp(),
        "scmInfo": "sandbox",
        "serverTitle": "Jira sandbox",
    }


@route("/myself", methods=["GET"])
def myself() -> Json:
    return ServerBeans(asking.jira().world, rest.caller()).myself(rest.caller())


@route("/user", methods=["GET"])
def get_user() -> Json:
    """By `username` or by `key`; groups only where `expand` asks for them."""
    name, key = request.args.get("username"), request.args.get("key")
    if name is None and key is None:
        raise RestError(400, ["Either the username or the key query parameter is due."])
    person = users.keyed(key) if key else users.named(name or "")
    if person is None:
        raise RestError(404, ["The user does not exist"])
    shown = ServerBeans(asking.jira().world, rest.caller()).myself(person)
    if "groups" not in asking.words("expand"):
        shown["groups"] = {"size": shown["groups"]["size"], "items": []}
    return shown


@route("/user/search", methods=["GET"])
def search_users() -> Response:
    query = request.args.get("username", "").casefold()
    if not query:
        raise RestError(400, ["The username query parameter was not provided"])
    return jsonify([_bean(one) for one in people.USERS if _fits(one, query)])


@route("/user/assignable/search", methods=["GET"])
def assignable() -> Response:
    project, key = request.args.get("project"), request.args.get("issueKey")
    if key:
        issues.get(asking.jira().world, key, rest.caller())
    elif not project or catalogue.project(project) is None:
        raise RestError(404, [f"No project could be found with key '{project}'."])
    query = request.args.get("username", "").casefold()
    found = [
        _bean(person)
        for person in people.USERS
        if person.may("ASSIGNABLE_USER") and _fits(person, query)
    ]
    start = asking.number("startAt", 0)
    return jsonify(found[start : start + asking.number("maxResults", _PAGE)])


def _fits(person: Person, query: str) -> bool:
    user = users.of(person.account_id)
    said = f"{person.name} {user.name if user else ''}"
    return query in said.casefold()


def _bean(person: Person) -> Json:
    return datacenter_rest.shown().user(person)


@route("/mypermissions", methods=["GET"])
def my_permissions() -> Json:
    """All of them, and which the caller has; nobody in particular has none."""
    person = rest.visit().person
    name = request.args.get("issueKey") or request.args.get("issueId")
    if name and person:
        # 404 for what one may not see; here rights are the same everywhere else
        issues.get(asking.jira().world, name, person)
    every = [
        *((key, "GLOBAL") for key in sorted(people.GLOBAL_PERMISSIONS)),
        *((key, "PROJECT") for key in sorted(people.PROJECT_ADMIN)),
    ]
    return {
        "permissions": {
            key: _permission(number, key, kind, person)
            for number, (key, kind) in enumerate(every)
        }
    }


def _permission(number: int, key: str, kind: str, person: Person | None) -> Json:
    has = person is not None and (
        person.may_globally(key) if kind == "GLOBAL" else person.may(key)
    )
    return {
        "id": str(number),
        "key": key,
        "name": key.replace("_", " ").capitalize(),
        "type": kind,
        "description": "",
        "havePermission": has,
    }


@route("/search", methods=["GET"])
def search_by_get() -> Json:
    return _found(
        Search(
            text=request.args.get("jql", ""),
            fields=tuple(asking.words("fields")) or ("*navigable",),
            size=asking.number("maxResults", search.PAGE),
            expand=request.args.get("expand", ""),
            is_bounded=False,
        ),
        asking.number("startAt", 0),
    )


@route("/search", methods=["POST"])
def search_by_post() -> Json:
    given = asking.body()
    expand = given.get("expand") or []
    return _found(
        Search(
            text=str(given.get("jql") or ""),
            fields=tuple(given.get("fields") or ("*navigable",)),
            size=int(given.get("maxResults", search.PAGE)),
            expand=expand if isinstance(expand, str) else ",".join(expand),
            is_bounded=False,
        ),
        int(given.get("startAt", 0)),
    )


def _found(asked: Search, start: int) -> Json:
    """One page, counted; no property is indexed, as no app of Jira's own says so."""
    shown = datacenter_rest.shown()
    size = min(asked.size, _LARGEST_PAGE)
    try:
        with shown.world.lock:
            found = search.matching(shown, asked, frozenset())
            rows = [_row(shown, asked, one) for one in found[start : start + size]]
    except jql.JqlError as error:
        raise RestError(400, [str(error)]) from None
    return {
        "expand": "schema,names",
        "startAt": start,
        "maxResults": size,
        "total": len(found),
        "issues": rows,
    }


def _row(shown: Beans, asked: Search, issue: Issue) -> Json:
    row = shown.issue(issue, list(asked.fields))
    if "changelog" in asked.expand:
        row["changelog"] = shown.changelog(issue)
    return row


@route("/project", methods=["GET"])
def list_projects() -> Response:
    """A list, in one piece: Jira Cloud's pages are not here."""
    shown, may = datacenter_rest.shown(), rest.caller().may("BROWSE_PROJECTS")
    ordered = sorted(catalogue.PROJECTS, key=lambda p: p.key)
    return jsonify([shown.project(one) for one in ordered if may])


@route("/project/<name>", methods=["GET"])
def get_project(name: str) -> Json:
    shown, project = datacenter_rest.shown(), _project(name)
    base = shown.url(f"project/{project.id}/role")
    return shown.project(project) | {
        "description": "",
        "lead": shown.person(people.ADA.account_id),
        "assigneeType": "UNASSIGNED",
        "issueTypes": [shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES],
        "components": [],
        "versions": [],
        "roles": {role.name: f"{base}/{role.id}" for role in _roles()},
    }


def _project(name: str) -> catalogue.Project:
    project = catalogue.project(name)
    if project is None or not rest.caller().may("BROWSE_PROJECTS"):
        raise RestError(404, [f"No project could be found with key '{name}'."])
    return project


@route("/project/<name>/statuses", methods=["GET"])
def get_project_statuses(name: str) -> Response:
    _project(name)
    shown = datacenter_rest.shown()
    statuses = [shown.status(status) for status in catalogue.STATUSES]
    members = ("id", "name", "self", "subtask")
    kinds = [shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES]
    return jsonify(
        [{m: kind[m] for m in members} | {"statuses": statuses} for kind in kinds]
    )


def _roles() -> list[people.ProjectRole]:
    """All but the one that Jira Cloud makes for its apps."""
    return [role for role in people.ROLES if people.APP not in role.members]


@route("/project/<name>/role", methods=["GET"])
def get_project_roles(name: str) -> Json:
    project = _project(name)
    base = datacenter_rest.shown().url(f"project/{project.id}/role")
    return {role.name: f"{base}/{role.id}" for role in _roles()}


@route("/project/<name>/role/<int:number>", methods=["GET"])
def get_project_role(name: str, number: int) -> Json:
    """For who administers the project, or Jira."""
    project, caller = _project(name), rest.caller()
    if not (caller.is_admin or caller.may("ADMINISTER_PROJECTS")):
        raise RestError(403, ["You cannot edit the configuration of this project."])
    role = next((one for one in _roles() if one.id == number), None)
    if role is None:
        raise RestError(404, [f"Can not retrieve a role actor for role {number}."])
    return {
        "self": datacenter_rest.shown().url(f"project/{project.id}/role/{role.id}"),
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "actors": _actors(role),
    }


def _actors(role: people.ProjectRole) -> list[Json]:
    """By name: a self-managed Jira has no ids for groups."""
    found: list[Json] = []
    for number, person in enumerate(role.members):
        user = users.of(person.account_id)
        found.append(
            {
                "id": role.id * 100 + number,
                "displayName": person.name,
                "type": "atlassian-user-role-actor",
                "name": user.name if user else "",
            }
        )
    for number, group in enumerate(role.groups):
        found.append(
            {
                "id": role.id * 100 + 50 + number,
                "displayName": group.name,
                "type": "atlassian-group-role-actor",
                "name": group.name,
            }
        )
    return found


@route("/issuetype", methods=["GET"])
def get_all_issue_types() -> Response:
    shown = datacenter_rest.shown()
    return jsonify([shown.issue_type(kind) for kind in catalogue.ISSUE_TYPES])


@route("/status", methods=["GET"])
def get_statuses() -> Response:
    shown = datacenter_rest.shown()
    return jsonify([shown.status(status) for status in catalogue.STATUSES])
