"""Questions to hosts outside, each with its time, and what kept an answer away."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urlsplit

from app.db import printable
from app.doctor.findings import Finding, fail, skipped
from app.http import ForbiddenError, Http, InTime, Request, Response, SendError
from app.runtime import Runtime
from app.settings import Settings

SECONDS = 5.0
"""How long one question may take."""

LATE = "there was no time left"

KEPT = 256 * 1024
"""Bytes of an answer that are read."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came of one question: an answer, or the reason why there was none."""

    asked_at: datetime
    heard_at: datetime
    response: Response | None = None
    error: SendError | None = None

    @property
    def status(self) -> int:
        """The answer's status; 0 where there was no answer."""
        return self.response.status if self.response else 0

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, by their names in small letters."""
        found = self.response.headers if self.response else {}
        return {name.lower(): value for name, value in found.items()}

    @property
    def age(self) -> int:
        """Seconds for which a cache on the way has had the answer (RFC 9111)."""
        text = self.headers.get("age", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004

    @property
    def sent_at(self) -> datetime | None:
        """When the other side says that it answered, by its own clock."""
        try:
            date = parsedate_to_datetime(self.headers["date"])
        except (KeyError, ValueError):
            return None
        if date.tzinfo is None:
            return None
        return date + timedelta(seconds=self.age)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """What the checks ask with: all questions of one asker share a time."""

    settings: Settings
    http: Http
    now: Callable[[], datetime]

    @classmethod
    def of(cls, runtime: Runtime, longest: timedelta) -> Self:
        """Return one whose questions may take `longest` together, from now on."""
        return cls(
            settings=runtime.settings,
            now=runtime.now,
            http=InTime(
                http=runtime.http,
                now=runtime.now,
                until=runtime.now() + longest,
                longest=longest,
                late=LATE,
            ),
        )

    def get(
        self, url: str, *, target: str | None = None, tenant_id: uuid.UUID | None = None
    ) -> Heard:
        """Ask for `url`; `target` goes out as it is, instead of its path and query."""
        request = Request(
            method="GET",
            url=url,
            target=target,
            tenant_id=tenant_id,
            seconds=SECONDS,
            keep=KEPT,
        )
        return self.hear(lambda: self.http.send(request))

    def hear(self, ask: Callable[[], Response]) -> Heard:
        """Ask, and note when; what kept the answer away is part of what is heard."""
        asked_at = self.now()
        try:
            response = ask()
        except SendError as error:
            return Heard(asked_at=asked_at, heard_at=self.now(), error=error)
        return Heard(asked_at=asked_at, heard_at=self.now(), response=response)


def host_of(url: str) -> str:
    """Return the host and, if it has one, the port of an address."""
    return printable(urlsplit(url).netloc.rpartition("@")[2], limit=200)


def unheard(check: str, url: str, error: SendError) -> Finding:
    """Return the finding that there was no answer, and why."""
    if str(error) == LATE:
        saw = f"not looked at: {host_of(url)} took all the time before"
        return skipped(
            check, saw, "It is slow: look from a shell, which has more time."
        )
    return fail(check, *unanswered(url, error))


def unanswered(url: str, error: SendError) -> tuple[str, str]:
    """Return what kept an answer away, and what to do: each cause by its own words."""
    host, cause = host_of(url), str(error)
    name = urlsplit(url).hostname or host
    if isinstance(error, ForbiddenError):
        saw = f"we may not ask {host}: {cause}"
        return saw, "Look at COUNTERSIGN_EGRESS_PORTS, and at where the name leads."
    if cause.startswith("the name "):
        saw = f"DNS: {cause}"
        return saw, f"Let this machine resolve {name}: its DNS server, or a firewall."
    if cause == "SSLError":
        saw = f"TLS: the certificate of {host} is not one that we trust"
        return (
            saw,
            f"Let nothing on the way to {name} open TLS, or renew its certificate.",
        )
    if cause in {"ConnectTimeout", "ReadTimeout", "the answer took too long"}:
        return (
            f"no answer from {host} in time",
            f"Let the firewall pass connections to {host}; Countersign uses no proxy.",
        )
    if not error.sent:
        return (
            f"the connection to {host} was refused",
            f"Let the firewall pass connections to {host}, and see that it serves.",
        )
    return (
        f"the connection to {host} broke off ({cause})",
        f"See what stands between this machine and {host}; Countersign uses no proxy.",
    )
