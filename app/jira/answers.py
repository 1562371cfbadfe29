"""What Jira answers, read defensively; and how a part of an address is written."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from app import quotas
from app.http import Response, SendError

UNAUTHORIZED = 401
NOT_FOUND = 404
LIMITED = 429

ODD = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that has not the shape of one: that is no answer."""


class JiraError(Exception):
    """Jira answered, but not with success. `message` is what it says, for people."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after: str | None = None,
        is_of_issue: bool = False,
    ) -> None:
        answered = f"Jira answered {status}"
        super().__init__(f"{answered}: {message}" if message else answered)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.is_of_issue = is_of_issue
        """Whether a limit was reached that is of one issue, and not of the site."""

    @property
    def refuses_us(self) -> bool:
        """Whether Jira answered that our signed calls are not welcome."""
        return self.status in {UNAUTHORIZED, 403}

    @property
    def is_limited(self) -> bool:
        """Whether Jira answered that there were too many calls: nothing was done."""
        return self.status == LIMITED


class TokenRefusedError(JiraError):
    """Jira refused Forge's token. Nothing was done; an event brings the next one."""

    def __str__(self) -> str:
        return "Jira takes Forge's token no more; the next one is awaited"


def segment(text: str) -> str:
    """Return `text` as one path segment, whatever it holds.

    Attack: an id or key with `/`, `?` or `..` in it would name another resource. Dots
    alone would be resolved away by a proxy, so they are encoded too.
    """
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def without(response: Response, authorization: str) -> Response:
    """Return an answer that does not quote what opened Jira for the request.

    Attack: a proxy's page of errors quotes the request's headers. What Jira says of an
    error is kept with its run, and shown; a personal access token is good for months
    (rules T8, T13).
    """
    sent = authorization.rpartition(" ")[2].encode()
    body = response.body
    for spelled in (sent, sent.replace(b"/", b"\\/")):  # some write JSON like that
        body = body.replace(spelled, b"***")
    return response if body is response.body else replace(response, body=body)


def read_json(response: Response) -> Any:  # noqa: ANN401
    if not response.body:
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        # It may have had its effect: to be looked for, not to be called a refusal.
        raise SendError("the answer cannot be read", sent=True) from error


def error_of(response: Response) -> JiraError:
    """Read Jira's error shapes, and whatever a proxy in front of it says, safely."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    retry_after = headers.get("retry-after")
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = None
    parts: list[str] = []
    if isinstance(body, dict):
        parts += [str(text) for text in body.get("errorMessages") or []]
        errors = body.get("errors")
        if isinstance(errors, dict):
            parts += [f"{field}: {text}" for field, text in errors.items()]
        if not parts and body.get("message"):
            parts.append(str(body["message"]))
    return JiraError(
        response.status,
        "; ".join(parts)[:500],
        retry_after=retry_after,
        is_of_issue=quotas.is_of_issue(response.headers),
    )
