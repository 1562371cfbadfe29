"""The gate of the REST API: who calls, whether the token is good, what is recorded.

Three callers: the add-on with its JWT, judged by the sandbox's own code against the
current secret; the signed-in user of the sandbox, for AP.request and requestJira; and
the Forge app with an access token, through Atlassian's gateway under `/ex/jira`.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from markupsafe import escape

from sandbox import people, tokens
from sandbox.armed import ArmedAnswer
from sandbox.forge import scopes
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.traffic import TO_JIRA, Entry
from sandbox.web import asking

Json = dict[str, Any]

BLUEPRINT = Blueprint("rest", __name__, url_prefix="/rest")
V3 = "/api/3"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
GATEWAY = "/ex/jira/<cloud_id>/rest"
"""Where the same API is served to Forge apps."""
READING_POSTS = frozenset({"search_by_post", "check_permissions", "list_comments"})
UNSCOPED = frozenset({"addon", "get_addon_property"})
SCOPES = {"get_roles": "ADMIN", "put_rules": "ADMIN"}
"""Where Jira wants more of an app than READ or WRITE (its OpenAPI says where)."""


@dataclass
class Visit:
    """One call of the API, from its door to the traffic log."""

    started: float
    person: Person | None = None
    cloud_id: str | None = None
    """Of the site the gateway was asked for; None at the site itself."""
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
    scheme, _, value = _authorisation()
    header = [value] if scheme.lower() == "jwt" else []
    return header + request.args.getlist("jwt")


@BLUEPRINT.url_value_preprocessor
def arrive(_: str | None, values: dict[str, Any] | None) -> None:
    cloud_id = values.pop("cloud_id", None) if values else None
    g.visit = Visit(time.monotonic(), cloud_id=cloud_id)


@BLUEPRINT.before_request
def admit() -> Response | None:
    now = visit()
    if asking.jira().is_datacenter:
        now.verdict, now.why = "refused", "a self-managed Jira has no such address"
        return nowhere()
    if now.cloud_id is not None:
        return _admit_forge(now, now.cloud_id)
    presented = _presented()
    if presented:
        return _admit_addon(now, presented)
    person = asking.signed_in()
    if person is None or "Authorization" in request.headers:
        now.verdict, now.why = "refused", "no token and no signed-in user"
        return _unauthorised("Client must be authenticated to access this resource.")
    now.person, now.verdict = person, "verified"
    now.note = f"browser, as {person.name}"
    # asked in the name of an app: the person's rights and the app's scopes count
    if "X-Forge-App" in request.headers:
        return _without_body() or _forge_scope()
    return _without_body() or (_scope() if "AP-App-Key" in request.headers else None)


def _admit_forge(now: Visit, cloud_id: str) -> Response | None:
    jira, (scheme, _, token) = asking.jira(), _authorisation()
    judged = jira.forge.app.access.judge(token)
    now.token, now.claims, now.note = token, judged.claims or {}, "through Forge"
    now.verdict, now.why = "refused", judged.why
    if scheme.lower() != "bearer":
        now.why = "no bearer token"
    elif cloud_id != jira.site.cloud_id:
        now.why = "the token is for another site"
    elif jira.refuses_addon:
        now.why = "mishap: every call of the app is refused"
    if now.why or judged.person is None:
        return _closed("Unauthorized")
    now.person, now.verdict = judged.person, "verified"
    now.note = f"through Forge, as {now.person.name}"
    return _forge_scope() or armed() or _without_body()


def _authorisation() -> tuple[str, str, str]:
    scheme, gap, value = request.headers.get("Authorization", "").partition(" ")
    return scheme, gap, value.strip()


def _forge_scope() -> Response | None:
    wanted = scopes.of(request.method, _name())
    if wanted <= asking.jira().forge.app.manifest.scopes:
        return None
    visit().why = f"scope {min(wanted)} is not in the manifest"
    return _closed("Unauthorized; scope does not match")


def _closed(words: str) -> Response:
    """How Atlassian's gateway refuses, before Jira hears of it."""
    answer = jsonify({"code": 401, "message": words})
    answer.status_code = 401
    return answer


def _name() -> str:
    """Of the view: the same API is served at two places."""
    return (request.endpoint or "").rpartition(".")[2]


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
    return armed() or _without_body() or _scope()


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
    reads = request.method == "GET" or _name() in READING_POSTS
    scope = SCOPES.get(_name(), "READ" if reads else "WRITE")
    if _name() in UNSCOPED or asking.jira().addon.may(scope):
        return None
    visit().why = f"scope {scope} is not granted"
    return _refused(403, f"The app lacks the scope {scope} for this resource.")


def armed() -> Response | None:
    """A mishap that waits for the next answer is used up here."""
    jira = asking.jira()
    with jira.world.lock:
        found = jira.armed_answers.popleft() if jira.armed_answers else None
    if found is None:
        return None
    visit().note = f"mishap: {found.words}"
    if found.delay:
        jira.sleep(found.delay)
    return _overloaded(found) if found.status else None


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


@BLUEPRINT.route("/<path:path>", methods=METHODS)
def unknown(path: str) -> Response:
    return _refused(404, f"null for uri: {asking.jira().site.base_url}/rest/{path}")


def nowhere() -> Response:
    """How a self-managed Jira says that nothing is there: not as REST errors are."""
    return said(404, f"null for uri: {request.base_url}")


def said(status: int, words: str) -> Response:
    """An answer of the REST framework itself: XML, unless JSON is asked for."""
    if "json" in request.headers.get("Accept", ""):
        answer = jsonify({"message": words, "status-code": status})
    else:
        text = f"<status-code>{status}</status-code><message>{escape(words)}</message>"
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        answer = Response(f"{head}<status>{text}</status>", mimetype="application/xml")
    answer.status_code = status
    return answer
