"""The control API, for tests and scripts: everything the buttons do, as JSON.

Under `/sandbox/api/`, loopback only; `user` is a first name (ada, dee, vic, or
countersign for the add-on's account) or an account id.

    GET    state                            site, issues with comments and history
    GET    traffic?limit=n                  newest first; no secret, no whole token
    POST   reset                            a new site: other keys, no add-on
    POST   issues {project?, issuetype?, summary?, ..., user?}
    DELETE issues/<key>
    POST   issues/<key>/transition {id | name, user?}
    POST   issues/<key>/comment {text | body, user?}
    POST   issues/<key>/status {status}     no history, nothing fires
    GET    workflow?name=                   transitions with their published rules
    POST   post-functions {transition, value, workflow?, module?, id?}   and publish
    POST   conditions {transition, value, workflow?, module?}            and publish
    DELETE post-functions/<id>?workflow=    conditions/<id>?workflow=
    POST   workflows {copy_of, name, project?}   copies rules with their ids
    POST   install | uninstall
    POST   permissions {user, permission, granted}   taken from somebody, or given back
    POST   context-token {user?, context?}  as AP.context.getToken
    POST   iframe {module, user?} or {view, function?, user?}   a signed iframe URL
    POST   mishaps/<name> {issue?, arm?, seconds?, times?, on?}
    POST   clock {offset_seconds}           this Jira's clock is wrong by so much
    POST   settings {lag?, retry_seconds?, identifier_header?}
    POST   deliver                          synchronously, when not in background
    POST   wait {seconds?}                  until nothing is under way: {"idle": bool}

Of a self-managed Jira alone (`--datacenter`); `transition` adds a post function, too:

    GET    datacenter                       tokens, webhooks, scripts
    POST   pats {user?, name?, days?}       a personal access token; DELETE pats/<id>
    POST   webhooks {url, name?, secret?, events?, jql?, transition?, workflow?}
    POST   scripts {url, issuer, algorithm?, secret?, name?, transition?, workflow?}
    DELETE webhooks/<id>                    scripts/<id>
    GET    site-keys/<algorithm>            the public key that scripts sign with
    GET    issues/<key>/marks               links and mentions that each comment makes
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request

from sandbox import adf, catalogue, mishaps, workflow
from sandbox.addon import AddonError, Answer
from sandbox.issues import RestError
from sandbox.jira import Jira
from sandbox.people import ADA
from sandbox.web import asking, causing
from sandbox.workflow import WorkflowError
from sandbox.world import Issue

Json = dict[str, Any]

BLUEPRINT = Blueprint("control", __name__, url_prefix="/sandbox/api")


def given_json() -> Json:
    """The object of the request; empty without one."""
    given = request.get_json(silent=True)
    return given if isinstance(given, dict) else {}


@BLUEPRINT.errorhandler(LookupError)
@BLUEPRINT.errorhandler(WorkflowError)
def missing(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 404


@BLUEPRINT.errorhandler(mishaps.MishapError)
@BLUEPRINT.errorhandler(AddonError)
def impossible(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 409


@BLUEPRINT.errorhandler(RestError)
def refused(error: RestError) -> tuple[Json, int]:
    return {"errorMessages": error.messages, "errors": error.errors}, error.status


def _issue(jira: Jira, issue: Issue) -> Json:
    shown = jira.beans(ADA)
    return {
        "id": issue.id,
        "key": issue.key,
        "summary": issue.fields["summary"],
        "status": jira.status_of(issue.id),
        "labels": issue.fields["labels"],
        "fields": shown.fields(issue),
        "comments": [
            {
                "id": one["id"],
                "author": one["author"],
                "text": adf.text(one["body"]),
                "properties": one["properties"],
            }
            for one in issue.comments
        ],
        "history": [shown.change(entry) for entry in issue.history],
        "properties": issue.properties,
    }


@BLUEPRINT.get("/state")
def state() -> Json:
    jira = asking.jira()
    site = jira.site
    with jira.world.lock:
        return {
            "clientKey": site.client_key,
            "baseUrl": site.base_url,
            "installed": site.installed,
            "now": jira.world.stamp(),
            "pending": jira.deliveries.pending(),
            "issues": [_issue(jira, i) for i in jira.world.state.issues.values()],
            "workflows": {
                name: asdict(flow) for name, flow in jira.world.state.workflows.items()
            },
        }


@BLUEPRINT.get("/traffic")
def traffic() -> Response:
    limit = int(request.args.get("limit", "200"))
    return jsonify([entry.json() for entry in asking.jira().traffic.newest(limit)])


@BLUEPRINT.post("/reset")
def reset() -> Json:
    asking.jira().reset()
    return {"clientKey": asking.jira().site.client_key}


@BLUEPRINT.post("/issues")
def create_issue() -> tuple[Json, int]:
    given, jira = given_json(), asking.jira()
    issue = jira.create_issue(given.pop("user", "ada"), **given)
    return _issue(jira, issue), 201


@BLUEPRINT.delete("/issues/<key>")
def delete_issue(key: str) -> Json:
    asking.jira().delete_issue(key)
    return {"deleted": key}


@BLUEPRINT.post("/issues/<key>/transition")
def transition(key: str) -> Json:
    given, jira = given_json(), asking.jira()
    to = str(given.get("id") or given.get("name") or "")
    jira.transition(key, to, str(given.get("user", "ada")))
    return _issue(jira, jira.issue(key))


@BLUEPRINT.post("/issues/<key>/comment")
def comment(key: str) -> tuple[Json, int]:
    given, jira = given_json(), asking.jira()
    body = given.get("body") or str(given.get("text", ""))
    jira.comment(key, body, str(given.get("user", "ada")))
    return _issue(jira, jira.issue(key)), 201


@BLUEPRINT.post("/issues/<key>/status")
def set_status(key: str) -> Json:
    jira = asking.jira()
    jira.set_status(key, str(given_json().get("status", "")))
    return _issue(jira, jira.issue(key))


def answer(given: Answer) -> Json:
    return {"status": given.status, "answer": given.text[:500]}


@BLUEPRINT.post("/install")
def install() -> Json:
    return answer(asking.jira().install())


@BLUEPRINT.post("/uninstall")
def uninstall() -> Json:
    return answer(asking.jira().uninstall())


@BLUEPRINT.post("/permissions")
def permissions() -> Json:
    given = given_json()
    user, permission = str(given.get("user", "ada")), str(given.get("permission", ""))
    granted = bool(given.get("granted"))
    asking.jira().set_permission(user, permission, granted=granted)
    return {"user": user, "permission": permission, "granted": granted}


@BLUEPRINT.post("/context-token")
def context_token() -> Json:
    given = given_json()
    user = str(given.get("user", "ada"))
    return {"token": asking.jira().context_token(user, given.get("context"))}


@BLUEPRINT.post("/iframe")
def iframe() -> Json:
    given, jira = given_json(), asking.jira()
    user, view = str(given.get("user", "ada")), given.get("view")
    if view is None:
        return {"url": jira.page_url(str(given.get("module", "")), user)}
    function = None
    if "function" in given:
        flow = workflow.get(jira.world, given.get("workflow", catalogue.WORKFLOW))
        function = workflow.find(flow, str(given["function"]))
    return {"url": jira.post_function_url(view, user, function=function)}


@BLUEPRINT.post("/mishaps/<name>")
def mishap(name: str) -> Json:
    return asdict(causing.cause(asking.jira(), name, given_json()))


@BLUEPRINT.post("/clock")
def clock() -> Json:
    world = asking.jira().world
    world.offset = timedelta(seconds=float(given_json().get("offset_seconds", 0)))
    return {"now": world.stamp()}


@BLUEPRINT.post("/settings")
def settings() -> Json:
    given, jira = given_json(), asking.jira()
    if "lag" in given:
        jira.lag = float(given["lag"])
        jira.world.lag = timedelta(seconds=jira.lag)
    if "retry_seconds" in given:
        jira.retry_seconds = float(given["retry_seconds"])
        jira.firing.retry_delay = timedelta(seconds=jira.retry_seconds)
    if "identifier_header" in given:
        jira.firing.identifier_header = bool(given["identifier_header"])
    return {
        "lag": jira.world.lag.total_seconds(),
        "retry_seconds": jira.firing.retry_delay.total_seconds(),
        "identifier_header": jira.firing.identifier_header,
    }


@BLUEPRINT.post("/deliver")
def deliver() -> Json:
    return {"delivered": asking.jira().deliver_pending()}


@BLUEPRINT.post("/wait")
def wait() -> Json:
    seconds = float(given_json().get("seconds", 10))
    return {"idle": asking.jira().wait_until_delivered(seconds)}
