"""What Forge's front end gets: JSON, which says inside it what we thought of the call.

Atlassian documents that an answer without a status of 2xx reaches a page as a failure
and nothing else, and that it must be JSON (docs/adr/0011). A page that is to show what
is wrong in its form, or that something is gone, needs more: so each answer to a call
that we let in is 200, `{"answered": 422, "body": {…}}`, a fragment `{"html": "…"}`.
"""

from typing import Any

from flask import Response, jsonify

REFUSED, SERVER_ERROR = 401, 500


def as_json(response: Response) -> Response:
    """Put an answer inside another one; refusals and faults stay what they are."""
    status = response.status_code
    if status == REFUSED or status >= SERVER_ERROR:
        return response
    wrapped = jsonify(answered=status, body=_body(response))
    for name, value in response.headers.items():
        if name.casefold() not in {"content-type", "content-length"}:
            wrapped.headers[name] = value
    return wrapped


def _body(response: Response) -> Any:  # noqa: ANN401 -- whatever a view says
    if response.mimetype == "text/html":
        return {"html": response.get_data(as_text=True)}
    return response.get_json(silent=True)
