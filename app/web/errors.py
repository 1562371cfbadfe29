"""The one table from exceptions to HTTP answers."""

import logging

import sqlalchemy as sa
from flask import Flask, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from app import patience
from app.connect.install_keys import KeysAwayError
from app.forge.keys import ForgeKeysAwayError
from app.listeners import KeySetsAwayError
from app.rules import InvalidRuleError
from app.tokens.checks import Reason, Refused
from app.under_way import BusyError
from app.web import measuring
from app.web.context import runtime, web
from app.web.headers import static_url
from app.web.permissions import UnseenError
from app.web.refusals import Refusal

log = logging.getLogger(__name__)

CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    414: "too-long",
    415: "unsupported-media-type",
}


AGAIN = {"Retry-After": "10"}
"""With what is no verdict: in so many seconds it may be answered otherwise."""

FORBIDDEN = {"pages": "forbidden.html", "issue_page": "issue_forbidden.html"}
"""The blueprints of whole pages: what each shows to whom Jira does not confirm."""


class BadRequestError(Exception):
    """The caller is who he says, and what he sent cannot be read."""


def init_app(flask: Flask) -> None:
    flask.register_error_handler(Refused, _refused)
    flask.register_error_handler(KeysAwayError, _keys_away)
    flask.register_error_handler(ForgeKeysAwayError, _keys_away)
    flask.register_error_handler(KeySetsAwayError, _keys_away)
    flask.register_error_handler(BadRequestError, _bad_request)
    flask.register_error_handler(BusyError, _busy)
    flask.register_error_handler(InvalidRuleError, _unprocessable)
    flask.register_error_handler(DBAPIError, _unavailable)
    flask.register_error_handler(sa.exc.TimeoutError, _unavailable)
    flask.register_error_handler(HTTPException, _http)
    flask.register_error_handler(Exception, _bug)


def _refused(error: Refused) -> ResponseReturnValue:
    # Every refused token looks the same outside; why is for the audit log (T0c).
    measuring.refused(error.reason)
    refusal = Refusal(
        error=error,
        route=str(request.endpoint),
        claimed_issuer=g.get("claimed_issuer", ""),
        tenant_id=g.get("tenant_id"),
        listener_id=g.get("listener_id"),
        account_id=g.caller.verified.account_id if "caller" in g else None,
    )
    try:
        web().refusals.record(refusal)
    except (DBAPIError, sa.exc.TimeoutError) as unwritten:
        # The verdict stands: it hangs on the call alone. That it is told of waits.
        web().refusals.put_off(refusal)
        _note(unwritten)
    forbidden = error.reason is Reason.NOT_PERMITTED
    status = 403 if forbidden else 401
    if request.blueprint in FORBIDDEN:
        page = FORBIDDEN[request.blueprint] if forbidden else "refused.html"
        return _page(page), status
    if isinstance(error, UnseenError):
        # As Jira itself answers: what is hidden from a person is not there for him.
        return {"error": CODES[404]}, 404
    return {"error": "forbidden" if forbidden else "unauthorized"}, status


def _page(name: str) -> str:
    """Return one of two pages, each the same for everybody.

    Jira's library is in them, or Jira would say of its frame that it does not respond.
    """
    library = runtime().settings.ap_js_url
    return render_template(name, stylesheet=static_url("app.css"), ap_js_url=library)


def _keys_away(
    error: KeysAwayError | ForgeKeysAwayError | KeySetsAwayError,
) -> ResponseReturnValue:
    # Not a verdict: Jira may call again, and does for failed updates and events; so
    # may a listener.
    log.error("keys to verify with: %s", error)
    return {"error": "unavailable"}, 503, AGAIN


def _bad_request(error: BadRequestError) -> ResponseReturnValue:
    return {"error": "bad-request", "message": str(error)}, 400


def _busy(_: BusyError) -> ResponseReturnValue:
    message = "Another host is being asked just now. Try again in a few seconds"
    return {"error": "too-many", "message": message}, 429


def _unprocessable(error: InvalidRuleError) -> ResponseReturnValue:
    problems = [{"key": p.key, "message": p.message} for p in error.problems]
    return {"error": "invalid-rule", "problems": problems}, 422


def _unavailable(error: Exception) -> ResponseReturnValue:
    # Nothing is half done: what the call began was one transaction.
    _note(error)
    return {"error": "unavailable"}, 503, AGAIN


def _note(error: Exception) -> None:
    web().recordability.doubt()
    log.error("database: %s", patience.words_of(error))


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    answer = {"error": CODES.get(status, "refused" if status < 500 else "failed")}  # noqa: PLR2004
    headers = (
        {"Allow": ", ".join(sorted(request.url_rule.methods or ()))}
        if (
            status == 405 and request.url_rule  # noqa: PLR2004
        )
        else {}
    )
    return answer, status, headers


def _bug(error: Exception) -> ResponseReturnValue:
    log.error("bug: %s", type(error).__name__, exc_info=error)
    return {"error": "failed"}, 500
