"""The door to the network: what goes out by it, and what is kept of an answer."""

import gzip
import ipaddress
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

from app.http import (
    Egress,
    Exempt,
    ForbiddenError,
    RealHttp,
    Request,
    SendError,
    deadlines,
    real,
    refuse_odd,
)
from app.http.egress import Address

TENANT, OTHER = uuid.uuid4(), uuid.uuid4()
SHORT = 1.0
"""Seconds that a request may have: over soon, and on a busy machine still enough to
reach the other side."""
LOOPBACK = Exempt(
    tenant_id=None, network=ipaddress.ip_network("127.0.0.0/8"), plain_http=True
)


@dataclass
class Host:
    """Answers each request on loopback, and keeps connections open if it may."""

    say: Callable[[socket.socket], None]
    heard: list[bytes] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/path?q=1"


@contextmanager
def serving(say: Callable[[socket.socket], None] | bytes) -> Iterator[Host]:
    answer = say if callable(say) else lambda connection: connection.sendall(say)
    host = Host(answer)
    listening = socket.create_server(("127.0.0.1", 0))
    host.port = listening.getsockname()[1]

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            while heard := read(file):
                host.heard.append(heard)
                host.say(connection)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            host.connections += 1
            threading.Thread(target=talk, args=[connection], daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield host
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def read(file: BinaryIO) -> bytes:
    """Return one request, head and body; nothing if there is none."""
    lines = []
    while (line := file.readline()) not in {b"", b"\r\n"}:
        lines.append(line)
    lengths = [line.split()[1] for line in lines if line.startswith(b"Content-Length")]
    body = file.read(int(lengths[0])) if lengths else b""
    return b"".join([*lines, b"\r\n", body]) if lines else b""


def answer(body: bytes, *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {size}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


@contextmanager
def opened(egress: Egress | None = None) -> Iterator[RealHttp]:
    rules = egress or Egress(any_port=True, exempt=(LOOPBACK,))
    door = RealHttp(in_transaction=lambda: False, egress=rules)
    yield door
    door.close()


@pytest.fixture
def door() -> Iterator[RealHttp]:
    with opened() as made:
        yield made


def test_request_goes_out_whole(door: RealHttp) -> None:
    with serving(answer(b"")) as host:
        request = Request(
            method="PUT", url=host.url, headers={"X-Said": "yes"}, body=b"body"
        )
        door.send(request)

    [heard] = host.heard
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /path?q=1 HTTP/1.1\r\n")
    assert b"\r\nX-Said: yes" in head
    assert body == b"body"


def test_request_without_a_body_says_so(door: RealHttp) -> None:
    with serving(answer(b"")) as host:
        door.send(Request(method="GET", url=host.url))

    assert b"Content-Length" not in host.heard[0]


@pytest.mark.parametrize(
    ("body", "kept", "is_cut"),
    [(b"12345", b"12345", False), (b"123456", b"12345", True), (b"", b"", False)],
)
def test_so_much_of_an_answer_is_kept(
    door: RealHttp, body: bytes, kept: bytes, *, is_cut: bool
) -> None:
    with serving(answer(body)) as host:
        response = door.send(Request(method="GET", url=host.url, keep=5))

    assert (response.status, response.body, response.is_cut) == (200, kept, is_cut)


def test_answer_that_breaks_off_tells_its_status(door: RealHttp) -> None:
    def break_off(connection: socket.socket) -> None:
        connection.sendall(answer(b"12", length=99))
        connection.shutdown(socket.SHUT_RDWR)

    with serving(break_off) as host:
        response = door.send(Request(method="GET", url=host.url, keep=50))
        with pytest.raises(SendError, match="ChunkedEncodingError") as error:
            door.send(Request(method="GET", url=host.url))

    assert (response.status, response.is_cut) == (200, True)
    assert error.value.sent


def test_answer_may_be_as_large_as_the_limit(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "MAX_RESPONSE", 1000)
    for size, is_good in ((1000, True), (1001, False)):
        packed = gzip.compress(b"0" * size)
        with serving(answer(packed, "Content-Encoding: gzip")) as host:
            if is_good:
                request = Request(method="GET", url=host.url)
                assert len(door.send(request).body) == size
                continue
            with pytest.raises(SendError, match="too large") as error:
                door.send(Request(method="GET", url=host.url))
            assert error.value.sent


def test_request_may_have_less_time_than_the_door_allows(door: RealHttp) -> None:
    stop = threading.Event()

    def wait(connection: socket.socket) -> None:
        connection.sendall(answer(b"1", length=99))
        stop.wait(10)

    with serving(wait) as host:
        response = door.send(
            Request(method="GET", url=host.url, keep=50, seconds=SHORT)
        )
        with pytest.raises(SendError, match="too long") as error:
            door.send(Request(method="GET", url=host.url, seconds=SHORT))
        stop.set()

    assert (response.status, response.is_cut) == (200, True)
    assert error.value.sent


@pytest.mark.parametrize("head", ["", "Connection: close\r\nContent-Length: 99\r\n"])
def test_t11_answer_that_ends_with_the_connection_is_cut_by_the_clock(
    door: RealHttp, head: str
) -> None:
    """Attack: what we cut off ourselves looks like the end of an answer."""
    stop = threading.Event()

    def go_on(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n12".encode())
        stop.wait(10)

    began = time.monotonic()
    with serving(go_on) as host:
        response = door.send(
            Request(method="GET", url=host.url, keep=50, seconds=SHORT)
        )
        with pytest.raises(SendError, match="too long") as error:
            door.send(Request(method="GET", url=host.url, seconds=SHORT))
        stop.set()

    assert (response.status, response.is_cut) == (200, True)
    assert error.value.sent
    assert time.monotonic() - began < 5


def test_connection_that_does_not_come_in_time_was_sent_nothing(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", late)

    with pytest.raises(SendError, match="ConnectTimeout") as error:
        door.send(Request(method="GET", url="http://127.0.0.1:9/"))
    assert not error.value.sent


def test_t11_check_knows_plain_http_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, ...]] = []

    def connect(*how: object) -> socket.socket:
        asked.append(how)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    found: list[Address] = [ipaddress.ip_address("8.8.8.8")]
    rules = Egress(any_port=True, exempt=(LOOPBACK,), resolve=lambda *_: found)
    with opened(rules) as door:
        for scheme in ("http", "HTTP"):
            with pytest.raises(ForbiddenError, match="not public"):
                door.check(f"{scheme}://good.example/", None)
        door.check("https://good.example/", None)

    assert asked == [(("8.8.8.8", 443), deadlines.CONNECT_SECONDS)]


def test_t11_connection_of_one_tenants_exception_is_not_anothers() -> None:
    """Attack: what the operator opened for one tenant is kept alive, and taken up."""
    theirs = Exempt(tenant_id=TENANT, network=LOOPBACK.network, plain_http=True)
    lab = Exempt(
        tenant_id=None, network=ipaddress.ip_network("10.0.0.0/8"), plain_http=True
    )
    rules = Egress(any_port=True, exempt=(theirs, lab))
    with serving(answer(b"")) as host, opened(rules) as door:
        for _ in range(2):
            door.send(Request(method="GET", url=host.url, tenant_id=TENANT))
        assert host.connections == 1

        for tenant_id in (OTHER, None):
            with pytest.raises(ForbiddenError, match="not public"):
                door.send(Request(method="GET", url=host.url, tenant_id=tenant_id))
        assert len(host.heard) == 2


def test_closed_door_opens_new_connections() -> None:
    with serving(answer(b"")) as host, opened() as door:
        for _ in range(2):
            door.send(Request(method="GET", url=host.url))
            door.close()

    assert host.connections == 2


def test_check_connects_and_sends_nothing(door: RealHttp) -> None:
    with serving(answer(b"")) as host:
        door.check(host.url, None)
        door.check_mail("127.0.0.1", host.port, None)

    assert host.heard == []


def test_check_of_what_does_not_answer_says_so(door: RealHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    words = f"nothing answers at 127.0.0.1, port {port}"

    with pytest.raises(SendError, match=words) as error:
        door.check(f"http://127.0.0.1:{port}/", None)
    assert not error.value.sent
    with pytest.raises(SendError, match=words):
        door.check_mail("127.0.0.1", port, None)


def test_check_tries_the_first_two_addresses() -> None:
    """Attack: a name with forty addresses, and an admin's page waits for each."""
    with serving(answer(b"")) as host:
        for before, is_reached in ((1, True), (2, False)):
            texts = [*(f"127.0.0.{9 + n}" for n in range(before)), "127.0.0.1"]
            found: list[Address] = [ipaddress.ip_address(text) for text in texts]
            rules = Egress(
                any_port=True,
                exempt=(LOOPBACK,),
                resolve=lambda *_, found=found: found,
            )
            with opened(rules) as door:
                if is_reached:
                    door.check(f"http://lab.example:{host.port}/", None)
                    continue
                with pytest.raises(SendError, match="nothing answers"):
                    door.check(f"http://lab.example:{host.port}/", None)


def test_t11_check_is_judged_like_a_request() -> None:
    with opened(Egress()) as door:
        for url in ("http://good.example/", "https://127.0.0.1/"):
            with pytest.raises(ForbiddenError):
                door.check(url, None)
    inside = RealHttp(in_transaction=lambda: True)
    with pytest.raises(RuntimeError, match="transaction"):
        inside.check("https://good.example/", None)


def test_second_address_is_tried_when_the_first_refuses() -> None:
    found: list[Address] = [
        ipaddress.ip_address(text) for text in ("127.0.0.9", "127.0.0.1")
    ]
    rules = Egress(any_port=True, exempt=(LOOPBACK,), resolve=lambda *_: found)
    with serving(answer(b"here")) as host, opened(rules) as door:
        url = f"http://lab.example:{host.port}/"
        assert door.send(Request(method="GET", url=url)).body == b"here"

    assert b"\r\nHost: lab.example:" in host.heard[0]


def test_time_that_is_left_is_never_more_than_asked_nor_less_than_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    current = deadlines.Current()

    left = []
    for until in (103.0, 110.0, 99.0):
        current.until = until
        left.append(current.left(5))

    assert left == [3.0, 5, 0.0]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://a.example/{{ x }}", "no templates"),
        ("https://a.example/{% if x %}", "no templates"),
        ("https://a.example/#x", "no part after"),
        ("https://a.example/ü", "in ASCII"),
        ("https://a.example/\n", "in ASCII"),
    ],
)
def test_t7_address_is_whole_and_plain(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        refuse_odd(address)

    refuse_odd("https://a.example/{x}?y=%20")
