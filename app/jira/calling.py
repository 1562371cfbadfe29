"""One tenant's Jira, through its REST API: every call signed, none of them guessed."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.orm import Session

from app import vault
from app.crypto import Secret
from app.http import Http, Request, Response, SendError
from app.jira.issues import Issue, issue_of
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.tokens import ours

UNAUTHORIZED = 401
RULES_PER_PAGE = 50


class JiraError(Exception):
    """Jira answered, but not with success. `message` is what it says, for people."""

    def __init__(
        self, status: int, message: str, *, retry_after: str | None = None
    ) -> None:
        super().__init__(f"Jira answered {status}: {message}" if message else status)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def refuses_us(self) -> bool:
        """Whether Jira answered that our signed calls are not welcome."""
        return self.status in {UNAUTHORIZED, 403}


@dataclass(frozen=True, kw_only=True)
class Jira:
    """Calls as the add-on. Methods raise `JiraError`, or `SendError` for no answer."""

    tenant_id: uuid.UUID
    base_url: str
    app_key: str
    secrets: Sequence[Secret]
    """The newest first. Jira may not know it yet: on 401 the next one is tried."""
    http: Http
    now: Callable[[], datetime]
    answered: set[int] = field(default_factory=set)
    """Which of `secrets` Jira has accepted, by position: 0 proves the newest (T5)."""

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
        response = self._send(method, path, body)
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise _error(response)
        return _json(response)

    def _send(self, method: str, path: str, body: object) -> Response:
        answer: Response | None = None
        for position, secret in enumerate(self.secrets[:2]):
            answer = self._send_signed(method, path, body, secret)
            if answer.status != UNAUTHORIZED:
                self.answered.add(position)
                return answer
        if answer is None:
            raise JiraError(UNAUTHORIZED, "we hold no secret of this site")
        return answer

    def _send_signed(
        self, method: str, path: str, body: object, secret: Secret
    ) -> Response:
        token = ours.sign_for_jira(
            secret, app_key=self.app_key, method=method, path=path, now=self.now()
        )
        headers = {"Authorization": f"JWT {token}", "Accept": "application/json"}
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
        )
        return self.http.send(request)


def open_jira(session: Session, runtime: Runtime, tenant_id: uuid.UUID) -> Jira:
    """Return the tenant's Jira with the secrets that are good now.

    Of a tenant that is not active it has no secret, so every call ends in 401.
    """
    tenant = session.get_one(Tenant, tenant_id)
    active = tenant.state is State.ACTIVE
    opened = vault.accepted(
        session, runtime.keyring, tenant.shared_secret, now=runtime.now()
    )
    return Jira(
        tenant_id=tenant_id,
        base_url=tenant.base_url,
        app_key=runtime.settings.app_key,
        secrets=[version.secret for version in opened] if active else [],
        http=runtime.http,
        now=runtime.now,
    )


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
