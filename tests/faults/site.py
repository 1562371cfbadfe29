"""A Jira on a port, its receivers, and a record of all that passed between us."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sandbox import Jira, create_app
from sandbox.receiver import Receivers
from sandbox.receiver.receivers import Receiver
from tests.serving import serving

IDENTIFIER = "X-Atlassian-Webhook-Identifier"
PATIENCE_SECONDS = 4.0
"""How long this Jira waits for an answer."""

LAG_SECONDS = 0.5
RETRY_SECONDS = 0.3
"""Before its first retry; five of them take ten seconds."""

FLOW, OWN_FLOW = "DEMO: Delivery workflow", "OPS: Moved by us"
HONEST, PLAIN = "honest", "plain"
"""Two receivers: one takes a delivery id once, the other does each delivery it gets."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One try of Jira's at one call."""

    identifier: str
    issue_id: str
    sent_at: float
    """By `time.monotonic()`, as all moments of the record."""
    answered_at: float
    status: int
    """0 if no answer came."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One delivery at the door of a receiver."""

    receiver: str
    delivery_id: str
    at: float


@dataclass
class Record:
    """What Jira called and was told, and what came to the receivers."""

    tries: list[Tried] = field(default_factory=list)
    arrivals: list[Arrived] = field(default_factory=list)
    latency: Callable[[], float] = lambda: 0.0
    """Seconds before Jira and its receivers do what they are asked for."""

    @property
    def accepted(self) -> dict[str, float]:
        """Calls that were answered as recorded, with when the first answer came."""
        found: dict[str, float] = {}
        for each in sorted(self.tries, key=lambda each: each.answered_at):
            if each.status == http.HTTPStatus.NO_CONTENT:
                found.setdefault(each.identifier, each.answered_at)
        return found

    @property
    def first_sent(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in sorted(self.tries, key=lambda each: each.sent_at):
            found.setdefault(each.identifier, each.sent_at)
        return found

    def watch(self, app: WSGIApplication) -> WSGIApplication:
        """Note deliveries as they come in."""

        def call(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            _, _, name = environ["PATH_INFO"].partition("/receiver/")
            if name and environ["REQUEST_METHOD"] == "POST":
                arrived = Arrived(
                    receiver=name,
                    delivery_id=environ.get("HTTP_WEBHOOK_ID", ""),
                    at=time.monotonic(),
                )
                self.arrivals.append(arrived)
            time.sleep(self.latency())
            return app(environ, start)

        return call


@dataclass
class Wire:
    """How this Jira calls: over HTTP, to wherever the add-on listens now.

    It keeps its connections, as the proxy does that stands between them.
    """

    record: Record
    host: str
    port: int
    idle: list[http.client.HTTPConnection] = field(default_factory=list)

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Call once and note it; raise `OSError` if no answer comes."""
        sent_at, status = time.monotonic(), 0
        try:
            status, content = self._carry(method, url, headers, body)
        finally:
            if identifier := headers.get(IDENTIFIER):
                tried = Tried(
                    identifier=identifier,
                    issue_id=json.loads(body)["issue"]["id"],
                    sent_at=sent_at,
                    answered_at=time.monotonic(),
                    status=status,
                )
                self.record.tries.append(tried)
        return status, content

    def _carry(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = http.client.HTTPConnection(
                self.host, self.port, timeout=PATIENCE_SECONDS
            )
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            # Who was there is gone, and with it whatever was kept.
            connection.close()
            self.hang_up()
            raise ConnectionError(type(error).__name__) from error
        self.idle.append(connection)
        return status, content

    def hang_up(self) -> None:
        """Close whatever is kept and not in use."""
        while self.idle:
            with contextlib.suppress(IndexError):
                self.idle.pop().close()


@dataclass
class Clock:
    """The clock of this Jira and its receivers; it may be put on."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, kw_only=True)
class Site:
    """One Jira, with the record of it."""

    jira: Jira
    record: Record
    wire: Wire
    clock: Clock
    receivers: Receivers

    def receiver(self, name: str) -> Receiver:
        return self.receivers.at(name)

    def comments(self) -> Iterator[Mapping[str, Any]]:
        """Yield the marks of our comments: run and step of each."""
        with self.jira.world.lock:
            issues = list(self.jira.world.state.issues.values())
            for issue in issues:
                for comment in issue.comments:
                    for mark in comment["properties"]:
                        if mark["key"] == "countersign.run":
                            yield mark["value"]


Carry = Callable[[Wire], Callable[..., tuple[int, bytes]]]
"""What stands between Jira and the wire: nothing, or something unruly."""


@contextlib.contextmanager
def opened(
    addon: str, *, at: tuple[str, int], listen: str = "127.0.0.1", carry: Carry
) -> Iterator[Site]:
    """Serve a new Jira, which knows the add-on as `addon` and reaches it `at`.

    Its own address is on this machine's loopback, as the add-on sees it, wherever it
    listens.
    """
    record, clock = Record(), Clock()
    wire = Wire(record, *at)
    with socket.create_server((listen, 0)) as listening:
        jira = Jira(
            now=clock,
            addon_base_url=addon,
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
            transport=carry(wire),
            lag=LAG_SECONDS,
            retry_seconds=RETRY_SECONDS,
        )
        app = create_app(jira)
        receivers: Receivers = app.extensions["receivers"]
        # Their keys are fetched once: that the issuer is away is not what is judged.
        receivers.issuers.keeps = timedelta(days=1)
        with serving(record.watch(app), listening, threads=16):
            try:
                yield Site(
                    jira=jira,
                    record=record,
                    wire=wire,
                    clock=clock,
                    receivers=receivers,
                )
            finally:
                jira.close()
                wire.hang_up()
