"""REST v2 of a self-managed Jira: issues, transitions, comments, properties."""

import json
from typing import Any

from flask import Response, request

from sandbox import beans, comments, creation, issues, transitions
from sandbox.datacenter import translation, users
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.web import asking, datacenter_rest, issue_api, rest
from sandbox.world import Issue

Json = dict[str, Any]

BLUEPRINT = datacenter_rest.BLUEPRINT
route = BLUEPRINT.route
ISSUE = "/issue/<name>"
_ALL = 1_048_576
"""What Jira says of a list that it did not cut."""

# these know neither people nor long texts, and are the same in both
for _rule, _view, _method in (
    (f"{ISSUE}/properties", issue_api.list_properties, "GET"),
    (f"{ISSUE}/properties/<key>", issue_api.get_property, "GET"),
    (f"{ISSUE}/properties/<key>", issue_api.put_property, "PUT"),
    (f"{ISSUE}/properties/<key>", issue_api.delete_property, "DELETE"),
    (f"{ISSUE}/editmeta", issue_api.get_edit_meta, "GET"),
    ("/issueLink", issue_api.link_issues, "POST"),
    ("/issueLinkType", issue_api.get_link_types, "GET"),
):
    BLUEPRINT.add_url_rule(_rule, view_func=_view, methods=[_method])


def _issue(name: str) -> Issue:
    return issues.get(asking.jira().world, name, rest.caller())


def _empty(status: int = 204) -> Response:
    return Response(status=status)


@route(ISSUE, methods=["GET"])
def get_issue(name: str) -> Json:
    shown, expand = datacenter_rest.shown(), asking.words("expand")
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
def edit_issue(name: str) -> Response:
    body = translation.issue(asking.body())
    issues.edit(asking.jira().world, _issue(name), body, rest.caller())
    return _empty()


@route("/issue", methods=["POST"])
def create_issue() -> tuple[Json, int]:
    given = translation.issue(asking.body())
    named = given.get("fields")
    if not isinstance(named, dict):
        raise RestError(400, ["fields is required"])
    kept = issues.properties_of(given)
    issue = creation.create(asking.jira().world, named, rest.caller(), kept)
    place = datacenter_rest.shown().url(f"issue/{issue.id}")
    return {"id": issue.id, "key": issue.key, "self": place}, 201


@route(f"{ISSUE}/transitions", methods=["GET"])
def get_transitions(name: str) -> Json:
    """Only those that the caller can make: Jira tells of no others."""
    shown, wanted = datacenter_rest.shown(), request.args.get("transitionId")
    with shown.world.lock:
        issue = _issue(name)
        several = [
            shown.transition(issue, made)
            for made in transitions.offered(shown.world, issue, rest.caller())
            if wanted in {None, made.id}
        ]
    return {"expand": "transitions", "transitions": several}


@route(f"{ISSUE}/transitions", methods=["POST"])
def do_transition(name: str) -> Response:
    issue, body = _issue(name), translation.issue(asking.body())
    transitions.transition(asking.jira().world, issue, body, rest.caller())
    return _empty()


@route(f"{ISSUE}/assignee", methods=["PUT"])
def assign(name: str) -> Response:
    issue, person = _issue(name), rest.caller()
    if not person.may("ASSIGN_ISSUES"):
        raise RestError(403, ["You do not have permission to assign issues."])
    wanted = translation.user("assignee", asking.body())
    stored = issues.checked({"assignee": wanted}, person)
    world = asking.jira().world
    with world.change():
        issues.change(world, issue, stored, person)
    return _empty()


@route(f"{ISSUE}/watchers", methods=["GET"])
def get_watchers(name: str) -> Json:
    shown, issue = datacenter_rest.shown(), _issue(name)
    return {
        "self": shown.url(f"issue/{issue.key}/watchers"),
        "isWatching": rest.caller().account_id in issue.watchers,
        "watchCount": len(issue.watchers),
        "watchers": [shown.person(account) for account in issue.watchers],
    }


@route(f"{ISSUE}/watchers", methods=["POST"])
def add_watcher(name: str) -> Response:
    """The body is a user's name as a JSON string; without one it is the caller."""
    given = request.get_json(silent=True)
    return _watch(name, str(given) if given else None, watches=True)


@route(f"{ISSUE}/watchers", methods=["DELETE"])
def remove_watcher(name: str) -> Response:
    return _watch(name, request.args.get("username"), watches=False)


def _watch(name: str, username: str | None, *, watches: bool) -> Response:
    issue, caller = _issue(name), rest.caller()
    person = caller if username is None else users.named(username)
    if person is None:
        raise RestError(404, [f"The user with name '{username}' does not exist"])
    if person != caller and not caller.may("MANAGE_WATCHERS"):
        raise RestError(401, ["You do not have permission to manage the watcher list."])
    with asking.jira().world.change():
        others = [one for one in issue.watchers if one != person.account_id]
        issue.watchers[:] = [*others, person.account_id] if watches else others
    return _empty()


@route(f"{ISSUE}/comment", methods=["GET"])
def get_comments(name: str) -> Json:
    with asking.jira().world.lock:
        several = [_comment(_issue(name), one) for one in _issue(name).comments]
    if request.args.get("orderBy", "").startswith("-"):
        several.reverse()
    start, limit = asking.number("startAt", 0), asking.number("maxResults", _ALL)
    return {
        "startAt": start,
        "maxResults": limit,
        "total": len(several),
        "comments": several[start : start + limit],
    }


def _comment(issue: Issue, one: Json) -> Json:
    bean = datacenter_rest.shown().comment(issue, one)
    if "properties" in asking.words("expand"):
        bean["properties"] = one["properties"]
    return bean


@route(f"{ISSUE}/comment", methods=["POST"])
def add_comment(name: str) -> tuple[Json, int]:
    issue, body = _issue(name), translation.comment(asking.body())
    made = comments.add(asking.jira().world, issue, body, rest.caller())
    return _comment(issue, made), 201


@route(f"{ISSUE}/comment/<comment_id>", methods=["GET"])
def get_comment(name: str, comment_id: str) -> Json:
    issue = _issue(name)
    for one in issue.comments:
        if one["id"] == comment_id:
            return _comment(issue, one)
    raise RestError(404, [f"Can not find a comment for the id: {comment_id}."])


@route("/comment/<comment_id>/properties", methods=["GET"])
def list_comment_properties(comment_id: str) -> Json:
    base = datacenter_rest.shown().url(f"comment/{comment_id}/properties/")
    found = _said(comment_id, rest.caller())["properties"]
    return {"keys": [{"key": p["key"], "self": base + p["key"]} for p in found]}


@route("/comment/<comment_id>/properties/<key>", methods=["GET"])
def get_comment_property(comment_id: str, key: str) -> Json:
    for one in _said(comment_id, rest.caller())["properties"]:
        if one["key"] == key:
            return {"key": key, "value": one["value"]}
    raise RestError(404, [f"The property with key '{key}' does not exist."])


@route("/comment/<comment_id>/properties/<key>", methods=["PUT"])
def put_comment_property(comment_id: str, key: str) -> Response:
    said = _said(comment_id, rest.caller())
    if said["author"] != rest.caller().account_id:
        raise RestError(403, ["You do not have permission to edit this comment."])
    try:
        value = json.loads(request.get_data(as_text=True))
    except ValueError:
        raise RestError(400, ["The property value is no valid JSON."]) from None
    with asking.jira().world.change():
        others = [one for one in said["properties"] if one["key"] != key]
        is_new = len(others) == len(said["properties"])
        said["properties"] = [*others, {"key": key, "value": value}]
    return _empty(201 if is_new else 200)


def _said(comment_id: str, person: Person) -> Json:
    for issue in asking.jira().world.state.issues.values():
        for one in issue.comments:
            if one["id"] == comment_id and issues.visible(issue, person):
                return one
    raise RestError(404, [f"Can not find a comment for the id: {comment_id}."])
