"""The door to the network: what a hostile or slow server can do to us."""

import gzip
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
)
from app.http.egress import Address


@contextmanager
def listening(*talks: Callable[[socket.socket], None]) -> Iterator[str]:
    """Let each of these have one connection, on loopback, from its first byte on."""
    with socket.create_server(("127.0.0.1", 0)) as found:

        def serve() -> None:
            for talk in talks:
                connection, _ = found.accept()
                with connection:
                    talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.getsockname()[1]}/"
        thread.join(5)


@contextmanager
def server(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer one connection after the other with raw bytes, on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    listening.close()
    thread.join(5)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "Connection: close", "", "")).encode() + body


LOOPBACK = Egress(
    any_port=True,
    exempt=(
        Exempt(
            tenant_id=None,
            network=ipaddress.ip_network("127.0.0.0/8"),
            plain_http=True,
        ),
    ),
)


@pytest.fixture
def door() -> Iterator[RealHttp]:
    door = RealHttp(in_transaction=lambda: False, egress=LOOPBACK)
    yield door
    door.close()


def test_answer_is_returned_whatever_its_status(door: RealHttp) -> None:
    with server(answer(b"no", "X-Seen: yes", status="403 Forbidden")) as url:
        response = door.send(Request(method="GET", url=url))

    assert (response.status, response.body) == (403, b"no")
    assert response.headers["X-Seen"] == "yes"


def test_redirect_is_not_followed(door: RealHttp) -> None:
    """Attack: the answer sends our signed call on to another host (CVE-2023-28155)."""
    moved = answer(b"", "Location: http://127.0.0.1:9/", status="302 Found")
    with server(moved) as url:
        assert door.send(Request(method="GET", url=url)).status == 302


def test_nothing_is_sent_inside_a_transaction() -> None:
    door = RealHttp(in_transaction=lambda: True)

    with pytest.raises(RuntimeError, match="transaction"):
        door.send(Request(method="GET", url="http://127.0.0.1:9/"))
    door.close()


def test_refused_connection_was_not_sent(door: RealHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(SendError) as error:
        door.send(Request(method="POST", url=f"http://127.0.0.1:{port}/"))

    assert not error.value.sent


def test_connection_that_breaks_may_have_been_heard(door: RealHttp) -> None:
    with server(b"") as url, pytest.raises(SendError) as error:
        door.send(Request(method="POST", url=url))

    assert error.value.sent


def test_answer_that_unpacks_to_too_much_is_cut_off(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "MAX_RESPONSE", 100_000)
    bomb = gzip.compress(b"0" * 10_000_000)
    with (
        server(answer(bomb, "Content-Encoding: gzip")) as url,
        pytest.raises(SendError, match="too large"),
    ):
        door.send(Request(method="GET", url=url))


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 O"],
)
def test_t11_answer_that_drips_ends_at_the_deadline(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(deadlines, "DEADLINE_SECONDS", 0.3)
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while not stop.wait(0.05):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with server(drip) as url:
        with pytest.raises(SendError):
            door.send(Request(method="GET", url=url))
        stop.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_t11_silent_server_is_left_at_the_deadline(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The https one says nothing to our handshake."""
    monkeypatch.setattr(deadlines, "DEADLINE_SECONDS", 0.3)
    stop = threading.Event()

    def wait(_: socket.socket) -> None:
        stop.wait(10)

    with server(wait) as url:
        began = time.monotonic()
        with pytest.raises(SendError, match="too long"):
            door.send(Request(method="GET", url=url.replace("http", scheme)))
        stop.set()

    assert time.monotonic() - began < 3


def test_t11_name_that_is_slow_to_resolve_is_left_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "DEADLINE_SECONDS", 0.3)
    stop = threading.Event()

    def slow(*_: object) -> list[Address]:
        stop.wait(10)
        return []

    door = RealHttp(in_transaction=lambda: False, egress=Egress(resolve=slow))
    began = time.monotonic()
    with pytest.raises(SendError, match="too long") as error:
        door.send(Request(method="GET", url="https://slow.example/"))
    stop.set()
    door.close()

    assert time.monotonic() - began < 3
    assert not error.value.sent


def test_t11_addresses_that_do_not_answer_share_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack: a name with many addresses, and the limit of each is waited for."""
    monkeypatch.setattr(deadlines, "DEADLINE_SECONDS", 0.5)
    monkeypatch.setattr(deadlines, "CONNECT_SECONDS", 0.2)
    waited: list[float] = []

    def silent(_: object, timeout: float) -> socket.socket:
        waited.append(timeout)
        time.sleep(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    many = [ipaddress.IPv4Address(f"8.8.8.{n}") for n in range(40)]
    rules = Egress(resolve=lambda *_: many)  # type: ignore[arg-type]
    door = RealHttp(in_transaction=lambda: False, egress=rules)

    with pytest.raises(SendError, match="too long") as error:
        door.send(Request(method="GET", url="https://many.example/"))
    door.close()

    assert 0 < sum(waited) <= 0.5  # a busy machine waits for fewer, never for longer
    assert not error.value.sent


def test_environments_proxy_is_not_used(
    door: RealHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server(answer(b"direct")) as url:
        assert door.send(Request(method="GET", url=url)).body == b"direct"


def test_t11_nothing_is_sent_to_this_machine_by_default() -> None:
    door = RealHttp(in_transaction=lambda: False)
    with server() as url:
        for address in (url, url.replace("http:", "https:")):
            with pytest.raises(ForbiddenError):
                door.send(Request(method="GET", url=address))
    door.close()


def test_t11_what_was_judged_is_what_is_connected_to() -> None:
    """Attack: the answer is public for one request, and loopback for the next."""
    answers = iter(["127.0.0.1"])

    def changing(*_: object) -> list[ipaddress.IPv4Address]:
        return [ipaddress.IPv4Address(next(answers))]

    rules = Egress(resolve=changing)  # type: ignore[arg-type]
    door = RealHttp(in_transaction=lambda: False, egress=rules)

    with pytest.raises(ForbiddenError):
        door.send(Request(method="GET", url="https://rebinding.example/"))

    assert next(answers, None) is None
    door.close()


def test_t11_host_header_stays_the_name(door: RealHttp) -> None:
    def echo(connection: socket.socket) -> None:
        connection.sendall(answer(b"heard"))

    with server(echo) as url:
        named = url.replace("127.0.0.1", "localhost")
        assert door.send(Request(method="GET", url=named)).body == b"heard"


def test_target_goes_out_as_it_is_and_the_next_one_by_its_url(door: RealHttp) -> None:
    heard: list[bytes] = []

    def tell(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(answer(b""))

    odd = "/a/./b/../c%2fd//e?x=%7e+y&z="
    with listening(tell, tell) as url:
        door.send(Request(method="GET", url=f"{url}plain", target=odd))
        door.send(Request(method="GET", url=f"{url}a/./b%2f"))

    assert heard[0].startswith(f"GET {odd} HTTP/1.1\r\n".encode())
    assert heard[1].startswith(b"GET /a/b%2F HTTP/1.1\r\n")


def test_requests_hide_what_they_carry() -> None:
    request = Request(
        method="POST", url="https://x", headers={"Authorization": "JWT abc"}, body=b"s3"
    )

    assert "abc" not in repr(request)
    assert "s3" not in repr(request)
