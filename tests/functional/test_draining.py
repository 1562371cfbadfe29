"""A web server that is told to stop: nobody who was let in goes without an answer."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest
from flask import Flask
from waitress.server import BaseWSGIServer

from app.web import draining, server
from app.web.context import KEY

OUTLASTING = 20.0
"""Seconds that nothing here takes."""


@dataclass
class Served:
    """A server in a thread, and the two hands that stop it."""

    flask: Flask
    port: int = 0
    hurry: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def stop(self) -> threading.Event:
        found: threading.Event = self.flask.extensions[KEY].draining
        return found

    def connect(self) -> HTTPConnection:
        made = HTTPConnection("127.0.0.1", self.port, timeout=OUTLASTING)
        made.connect()
        return made


@contextmanager
def served(flask: Flask, *, drain_seconds: float = 0) -> Iterator[Served]:
    """Serve as the command does; the block stops it."""
    one = Served(flask)
    made = server.create(flask, listen="127.0.0.1:0", threads=2, draining=one.stop)
    assert isinstance(made, BaseWSGIServer)
    one.port = int(vars(made)["effective_port"])

    def serve() -> None:
        draining.run(made, stop=one.stop, hurry=one.hurry, drain_seconds=drain_seconds)
        one.is_over.set()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield one
    finally:
        one.stop.set()
        one.hurry.set()
        thread.join(OUTLASTING)
        one.stop.clear()  # the application is lent to other tests


def status(client: HTTPConnection, path: str = "/healthz") -> int:
    client.request("GET", path)
    answer = client.getresponse()
    answer.read()
    return answer.status


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + OUTLASTING
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass
class Slow:
    """A view that is under way for as long as a test wants."""

    begun: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        del environ
        self.begun.set()
        assert self.end.wait(OUTLASTING)
        start("204 NO CONTENT", [])
        return []


@pytest.fixture
def slow(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Slow:
    made, usual = Slow(), app.wsgi_app

    def choose(environ: dict[str, Any], start: Any) -> Any:
        is_slow = environ["PATH_INFO"] == "/slow"
        return made(environ, start) if is_slow else usual(environ, start)

    monkeypatch.setattr(app, "wsgi_app", choose)
    return made


def test_request_under_way_is_answered_and_nobody_else_let_in(
    app: Flask, slow: Slow
) -> None:
    with served(app) as one:
        client = one.connect()
        client.request("GET", "/slow")
        assert slow.begun.wait(OUTLASTING)

        one.stop.set()
        wait_until(lambda: refuses(one.port))
        assert not one.is_over.is_set()
        slow.end.set()

        answer = client.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (204, "close")
        client.close()
        assert one.is_over.wait(OUTLASTING)


def test_load_balancer_is_told_first_and_all_it_still_sends_is_served(
    app: Flask,
) -> None:
    with served(app, drain_seconds=OUTLASTING) as one:
        kept = one.connect()
        assert status(kept, "/readyz") == 200

        one.stop.set()

        kept.request("GET", "/readyz")
        told = kept.getresponse()
        assert (told.status, told.read()) == (503, b'{"status":"stopping"}\n')
        assert (told.headers["Retry-After"], told.headers["Connection"]) == (
            "10",
            "close",
        )
        late = one.connect()
        assert status(late) == 200
        late.close()


def test_request_on_its_way_on_a_kept_connection_is_answered(app: Flask) -> None:
    """Attack on a deployment: the proxy's connections are cut as it uses them."""
    with served(app) as one:
        kept = one.connect()
        assert status(kept) == 200
        one.stop.set()
        wait_until(lambda: refuses(one.port))

        assert status(kept) == 200

        kept.close()
        assert one.is_over.wait(OUTLASTING)


def test_silent_connections_keep_no_server_from_its_end(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "LINGER_SECONDS", 0.1)
    with served(app) as one:
        silent = one.connect()
        assert status(silent) == 200
        one.stop.set()

        assert one.is_over.wait(OUTLASTING)
        assert silent.sock.recv(1) == b""
        silent.close()


def test_who_is_in_a_hurry_waits_for_nobody(app: Flask, slow: Slow) -> None:
    with served(app, drain_seconds=OUTLASTING) as one:
        client = one.connect()
        client.request("GET", "/slow")
        assert slow.begun.wait(OUTLASTING)

        one.stop.set()
        one.hurry.set()

        assert one.is_over.wait(OUTLASTING / 2)
        slow.end.set()
        client.close()
