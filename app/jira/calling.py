"""One tenant's Jira, through its REST API: every call signed, none of them guessed."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from app import metrics, quotas, tracing
from app.http import Http, Request, Response, SendError
from app.jira import datacenter
from app.jira.answers import (
    UNAUTHORIZED,
    JiraError,
    TokenRefusedError,
    error_of,
    read_json,
    segment,
    without,
)
from app.jira.issues import Issue, issue_of
from app.jira.signing import Signer
from app.listeners import Version
from app.quotas import Meter
from app.tenants import Door

RULES_PER_PAGE = 50

_BY_POINTS = frozenset({Door.CONNECT, Door.FORGE})
"""Doors of Jira Cloud, whose calls cost points."""


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
    meter: Meter = field(default_factory=Meter)
    """Counts what calls cost, and what Jira says of its limits."""
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
    own_rules: Sequence[Version] | None = None
    """Of a self-managed site: its rules, which are ours to keep. None of all others,
    whose Jira keeps them."""

    @property
    def is_self_managed(self) -> bool:
        """Whether it is no site of Jira Cloud."""
        return self.door is Door.DATACENTER

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
        if self.is_self_managed:
            return found  # there is no app in it that a rule could be of
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
        if self.is_self_managed:
            return datacenter.is_permitted(
                self._call, account_id, permission, issue_id=issue_id
            )
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

    def person(self, said: str) -> str | None:
        """Return the key of a self-managed site's active user, by key or by name."""
        return datacenter.person(self._call, said)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Read; `path` is made of `segment`s, `query` is encoded here."""
        # `%20`, not `+`: what is signed must be what is sent (pycontribs/jira #493).
        text = urlencode(query or {}, quote_via=quote, safe="")
        return self.call("GET", f"{path}?{text}" if text else path)

    def call(self, method: str, path: str, *, body: Any = None) -> Any:  # noqa: ANN401
        """Send one signed request; return the answer's JSON, or None if it has none.

        Only 2xx is an answer. A redirect is a failure: a renamed or suspended site
        sends one for everything, and nothing behind it was done. A self-managed Jira is
        spoken to in its own words (`datacenter`).
        """
        if self.is_self_managed:
            return datacenter.call(self._call, method, path, body)
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
        response = self.answer(method, path, body=body)
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise error_of(response)
        found = read_json(response)
        self._spend(quotas.object_cost(method, path, found))
        return found

    def answer(self, method: str, path: str, *, body: Any = None) -> Response:  # noqa: ANN401
        """Send one signed request; return the answer as it is, whatever its status.

        Raise `TokenRefusedError` if another token of Forge's may open what this one
        does not.
        """
        response = self._send(method, path, body)
        if response.status == UNAUTHORIZED:
            error = error_of(response)
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
        if self.is_self_managed:
            path = datacenter.path_of(path)
        request = Request(
            method=method,
            url=self.base_url + path,
            headers=headers,
            body=data,
            tenant_id=self.tenant_id,
            seconds=self.seconds,
        )
        return without(self._metered(request), authorization)

    def _metered(self, request: Request) -> Response:
        """Send; count what it cost, and note what the answer says of limits."""
        try:
            response = self.http.send(request)
        except SendError:
            metrics.count_jira(None)
            self.meter.miss(self.tenant_id)
            raise
        metrics.count_jira(response.status)
        self._spend(quotas.base_cost(response.status))
        wanted = quotas.asked(response.status, response.headers, now=self.now())
        if wanted is not None:
            self.meter.ask(self.tenant_id, wanted)
        return response

    def _spend(self, points: int) -> None:
        self.meter.spend(self.tenant_id, points if self.door in _BY_POINTS else 0)
