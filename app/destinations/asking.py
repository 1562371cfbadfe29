"""Questions to a receiver that begin nothing there, and what it says to them."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from app.destinations.answers import judge
from app.destinations.attempting import USER_AGENT, Line, Target
from app.destinations.findings import NotNowError
from app.http import Request, Response, SendError, refuse_odd

UNASKED = timedelta(minutes=1)
"""How long it is left alone that could not be asked."""

_OK = 200
_BUSY = frozenset({429, 503})


def _root(value: str) -> str:
    refuse_odd(value)
    if "?" in value or "@" in value or "\\" in value:
        raise ValueError("write the address alone, without a user and without “?”")
    try:
        is_whole = bool(urlsplit(value).hostname)
    except ValueError:
        is_whole = False
    if not is_whole or not value.startswith(("https://", "http://")):
        raise ValueError("the address must begin with https://")
    return value.rstrip("/")


Root = Annotated[str, Field(max_length=300), AfterValidator(_root)]
"""Where a system is: paths are put behind it, so it ends without a slash."""


def as_json(answer: Response) -> Any:  # noqa: ANN401 -- whatever stands there
    """Return what an answer says; None for what is no JSON."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def as_objects(found: object) -> list[dict[str, Any]]:
    """Return the objects of a list; none for anything else."""
    rows = found if isinstance(found, list) else ()
    return [each for each in rows if isinstance(each, dict)]


def ask(target: Target[Any, Any], request: Request, line: Line) -> Response | None:
    """Return the answer, whatever it is; None if there is none.

    Several questions stand between two renewals of a run's lease, so each says how
    many seconds it may take.
    """
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    request = replace(
        request, headers=headers | dict(request.headers), tenant_id=target.tenant_id
    )
    try:
        return line.http.send(request)
    except SendError:
        return None


def read(target: Target[Any, Any], request: Request, line: Line) -> Any:  # noqa: ANN401 -- whatever stands there
    """Return what stands there; None for an answer that says nothing.

    Raise `NotNowError` while it cannot be asked, or asks us to wait.
    """
    answer = ask(target, request, line)
    if answer is None:
        raise NotNowError(UNASKED)
    if answer.status in _BUSY:
        raise NotNowError(max(judge(answer, now=line.now()).wait, UNASKED))
    return as_json(answer) if answer.status == _OK else None
