"""One tenant's Jira, through its REST API: every call signed, none of them guessed."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from app import metrics, tracing
from app.http import Http, Request, Response, SendError
from app.jira.issues import Issue, issue_of
from app.jira.signing import Signer
from app.tenants import Door

UNAUTHORIZED = 401
RULES_PER_PAGE = 50

ODD = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that has not the shape of one: that is no answer."""


class Standing(StrEnum):
    """Whether we have what opens a site's Jira."""

    READY = "ready"
    WAITING = "waiting"
    """Forge lends us tokens for this site, and has not sent the next one yet."""
    GONE = "gone"
    """The site is no active tenant."""

    @property
    def words(self) -> str:
        if self is Standing.WAITING:
            return "Forge's token for this site has expired, and the next has not come"
        return "we hold no secret of this site"


class JiraError(Exception):
    """Jira answered, but not with success. `message` is what it says, for people."""

    def __init__(
        self, status: int, message: str, *, retry_after: str | None = None
    ) -> None:
        answered = f"Jira answered {status}"
        super().__init__(f"{answered}: {message}" if message else answered)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def refuses_us(self) -> bool:
        """Whether Jira answered that our signed calls are not welcome."""
        return self.status in {UNAUTHORIZED, 403}


class TokenRefusedError(JiraError):
    """Jira refused Forge's token. Nothing was done; an event brings the next one."""

    def __str__(self) -> str:
        return "Jira takes Forge's token no more; the next one is awaited"


@dataclass(frozen=True, kw_only=True)
class Jira:
    """Calls as the add-on. Methods raise `JiraError`, or `SendError` for no answer."""

    tenant_id: uuid.UUID
    base_url: str
    """Where the REST API is: the site itself, or Forge's gateway to it."""
    door: Door
    signers: Sequence[Signer]
    """The newest first. Jira may not know it yet: on 401 the next one is tried."""
    standing: Standing = Standing.READY
    http: Http
    now: Callable[[], datetime]
    answered: set[int] = field(default_factory=set)
    """Which of `signers` Jira has accepted, by position: 0 proves the newest (T5)."""
    refusals: list[str] = field(default_factory=list)
    """What Jira said when it refused what Forge's next token may open."""
    generation: int | None = None
    """Which of Forge's tokens it is called with, if with one of the app's."""
    heard_at: datetime | None = None
    """When an event of Forge's came last, for a site that has Forge."""
    seconds: float | None = None
    """How long one call may take; None: as long as any."""

    def issue(self, issue_id: str, *, properties: str = "") -> Issue:
        """Read an issue with all fields and the newest part of its history."""
        query = {"fields": "*all", "expand": "changelog"}
        if properties:
            query["properties"] = properties
        return issue_of(self.get(f"/rest/api/3/issue/{segment(issue_id)}", query))

    def own_account(self) -> str:
        """Return the id of the account that we act as."""
        return str(self.get("/rest/api/3/myself")["accountId"])

    def rule_inventory(self, kind: str = "postfunction") -> list[dict[str, Any]]:
        """Return every workflow's rules of this app and kind, as Jira stores them.

        Source: Jira Cloud REST API v3, "Get workflow transition rule configurations".
        """
        found: list[dict[str, Any]] = []
        while True:
            query = {
                "types": kind,
                "expand": "transition",
                "startAt": str(len(found)),
                "maxResults": str(RULES_PER_PAGE),
            }
            page = self.get("/rest/api/3/workflow/rule/config", query)
            values = page.get("values") or []
            found += values
            if page.get("isLast", len(values) < RULES_PER_PAGE) or not values:
                return found

    def is_permitted(
        self, account_id: str, permission: str, *, issue_id: str = ""
    ) -> bool:
        """Say whether a person has a global permission, or one on an issue (T10).

        Jira ignores ids it does not know, so only what it names in its answer counts.
        """
        asked: dict[str, Any] = {"accountId": account_id}
        if issue_id:
            grant = {"permissions": [permission], "issues": [int(issue_id)]}
            asked["projectPermissions"] = [grant]
        else:
            asked["globalPermissions"] = [permission]
        answer = self.call("POST", "/rest/api/3/permissions/check", body=asked)
        if not issue_id:
            return permission in (answer.get("globalPermissions") or [])
        granted = answer.get("projectPermissions") or []
        return any(
            entry.get("permission") == permission
            and int(issue_id) in (entry.get("issues") or [])
            for entry in granted
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Read; `path` is made of `segment`s, `query` is encoded here."""
        # `%20`, not `+`: what is signed must be what is sent (pycontribs/jira #493).
        text = urlencode(query or {}, quote_via=quote, safe="")
        return self.call("GET", f"{path}?{text}" if text else path)

    def call(self, method: str, path: str, *, body: Any = None) -> Any:  # noqa: ANN401
        """Send one signed request; return the answer's JSON, or None if it has none.

        Only 2xx is an answer. A redirect is a failure: a renamed or suspended site
        sends one for everything, and nothing behind it was done.
        """
        response = self.answer(method, path, body=body)
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise _error(response)
        return _json(response)

    def answer(self, method: str, path: str, *, body: Any = None) -> Response:  # noqa: ANN401
        """Send one signed request; return the answer as it is, whatever its status.

        Raise `TokenRefusedError` if another token of Forge's may open what this one
        does not.
        """
        response = self._send(method, path, body)
        if response.status == UNAUTHORIZED:
            error = _error(response)
            if self._is_token_refused(error):
                self.refusals.append(str(error))
                raise TokenRefusedError(error.status, error.message)
        return response

    def _is_token_refused(self, error: JiraError) -> bool:
        """Say whether Jira refused the token itself, and another one will come.

        The gateway answers 401 for a missing scope too; no other token has that.
        """
        renews = any(signer.renews for signer in self.signers)
        is_scope = "scope" in error.message.casefold()
        return renews and not is_scope

    def _send(self, method: str, path: str, body: object) -> Response:
        answer: Response | None = None
        for position, signer in enumerate(self.signers[:2]):
            answer = self._send_signed(method, path, body, signer)
            if answer.status != UNAUTHORIZED:
                self.answered.add(position)
                return answer
        if answer is None:
            raise JiraError(UNAUTHORIZED, self.standing.words)
        return answer

    def _send_signed(
        self, method: str, path: str, body: object, signer: Signer
    ) -> Response:
        authorization = signer.authorization(method, path, now=self.now())
        headers = {"Authorization": authorization, "Accept": "application/json"}
        headers |= tracing.headers()
        data = b""
        if body is not None:  # a GET with a body is answered 403
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = Request(
            method=method,
            url=self.base_url + path,
            headers=headers,
            body=data,
            tenant_id=self.tenant_id,
            seconds=self.seconds,
        )
        return self._counted(request)

    def _counted(self, request: Request) -> Response:
        try:
            answer = self.http.send(request)
        except SendError:
            metrics.count_jira(None)
            raise
        metrics.count_jira(answer.status)
        return answer


def segment(text: str) -> str:
    """Return `text` as one path segment, whatever it holds.

    Attack: an id or key with `/`, `?` or `..` in it would name another resource. Dots
    alone would be resolved away by a proxy, so they are encoded too.
    """
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def _json(response: Response) -> Any:  # noqa: ANN401
    if not response.body:
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        # It may have had its effect: to be looked for, not to be called a refusal.
        raise SendError("the answer cannot be read", sent=True) from error


def _error(response: Response) -> JiraError:
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
    return JiraError(response.status, "; ".join(parts)[:500], retry_after=retry_after)
