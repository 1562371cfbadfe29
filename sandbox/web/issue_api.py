"""REST: issues, their fields, transitions, comments, properties and links."""

import json
from typing import Any

from flask import Response, jsonify, request

from sandbox import beans, catalogue, comments, creation, issues, links, transitions
from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.web import asking, rest
from sandbox.world import Issue

Json = dict[str, Any]

route = rest.BLUEPRINT.route
ISSUE = f"{rest.V3}/issue/<name>"
_OVERRIDES = ("overrideScreenSecurity", "overrideEditableFlag")
_MOST_COMMENTS = 5000
_LARGEST_PAGE = 100


def _beans() -> Beans:
    return asking.jira().beans(rest.caller())


def _issue(name: str) -> Issue:
    return issues.get(asking.jira().world, name, rest.caller())


def _empty(status: int = 204) -> Response:
    return Response(status=status)


@route(ISSUE, methods=["GET"])
def get_issue(name: str) -> Json:
    shown, expand = _beans(), asking.words("expand")
    with shown.world.lock:
        issue = _issue(name)
        answer = shown.issue(issue, asking.words("fields"))
        if "changelog" in expand:
            answer["changelog"] = shown.changelog(issue)
        if "names" in expand:
            answer["names"] = beans.selected(beans.names(), asking.words("fields"))
        if "transitions" in expand:
            moves = transitions.offered(shown.world, issue, rest.caller())
            answer["transitions"] = [shown.transition(issue, made) for made in moves]
        if "editmeta" in expand:
            answer["editmeta"] = beans.edit_meta(shown)
        wanted = asking.words("properties")
        if wanted:
            answer["properties"] = {
                key: value
                for key, value in issue.properties.items()
                if key in wanted or "*all" in wanted
            }
    return answer


@route(ISSUE, methods=["PUT"])
def edit_issue(name: str) -> Json | Response:
    issue = _issue(name)
    for override in _OVERRIDES:
        if request.args.get(override, "false").lower() == "true":
            raise RestError(403, [f"{override} is for administrators only."])
    issues.edit(asking.jira().world, issue, asking.body(), rest.caller())
    if request.args.get("returnIssue", "false").lower() == "true":
        return _beans().issue(issue, [])
    return _empty()


@route(f"{rest.V3}/issue", methods=["POST"])
def create_issue() -> tuple[Json, int]:
    given = asking.body()
    named = given.get("fields")
    if not isinstance(named, dict):
        raise RestError(400, ["fields is required"])
    jira = asking.jira()
    kept = issues.properties_of(given)
    issue = creation.create(jira.world, named, rest.caller(), kept)
    return {
        "id": issue.id,
        "key": issue.key,
        "self": _beans().url(f"issue/{issue.id}"),
    }, 201


@route(f"{ISSUE}/changelog", methods=["GET"])
def get_changelog(name: str) -> Json:
    """Oldest first, unlike `expand=changelog`."""
    shown = _beans()
    with shown.world.lock:
        entries = [shown.change(entry) for entry in _issue(name).history]
    return page(entries, f"issue/{name}/changelog", _LARGEST_PAGE)


def page(values: list[Json], path: str, size: int) -> Json:
    start = asking.number("startAt", 0)
    limit = min(asking.number("maxResults", size), _MOST_COMMENTS)
    return {
        "self": _beans().url(path),
        "maxResults": limit,
        "startAt": start,
        "total": len(values),
        "isLast": start + limit >= len(values),
        "values": values[start : start + limit],
    }


@route(f"{ISSUE}/transitions", methods=["GET"])
def get_transitions(name: str) -> Json:
    shown, wanted = _beans(), request.args.get("transitionId")
    unavailable = request.args.get("includeUnavailableTransitions", "false")
    with shown.world.lock:
        issue = _issue(name)
        several = [
            shown.transition(issue, made)
            for made in transitions.leading_on(issue, rest.caller())
            if wanted in {None, made.id}
        ]
    if unavailable.lower() != "true":
        several = [bean for bean in several if bean["isAvailable"]]
    return {"expand": "transitions", "transitions": several}


@route(f"{ISSUE}/transitions", methods=["POST"])
def do_transition(name: str) -> Response:
    issue = _issue(name)
    transitions.transition(asking.jira().world, issue, asking.body(), rest.caller())
    return _empty()


@route(f"{ISSUE}/editmeta", methods=["GET"])
def get_edit_meta(name: str) -> Json:
    _issue(name)
    return beans.edit_meta(_beans())


@route(f"{ISSUE}/assignee", methods=["PUT"])
def assign(name: str) -> Response:
    issue, person, given = _issue(name), rest.caller(), asking.body()
    if not person.may("ASSIGN_ISSUES"):
        raise RestError(403, ["You do not have permission to assign issues."])
    if "accountId" not in given:
        raise RestError(400, ["accountId is required"])
    account = given["accountId"]
    # "-1" is the project's default assignee: nobody, here
    wanted = None if account in {None, "-1"} else {"accountId": account}
    stored = issues.checked({"assignee": wanted}, person)
    world = asking.jira().world
    with world.change():
        issues.change(world, issue, stored, person)
    return _empty()


@route(f"{ISSUE}/comment", methods=["GET"])
def get_comments(name: str) -> Json:
    shown = _beans()
    with shown.world.lock:
        issue = _issue(name)
        several = [shown.comment(issue, one) for one in issue.comments]
    if request.args.get("orderBy", "").startswith("-"):
        several.reverse()
    start = asking.number("startAt", 0)
    limit = min(asking.number("maxResults", _LARGEST_PAGE), _MOST_COMMENTS)
    return {
        "startAt": start,
        "maxResults": limit,
        "total": len(several),
        "comments": several[start : start + limit],
    }


@route(f"{ISSUE}/comment", methods=["POST"])
def add_comment(name: str) -> tuple[Json, int]:
    issue, person = _issue(name), rest.caller()
    made = comments.add(asking.jira().world, issue, asking.body(), person)
    return _beans().comment(issue, made), 201


@route(f"{ISSUE}/comment/<comment_id>", methods=["GET"])
def get_comment(name: str, comment_id: str) -> Json:
    issue = _issue(name)
    for one in issue.comments:
        if one["id"] == comment_id:
            return _beans().comment(issue, one)
    raise RestError(404, ["Can not find a comment for the id: " + comment_id])


@route(f"{rest.V3}/comment/list", methods=["POST"])
def list_comments() -> Json:
    """Comments by id; the only place that shows their properties."""
    wanted = {str(number) for number in asking.body().get("ids") or []}
    if not wanted:
        raise RestError(400, ["ids is required"])
    shown, person = _beans(), rest.caller()
    found = []
    with shown.world.lock:
        for issue in shown.world.state.issues.values():
            if not issues.visible(issue, person):
                continue
            for one in issue.comments:
                if one["id"] in wanted:
                    bean = shown.comment(issue, one)
                    if "properties" in asking.words("expand"):
                        bean["properties"] = one["properties"]
                    found.append(bean)
    return page(found, "comment/list", _MOST_COMMENTS)


@route(f"{ISSUE}/properties", methods=["GET"])
def list_properties(name: str) -> Json:
    shown = _beans()
    base = shown.url(f"issue/{name}/properties/")
    keys = [{"key": key, "self": base + key} for key in _issue(name).properties]
    return {"keys": keys}


@route(f"{ISSUE}/properties/<key>", methods=["GET"])
def get_property(name: str, key: str) -> Json:
    issue = _issue(name)
    if key not in issue.properties:
        raise RestError(404, [f"The property with key '{key}' does not exist."])
    return {"key": key, "value": issue.properties[key]}


@route(f"{ISSUE}/properties/<key>", methods=["PUT"])
def put_property(name: str, key: str) -> Response:
    issue = _writable(name)
    raw = request.get_data(as_text=True)
    try:
        value = json.loads(raw)
    except ValueError:
        raise RestError(400, ["The property value is no valid JSON."]) from None
    if len(raw) > issues.LARGEST_PROPERTY:
        raise RestError(400, ["The property value is too long: 32768 at most."])
    world = asking.jira().world
    with world.change():
        is_new = key not in issue.properties
        issue.properties[key] = value
        world.touched(issue)
    return _empty(201 if is_new else 200)


@route(f"{ISSUE}/properties/<key>", methods=["DELETE"])
def delete_property(name: str, key: str) -> Response:
    issue, world = _writable(name), asking.jira().world
    with world.change():
        if issue.properties.pop(key, None) is None:
            raise RestError(404, [f"The property with key '{key}' does not exist."])
        world.touched(issue)
    return _empty()


def _writable(name: str) -> Issue:
    issue = _issue(name)
    if not rest.caller().may("EDIT_ISSUES"):
        raise RestError(403, ["You do not have permission to edit this issue."])
    return issue


@route(f"{rest.V3}/issueLink", methods=["POST"])
def link_issues() -> Response:
    links.add(asking.jira().world, asking.body(), rest.caller())
    return _empty(201)


@route(f"{rest.V3}/issueLinkType", methods=["GET"])
def get_link_types() -> Response:
    shown = _beans()
    kinds = [shown.link_type(kind) for kind in catalogue.LINK_TYPES]
    return jsonify({"issueLinkTypes": kinds})
