"""The gate of REST v2, which only a self-managed Jira has here: personal access tokens.

Whoever has one is its owner, with all that he may do. No token of Connect's or Forge's
opens anything, and a call without one is nobody's.
"""

import time

from flask import Blueprint, Response, g, request

from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.web import asking, rest
from sandbox.web.rest import Visit

BLUEPRINT = Blueprint("datacenter_rest", __name__, url_prefix="/rest/api/2")
ANONYMOUS = frozenset({"get_server_info", "my_permissions"})
"""Answered to nobody in particular as well."""
_UNAUTHENTICATED = "Client must be authenticated to access this resource."
_PAGE = """<html><head><title>Unauthorized (401)</title></head>
<body><h1>Unauthorized (401)</h1>
<p>Encountered a "401 - Unauthorized" error while loading this page.</p></body></html>
"""


def shown() -> Beans:
    """How things look to the caller."""
    return asking.jira().beans(rest.caller())


@BLUEPRINT.url_value_preprocessor
def arrive(_: str | None, __: object) -> None:
    g.visit = Visit(time.monotonic())


@BLUEPRINT.before_request
def admit() -> Response | None:
    if not asking.jira().is_datacenter:
        return rest.nowhere()
    now, given = rest.visit(), request.headers.get("Authorization", "")
    if not given:
        now.verdict, now.why = "refused", "no token"
        if (request.endpoint or "").rpartition(".")[2] in ANONYMOUS:
            now.verdict, now.why, now.note = "verified", "", "nobody in particular"
            return rest.armed()
        return rest.said(401, _UNAUTHENTICATED)
    person, now.why = _judged(given)
    if person is None:
        now.verdict = "refused"
        return _unauthorised()
    now.person, now.verdict = person, "verified"
    now.note = f"personal access token of {person.name}"
    return rest.armed()


def _judged(given: str) -> tuple[Person | None, str]:
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        # the site's owner has switched basic authentication off, as Jira 11 comes
        return None, f"{scheme} is no way in: only personal access tokens are taken"
    if asking.jira().refuses_addon:
        return None, "mishap: every call of the add-on is refused"
    return asking.jira().datacenter.access.judge(token.strip())


def _unauthorised() -> Response:
    """A page, whatever was asked for: Jira's filter answers before REST does."""
    realm = asking.jira().site.base_url
    headers = {
        "WWW-Authenticate": f'OAuth realm="{realm}"',
        "X-Seraph-LoginReason": "AUTHENTICATED_FAILED",
    }
    return Response(_PAGE, 401, headers, mimetype="text/html")


BLUEPRINT.register_error_handler(RestError, rest.failed)
BLUEPRINT.after_request(rest.record)


@BLUEPRINT.route("/<path:path>", methods=rest.METHODS)
def unknown(path: str) -> Response:
    del path
    return rest.nowhere()
