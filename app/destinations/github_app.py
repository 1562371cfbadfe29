"""How we talk with GitHub: as an app, by a token for one repository and one act.

The app's key makes a token of minutes, which GitHub changes for one of an hour.
Source: GitHub's documentation, "Generating an installation access token for a GitHub
App".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.crypto import Secret
from app.destinations import scrubbing
from app.destinations.answers import Judged, Verdict, as_object, judge
from app.destinations.asking import UNASKED
from app.destinations.attempting import USER_AGENT, Exchange, Line, Signed, Target
from app.destinations.findings import NotNowError
from app.http import Request, Response, SendError
from app.tokens import ours

API_VERSION = "2026-03-10"

KEPT = timedelta(minutes=50)
"""How long a token is used that GitHub lends us for an hour."""

ASK_SECONDS = 8
"""Of what begins nothing."""

_OK, _CREATED = 200, 201
_UNAUTHORIZED, _FORBIDDEN, _LIMITED = 401, 403, 429


class NoTokenError(Exception):
    """GitHub lent us none: nothing was begun. `came` is what it answered."""

    def __init__(self, came: Exchange) -> None:
        super().__init__(came.judged.words)
        self.came = came


def borrowed(target: Target[Any, Any], line: Line) -> Secret:
    """Return a token that is still good, or a new one; raise `NoTokenError`."""
    known = line.borrowed.find(target.state, now=line.now())
    return known or borrow(target, line)


def borrow(target: Target[Any, Any], line: Line) -> Secret:
    """Change the app's token for one that can do this, in this repository alone."""
    settings, now = target.settings, line.now()
    asked = {
        "repositories": [settings.repository.partition("/")[2]],
        "permissions": {settings.permission: "write"},
    }
    key = Secret(target.credentials.private_key.get_secret_value())
    token = Secret(ours.sign_for_github(key, app_id=settings.app_id, now=now))
    request = Request(
        method="POST",
        url=f"{settings.api_url}/app/installations/"
        f"{settings.installation_id}/access_tokens",
        headers=headers(token),
        body=json.dumps(asked).encode(),
        tenant_id=target.tenant_id,
        seconds=ASK_SECONDS,
    )
    hidden: tuple[str, ...] = (token.reveal(), key.reveal())
    try:
        answer = line.http.send(request)
    except SendError as error:
        # Nothing was begun, so whether this arrived does not matter.
        words = f"GitHub gave no token: {error}"
        judged = Judged(verdict=Verdict.RETRY, words=words)
        raise NoTokenError(_came(judged, request, hidden)) from error
    found = as_object(answer).get("token")
    if answer.status != _CREATED or not isinstance(found, str) or not found:
        # A proxy may have made another status of it; the token is one all the same.
        hidden = (*hidden, str(found)) if found else hidden
        raise NoTokenError(_came(_judge(answer, now), request, hidden, answer))
    lent = Secret(found)
    line.borrowed.keep(target.state, lent, until=now + KEPT)
    return lent


def read(target: Target[Any, Any], url: str, line: Line) -> dict[str, Any]:
    """Return what stands there; nothing for an answer that says nothing.

    Raise `NotNowError` while GitHub cannot be asked, or asks us to wait.
    """
    try:
        request = Request(
            method="GET",
            url=url,
            headers=headers(borrowed(target, line)),
            tenant_id=target.tenant_id,
            seconds=ASK_SECONDS,
        )
        answer = line.http.send(request)
    except NoTokenError as error:
        raise NotNowError(max(error.came.judged.wait, UNASKED)) from error
    except SendError as error:
        raise NotNowError(UNASKED) from error
    if (waits := limited(answer, line.now())) is not None:
        raise NotNowError(waits.wait)
    if answer.status == _UNAUTHORIZED:
        line.borrowed.drop(target.state)
    return as_object(answer) if answer.status == _OK else {}


def is_ours(run: Mapping[str, Any], settings: Any) -> bool:  # noqa: ANN401 -- github.Settings
    """Say whether an app started this run, of our workflow, where we have it start."""
    actor = run.get("actor")
    return (
        isinstance(actor, dict)
        and actor.get("type") == "Bot"
        and run.get("event") == "workflow_dispatch"
        and run.get("head_branch") == settings.ref
        and str(run.get("path")).partition("@")[0]
        == f".github/workflows/{settings.workflow}"
    )


def headers(token: Secret | None = None) -> dict[str, str]:
    """Return the headers of a request; what has no token yet hides it."""
    return {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token.reveal() if token else scrubbing.HIDDEN}",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-GitHub-Api-Version": API_VERSION,
    }


def with_token(signed: Signed, token: Secret) -> Signed:
    """Return the request with its token, which its head does not show."""
    request = replace(signed.request, headers=headers(token))
    credentials = (*signed.credentials, token.reveal())
    return replace(signed, request=request, credentials=credentials)


def limited(answer: Response, now: datetime) -> Judged | None:
    """Say that GitHub asks us to wait, if it does: a 403 with these headers, or a 429.

    Source: "Rate limits for the REST API", "Exceeding the rate limit".
    """
    found = {name.lower(): value for name, value in answer.headers.items()}
    spent = found.get("x-ratelimit-remaining") == "0" or "retry-after" in found
    if answer.status != _LIMITED and not (answer.status == _FORBIDDEN and spent):
        return None
    # As a 429, with the wait that it names; without one, until its window is over.
    asked = judge(replace(answer, status=_LIMITED), now=now)
    reset = found.get("x-ratelimit-reset", "")
    until_reset = timedelta(0)
    if "retry-after" not in found and reset.isascii() and reset.isdigit():
        until_reset = timedelta(seconds=max(int(reset[:12]) - now.timestamp(), 0))
    return replace(
        asked,
        words="GitHub's rate limit is used up",
        status=answer.status,
        wait=max(asked.wait, until_reset),
    )


def started(judged: Judged, answer: Response) -> Judged:
    """Say which run it is; a 204 says nothing, and still means that one starts."""
    found = as_object(answer)
    reference = found.get("workflow_run_id")
    if not isinstance(reference, int) or isinstance(reference, bool):
        return replace(judged, words="GitHub took it, and did not say which run it is")
    return replace(
        judged,
        words=f"GitHub started run {reference}",
        reference=str(reference),
        url=str(found.get("html_url", "")),
    )


def judge_trial(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether what is to be started is there."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if answer.status == _OK:
        state = as_object(answer).get("state", "active")
        if state != "active":
            words = f"the workflow is there, and GitHub has it as “{str(state)[:40]}”"
            return replace(judged, verdict=Verdict.REJECTED, words=words)
        words = "GitHub knows the app, the repository and what is to be started"
        return replace(judged, words=words)
    return refused(judged, answer)


def refused(judged: Judged, answer: Response) -> Judged:
    """Say what to look at, for an answer that is no success."""
    return replace(judged, words=_REFUSED.get(answer.status, judged.words))


_REFUSED = {
    401: "GitHub does not take the token that it lent us",
    403: "GitHub forbids it: the app may lack the permission for this repository",
    404: "GitHub shows the app no such repository or workflow",
    422: "GitHub refused it: check the branch, and that the workflow declares these"
    " inputs and “countersign”, and takes the event workflow_dispatch",
}


def _judge(answer: Response, now: datetime) -> Judged:
    if (waits := limited(answer, now)) is not None:
        return waits
    judged = judge(answer, now=now)
    if judged.verdict is not Verdict.REJECTED:
        # Nothing was begun: also a 500 is no riddle, and no token is no success.
        words = f"GitHub gave no token: it answered {answer.status}"
        return replace(judged, verdict=Verdict.RETRY, words=words)
    words = _WORDS.get(answer.status, f"GitHub gave no token: {judged.words}")
    return replace(judged, words=words)


_WORDS = {
    401: "GitHub does not take the app's key: check the app's id, its private key, and"
    " this machine's clock",
    403: "GitHub forbids it: the installation may be suspended",
    404: "GitHub knows no such installation of this app: check both ids",
    422: "the installation lacks the repository or the permission: grant it, and have"
    " the change accepted",
}


def _came(
    judged: Judged,
    request: Request,
    hidden: tuple[str, ...],
    answer: Response | None = None,
) -> Exchange:
    head = scrubbing.request_head(request, hidden)
    if answer is None:
        return Exchange(judged=judged, duration_ms=0, request_head=head)
    return Exchange(
        judged=judged,
        duration_ms=0,
        request_head=head,
        response_head=scrubbing.response_head(answer, hidden),
        response_body=scrubbing.response_body(answer, hidden),
    )
