"""The gate of the REST API: who calls, whether the token is good, what is recorded.

Two callers: the add-on with its JWT, judged by the sandbox's own code against the
current secret; and the signed-in user of the sandbox, for AP.request.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from sandbox import people, tokens
from sandbox.issues import RestError
from sandbox.jira import ArmedAnswer
from sandbox.people import Person
from sandbox.traffic import TO_JIRA, Entry
from sandbox.web import asking

Json = dict[str, Any]

BLUEPRINT = Blueprint("rest", __name__, url_prefix="/rest")
V3 = "/api/3"
READING_POSTS = frozenset(
    {"rest.search_by_post", "rest.check_permissions", "rest.list_comments"}
)
UNSCOPED = frozenset({"rest.addon"})
SCOPES = {"rest.get_roles": "ADMIN"}
"""Where Jira wants more of an app than READ or WRITE (its OpenAPI says where)."""


@dataclass
class Visit:
    """One call of the API, from its door to the traffic log."""

    started: float
    person: Person | None = None
    token: str = ""
    verdict: str = ""
    why: str = ""
    note: str = ""
    claims: Json = field(default_factory=dict)


def caller() -> Person:
    person = visit().person
    if person is None:
        raise RestError(401, ["Client must be authenticated."])
    return person


def visit() -> Visit:
    found = g.visit
    if not isinstance(found, Visit):
        raise TypeError("outside of the REST API")
    return found


def _presented() -> list[str]:
    """Every token of the request: it has to be in exactly one place."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    header = [value.strip()] if scheme.lower() == "jwt" else []
    return header + request.args.getlist("jwt")


@BLUEPRINT.before_request
def admit() -> Response | None:
    g.visit = now = Visit(time.monotonic())
    presented = _presented()
    if presented:
        return _admit_addon(now, presented)
    person = asking.signed_in()
    if person is None or "Authorization" in request.headers:
        now.verdict, now.why = "refused", "no token and no signed-in user"
        return _unauthorised("Client must be authenticated to access this resource.")
    now.person, now.verdict = person, "verified"
    now.note = f"browser, as {person.name}"
    # AP.request asks in the name of an app: the person's rights and its scopes count
    return _without_body() or (_scope() if "AP-App-Key" in request.headers else None)


def _admit_addon(now: Visit, presented: list[str]) -> Response | None:
    now.token, now.claims = presented[0], tokens.peek(presented[0])
    why = _judged(presented)
    if asking.jira().refuses_addon:
        now.verdict, now.why = "refused", "mishap: every call of the add-on is refused"
        return _unauthorised(f"The JWT was refused: {tokens.WRONG_SECRET}.")
    if why is not None:
        now.verdict, now.why = "refused", why
        return _unauthorised(f"The JWT was refused: {why}.")
    now.person, now.verdict = people.APP, "verified"
    return _armed() or _without_body() or _scope()


def _judged(presented: list[str]) -> str | None:
    jira = asking.jira()
    if len(presented) > 1:
        return "more than one token"
    if not jira.site.installed:
        return "the add-on is not installed"
    question = tokens.Question(
        app_key=str(jira.addon.descriptor["key"]),
        secret=jira.site.shared_secret,
        method=request.method,
        target=asking.target(),
        base_path="",
        now=jira.world.now(),
    )
    return tokens.judge(presented[0], question)


def _unauthorised(text: str) -> Response:
    headers = {"WWW-Authenticate": "JWT"}
    return Response(text, 401, headers, mimetype="text/plain")


def _without_body() -> Response | None:
    if request.method == "GET" and request.get_data(cache=True):
        visit().why = "a GET with a body"
        return _refused(403, "A GET request must not have a body.")
    return None


def _scope() -> Response | None:
    reads = request.method == "GET" or request.endpoint in READING_POSTS
    scope = SCOPES.get(request.endpoint or "", "READ" if reads else "WRITE")
    if request.endpoint in UNSCOPED or asking.jira().addon.may(scope):
        return None
    visit().why = f"scope {scope} is not granted"
    return _refused(403, f"The app lacks the scope {scope} for this resource.")


def _armed() -> Response | None:
    """A mishap that waits for the next answer is used up here."""
    jira = asking.jira()
    with jira.world.lock:
        armed = jira.armed_answers.popleft() if jira.armed_answers else None
    if armed is None:
        return None
    visit().note = f"mishap: {armed.words}"
    if armed.delay:
        jira.sleep(armed.delay)
    return _overloaded(armed) if armed.status else None


def _overloaded(armed: ArmedAnswer) -> Response:
    answer = _refused(armed.status, f"Sandbox mishap: {armed.words}")
    if armed.retry_after:
        answer.headers["Retry-After"] = str(armed.retry_after)
        answer.headers["X-RateLimit-Remaining"] = "0"
        answer.headers["RateLimit-Reason"] = "jira-burst-based"
    return answer


def _refused(status: int, text: str) -> Response:
    answer = jsonify({"errorMessages": [text], "errors": {}})
    answer.status_code = status
    return answer


@BLUEPRINT.errorhandler(RestError)
def failed(error: RestError) -> Response:
    answer = jsonify({"errorMessages": error.messages, "errors": error.errors})
    answer.status_code = error.status
    visit().why = "; ".join([*error.messages, *error.errors.values()])[:300]
    return answer


@BLUEPRINT.after_request
def record(answer: Response) -> Response:
    now, jira = visit(), asking.jira()
    jira.traffic.add(
        Entry(
            at=jira.world.stamp(),
            direction=TO_JIRA,
            method=request.method,
            url=asking.target(),
            claims=now.claims,
            verdict=now.verdict,
            why=now.why,
            status=answer.status_code,
            milliseconds=round((time.monotonic() - now.started) * 1000),
            note=now.note,
        )
    )
    return answer


@BLUEPRINT.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def unknown(path: str) -> Response:
    return _refused(404, f"null for uri: {asking.jira().site.base_url}/rest/{path}")
