"""What stands for the world outside: a clock, and a wire to an in-process Jira."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.http import ForbiddenError, Request, Response, SendError

Answer = Response | Exception


@dataclass
class Clock:
    """A clock that moves only when a test moves it; both sides read it."""

    time: datetime = field(
        default_factory=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)
    )

    def __call__(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


def call(
    flask: Flask, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> Response:
    """Send one request to a WSGI app, its target exactly as the URL has it."""
    parts = urlsplit(url)
    target = url.partition(parts.netloc)[2] or "/"
    builder = EnvironBuilder(
        method=method,
        path=parts.path or "/",
        query_string=parts.query,
        base_url=f"{parts.scheme}://{parts.netloc}",
        headers=list(headers.items()),
        data=body,
    )
    environ = builder.get_environ()
    builder.close()
    # What a server received; the builder tidies it up.
    environ["REQUEST_URI"] = environ["RAW_URI"] = target
    chunks, status, answered = run_wsgi_app(flask, environ, buffered=True)
    return Response(
        status=int(status.partition(" ")[0]),
        headers=dict(answered),
        body=b"".join(chunks),
    )


@dataclass
class Wire:
    """`Http` into the sandbox, which judges every call; a test may cut or change it."""

    jira: Flask
    in_transaction: Callable[[], bool]
    sent: list[Request] = field(default_factory=list)
    before: list[Answer | None] = field(default_factory=list)
    """Answers given instead of the sandbox's, one a request; None lets it through."""
    after: list[Answer | None] = field(default_factory=list)
    """Answers given instead of the sandbox's after it has done what was asked."""
    keys: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)
    """Hosts outside, by name: what each of them answers."""
    gateways: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)
    """Sites behind Forge's gateway beside the one of the test, by their cloud ids."""
    forbidden: set[str] = field(default_factory=set)
    """Hosts that the egress guard would not let through."""

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        """Know the hosts outside; every other one is not there."""
        del tenant_id
        assert not self.in_transaction(), "network call inside a transaction"
        host = urlsplit(url).hostname or ""
        if host in self.forbidden:
            raise ForbiddenError(f"{host} leads to an address that is not public")
        if host not in self.elsewhere:
            raise SendError(f"the name {host} was not found", sent=False)

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        """Know the hosts outside, whatever the port."""
        self.check(f"https://{host}:{port}", tenant_id)

    def send(self, request: Request) -> Response:
        assert not self.in_transaction(), "network call inside a transaction"
        self.sent.append(request)
        parts = urlsplit(request.url)
        outside = self.elsewhere.get(parts.hostname or "")
        if parts.path.startswith("/ex/jira/"):
            outside = self.gateways.get(parts.path.split("/")[3], outside)
        if outside is not None:
            answer = outside(request)
            if isinstance(answer, Exception):
                raise answer
            return answer
        instead = self.before.pop(0) if self.before else None
        if instead is None:
            answer = call(
                self.jira, request.method, request.url, request.headers, request.body
            )
            lost = self.after.pop(0) if self.after else None
            instead = answer if lost is None else lost
        if isinstance(instead, Exception):
            raise instead
        return instead

    def writes(self) -> list[Request]:
        """Return what was sent to change Jira."""
        reading = ("/rest/api/3/permissions/check", "/rest/api/3/comment/list")
        return [
            request
            for request in self.sent
            if request.method != "GET"
            and not urlsplit(request.url).path.startswith(reading)
        ]
