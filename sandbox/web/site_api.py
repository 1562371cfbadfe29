"""REST: people, projects, fields and the site itself."""

from typing import Any

from flask import Response, jsonify, request

from sandbox import beans, catalogue, issues, people
from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.web import asking, rest

Json = dict[str, Any]

route = rest.BLUEPRINT.route
_LARGEST_PAGE = 50


def _beans() -> Beans:
    return Beans(asking.jira().world, rest.caller())


@route(f"{rest.V3}/myself", methods=["GET"])
def myself() -> Json:
    return _beans().user(rest.caller())


@route(f"{rest.V3}/user", methods=["GET"])
def get_user() -> Json:
    person = people.find(request.args.get("accountId"))
    if person is None:
        raise RestError(404, ["Specified user does not exist or you cannot see it."])
    return _beans().user(person)


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


@route("/atlassian-connect/1/addons/<key>", methods=["GET"])
def addon(key: str) -> Json:
    """What an add-on learns about itself; licences are not played."""
    jira = asking.jira()
    descriptor = jira.addon.descriptor
    if not rest.caller().is_app or key != descriptor.get("key"):
        raise RestError(404, [f"There is no app {key!r}."])
    return {
        "key": key,
        "version": "1.0.0-AC",
        "state": "ENABLED",
        "host": {"product": "Jira", "contacts": []},
        "links": {
            "marketplace": [],
            "self": [{"href": f"{jira.site.base_url}{request.path}"}],
        },
    }
