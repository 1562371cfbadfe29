"""The web server's own part: whom it waits for, and what it answers itself.

Waitress answers what is no request of HTTP before any view, and keeps a connection as
long as now and then a byte comes. Both have to be as safe as the rest.
"""

import json
import socket
import threading
import time
from typing import Any, cast

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, MultiSocketServer, create_server
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

from app.web.headers import CLOSED, SAFE

CONNECTIONS = 1000
"""Sockets that may be open: two hundred slow clients must not keep others out."""

BACKLOG = 1024
"""Connections that the system accepts for us meanwhile."""

CROWDED = 900
"""Connections from which on each new one ends the one that has waited for longest."""

PATIENCE = 60.0
"""Seconds in which a whole request has to come, from the last answer on."""

MAX_BODY = 1024 * 1024
"""Bytes of a request body; Jira's calls have a few thousand."""

MAX_HEADERS = 64 * 1024
"""Bytes of a request line with its headers. Forge lends us two tokens of up to 16 kB
beside its own."""

CODES = {
    400: "bad-request",
    413: "too-large",
    414: "too-long",
    431: "headers-too-large",
    501: "not-implemented",
}


class Parser(HTTPRequestParser):
    """Reads requests; what cannot be read at all is refused like any other nonsense."""

    def received(self, data: bytes) -> int:
        try:
            return int(super().received(data))
        except ValueError:
            # Attack: a length of five thousand digits, which Python does not read. The
            # connection would end without an answer, and with a traceback in the log.
            self.error = BadRequest("unreadable")
            self.completed = True
            return len(data)


class OwnAnswer(ErrorTask):
    """An answer to what is no request, or an error that no handler of ours saw."""

    def execute(self) -> None:
        request: Any = self.request  # of another type than the stubs say
        code, reason = request.error.code, request.error.reason
        body = json.dumps({"error": CODES.get(code, "failed")}).encode() + b"\n"
        self.status = f"{code} {reason}"
        headers = {"Content-Type": "application/json"} | SAFE | CLOSED
        self.response_headers = list(headers.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """One connection, which has to bring its request in time."""

    error_task_class = OwnAnswer
    parser_class = Parser

    def __init__(
        self,
        server: BaseWSGIServer,
        sock: socket.socket,
        addr: Any,  # noqa: ANN401 -- as the family of the socket has it
        adj: Any,  # noqa: ANN401
        map: Any = None,  # noqa: A002, ANN401 -- waitress's own name for it
    ) -> None:
        self.waits_since = time.monotonic()
        super().__init__(server, sock, addr, adj, map)
        channels = cast("dict[int, Channel]", server.active_channels)
        if len(channels) > CROWDED:
            # Attack: a thousand connections that say nothing keep everybody out.
            waiting = [each for each in channels.values() if is_waiting(each)]
            waiting.remove(self)
            if waiting:
                min(waiting, key=lambda each: each.waits_since).will_close = True

    def readable(self) -> bool:
        # Attack: a byte every few seconds, or blank lines, keep a connection for ever.
        # Waitress asks this of each connection about once a second.
        if is_waiting(self) and time.monotonic() - self.waits_since > PATIENCE:
            self.will_close = True
        return bool(super().readable())

    def service(self) -> None:
        if vars(self.server)["draining"].is_set():
            # Whoever keeps the connection is told that there is no next answer on it.
            told = cast("dict[str, str]", self.requests[0].headers)
            told["CONNECTION"] = "close"
        super().service()
        self.waits_since = time.monotonic()


def create(
    flask: Flask,
    *,
    listen: str,
    threads: int,
    draining: threading.Event | None = None,
) -> BaseWSGIServer | MultiSocketServer:
    """Return a server that listens; `draining.run` serves until it is told to end.

    Once `draining` is set it keeps no connection beyond the answer that is due on it.
    """
    host, _, port = listen.rpartition(":")
    sockets: dict[int, Any] = {}
    server = create_server(
        flask,
        map=sockets,
        host=host,
        port=int(port),
        threads=threads,
        connection_limit=CONNECTIONS,
        backlog=BACKLOG,
        # select() cannot hold a thousand sockets; and who says nothing is let go.
        asyncore_use_poll=True,
        channel_timeout=30,
        cleanup_interval=10,
        max_request_header_size=MAX_HEADERS,
        # Waitress refuses what is as long; Flask what is longer.
        max_request_body_size=MAX_BODY + 1,
        # What a proxy says of whom it asks for is all that tells it from this machine
        # (app.metrics); waitress would take it away. Nothing else believes it.
        clear_untrusted_proxy_headers=False,
        ident="",
    )
    for each in sockets.values():
        # One name, such as "localhost", may be several addresses.
        if isinstance(each, BaseWSGIServer):
            each.channel_class = Channel
            vars(each)["draining"] = draining or threading.Event()
    return server


def is_waiting(channel: HTTPChannel) -> bool:
    """Say whether nothing is left to be done for it until it says more."""
    return not channel.requests and not channel.total_outbufs_len
