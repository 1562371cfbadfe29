"""The web server over a real socket: what is no request, and who takes his time."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from flask import Flask
from waitress import wasyncore
from waitress.server import BaseWSGIServer

from app.web import server
from app.web.headers import CLOSED, SAFE

TICK_SECONDS = 0.02
Address = tuple[str, int]


@contextmanager
def served(flask: Flask) -> Iterator[Address]:
    """Serve as a process of ours does, until the block ends."""
    made = server.create(flask, listen="127.0.0.1:0", threads=2)
    assert isinstance(made, BaseWSGIServer)
    sockets: dict[int, Any] = vars(made)["_map"]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            wasyncore.loop(TICK_SECONDS, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield "127.0.0.1", int(vars(made)["effective_port"])
    finally:
        stop.set()
        thread.join()
        made.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)


@pytest.fixture
def where(app: Flask) -> Iterator[Address]:
    with served(app) as address:
        yield address


def ask(where: Address, *sent: bytes) -> HTTPResponse:
    """Send bytes as they are, and read one answer."""
    with closing(socket.create_connection(where, timeout=10)) as connection:
        for each in sent:
            connection.sendall(each)
        answer = HTTPResponse(connection)
        answer.begin()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


HUGE = b"9" * 5000
NO_REQUESTS = {
    "no request line": (b"\x16\x03\x01\x02\r\n\r\n", 400),
    "bad header": (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    "huge header": (b"GET / HTTP/1.1\r\nX: " + b"a" * server.MAX_HEADERS, 431),
    "long address": (b"GET /" + b"a" * server.MAX_HEADERS, 431),
    "huge body": (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
    "endless length": (
        b"POST / HTTP/1.1\r\nContent-Length: " + HUGE + b"\r\n\r\n",
        400,
    ),
    "odd length": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "odd coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "odd chunk": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        400,
    ),
}


@pytest.mark.parametrize(("sent", "status"), NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_refused_as_safely_as_all_else(
    where: Address, sent: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(where, sent)

    assert answer.status == status
    assert_safe(answer)
    assert json.loads(answer.body) == {  # type: ignore[attr-defined]
        "error": server.CODES[status]
    }
    assert not [each for each in caplog.records if each.exc_info]


def test_error_that_no_handler_saw_is_answered_as_safely(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(app, "wsgi_app", broken)
    with served(app) as where:
        answer = ask(where, b"GET /healthz HTTP/1.1\r\n\r\n")

    assert answer.status == 500
    assert_safe(answer)
    assert b"Memory" not in answer.body  # type: ignore[attr-defined]


def test_body_of_the_largest_size_reaches_the_views(where: Address) -> None:
    head = b"POST /post-function/triggered HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    largest = server.MAX_BODY

    assert ask(where, head % largest, b" " * largest).status == 401
    assert ask(where, head % (largest + 1)).status == 413


def test_figures_are_not_for_whom_a_proxy_of_this_machine_serves(
    where: Address,
) -> None:
    """Attack: the server takes away what a proxy says of whom it asks for."""
    head = b"GET /metrics HTTP/1.1\r\n"

    assert ask(where, head + b"\r\n").status == 200
    for name in (b"X-Forwarded-For", b"Forwarded", b"X-Forwarded-Proto"):
        assert ask(where, head + name + b": x\r\n\r\n").status == 404


def assert_safe(answer: HTTPResponse) -> None:
    for name, value in (SAFE | CLOSED).items():
        assert answer.headers.get_all(name) == [value]
    assert answer.headers["Server"] is None
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    "trickle", [b"X", b"\r\n\r\n"], ids=["a header", "blank lines"]
)
def test_t13_client_that_takes_his_time_is_let_go(
    where: Address, trickle: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: now and then a byte, so that the connection never counts as idle."""
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    deadline = time.monotonic() + 10
    with closing(socket.create_connection(where, timeout=0.05)) as connection:
        is_open = True
        while is_open and time.monotonic() < deadline:
            try:
                connection.sendall(trickle)
                is_open = connection.recv(100) != b""
            except TimeoutError:
                continue
            except OSError:
                is_open = False
    assert not is_open


def test_t13_connections_that_say_nothing_keep_nobody_out(
    where: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CROWDED", 5)
    silent = [socket.create_connection(where, timeout=10) for _ in range(20)]
    try:
        client = HTTPConnection(*where, timeout=10)
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200
        client.close()
        assert silent[0].recv(1) == b""  # who waited for longest was let go
    finally:
        for each in silent:
            each.close()


def test_connection_that_is_kept_serves_again(where: Address) -> None:
    client = HTTPConnection(*where, timeout=10)
    for _ in range(3):
        client.request("GET", "/healthz")
        assert client.getresponse().read() == b'{"status":"ok"}\n'
    client.close()
