"""Calls that the server's own loop takes, on connections that a proxy keeps.

Two processes with one thread each: whatever is answered while that thread is busy was
answered without it.
"""

import json
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.functional.test_stopping import (
    TRIGGERED,
    Site,
    installed,
    wait_until,
    web_server,
)
from tests.processes import Process, free_port

PATIENCE = 20.0
STALLED = 6
"""Slow clients: more than both processes have threads for."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]


class Kept:
    """A connection that stays open, as a proxy's does."""

    def __init__(self, port: int) -> None:
        self.by = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.read = b""

    def sends(self, octets: bytes) -> None:
        self.by.sendall(octets)

    def answer(self) -> Answer:
        """Return the next answer; what comes behind it stays for the one after."""
        while b"\r\n\r\n" not in self.read:
            self._more()
        head, _, self.read = self.read.partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        headers = dict(parse_headers(BytesIO(rest + b"\r\n\r\n")).items())
        length = int(headers.get("Content-Length", "0"))
        while len(self.read) < length:
            self._more()
        self.read = self.read[length:]
        return Answer(int(line.split()[1]), headers)

    def _more(self) -> None:
        octets = self.by.recv(65_536)
        assert octets, "the server hung up"
        self.read += octets

    def asks(self, octets: bytes) -> int:
        self.sends(octets)
        return self.answer().status

    def is_silent(self, seconds: float) -> bool:
        self.by.settimeout(seconds)
        try:
            self.by.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.by.settimeout(PATIENCE)
        return False


@dataclass
class Stack:
    """A web server of two processes, and connections to both."""

    site: Site
    web: Process
    port: int
    number: int = 100
    opened: list[Kept] = field(default_factory=list)

    def call(self, number: int | None = None, more: str = "") -> bytes:
        """Return a call as it goes over the network, of another issue each time."""
        self.number += 1
        body, headers = self.site.signed(number or self.number)
        lines = [f"POST {TRIGGERED} HTTP/1.1", "Host: addon.test"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, *more.splitlines(), "", ""]).encode() + body

    def open(self) -> Kept:
        made = Kept(self.port)
        self.opened.append(made)
        return made

    def kept(self) -> Kept:
        """Open a connection whose process knows the tenant by now."""
        made = self.open()
        for _ in range(2):
            assert made.asks(self.call()) == 204
        return made

    def issues(self) -> set[str]:
        return {run.issue_id for run in self.site.runs()}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with serving(tmp_path) as made:
        yield made


@contextmanager
def serving(folder: Path) -> Iterator[Stack]:
    with installed(f"sqlite:///{folder}/app.sqlite", folder) as site:
        port = free_port()
        env = site.env | {
            "COUNTERSIGN_WEB_PROCESSES": "2",
            "COUNTERSIGN_WEB_THREADS": "1",
        }
        with web_server("web", env, folder, port) as web:
            web.wait_until_answers(f"http://127.0.0.1:{port}/readyz")
            made = Stack(site, web, port)
            yield made
            for each in made.opened:
                each.by.close()
        said = web.log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert "bug" not in said


def test_calls_on_kept_connections_are_recorded_whatever_comes_between(
    stack: Stack,
) -> None:
    see_many(stack)
    see_halves(stack)
    see_two_at_once(stack)
    see_refusals(stack)
    see_duplicate(stack)
    see_who_hangs_up(stack)


def see_many(stack: Stack) -> None:
    """Each of many connections has its answers, and each call is one run."""
    before = len(stack.site.runs())
    connections = [stack.kept() for _ in range(8)]
    for _ in range(5):
        for each in connections:
            each.sends(stack.call())
        assert [each.answer().status for each in connections] == [204] * 8
    assert len(stack.site.runs()) - before == 8 * 2 + 8 * 5


def see_halves(stack: Stack) -> None:
    kept = stack.kept()
    for place in (3, 60, -20):
        call = stack.call()
        kept.sends(call[:place])
        time.sleep(0.05)
        assert kept.asks(call[place:]) == 204
        assert str(stack.number) in stack.issues()
    get = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    for octets, status in ((get, 200), (b"P" + get[1:], 405), (stack.call(), 204)):
        kept = stack.kept()
        for octet in octets[:40]:
            kept.sends(bytes([octet]))
            time.sleep(0.001)
        assert kept.asks(octets[40:]) == status
    kept = stack.kept()
    kept.sends(stack.call()[:-20])
    kept.by.close()


def see_two_at_once(stack: Stack) -> None:
    """T0b: one behind the other in one piece, and one before the other's answer."""
    kept = stack.kept()
    one, other = stack.call(), stack.call()
    kept.sends(one + other)
    assert [kept.answer().status, kept.answer().status] == [204, 204]
    for _ in range(5):
        kept.sends(stack.call())
        kept.sends(stack.call())
        assert [kept.answer().status, kept.answer().status] == [204, 204]
    wanted = {str(each) for each in range(stack.number - 11, stack.number + 1)}
    assert wanted <= stack.issues()


def see_refusals(stack: Stack) -> None:
    """T0c: refused as everywhere, and the connection serves on."""
    kept = stack.kept()
    for octets, status in (
        (stack.call().replace(b"JWT ey", b"JWT ex"), 401),
        (stack.call().replace(b'"transition"', b'"transitjon"'), 400),
        (stack.call().replace(b" HTTP", b"?a=1 HTTP"), 401),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (stack.call(), 204),
    ):
        assert kept.asks(octets) == status
    kept.sends(stack.call(more="Connection: close"))
    answer = kept.answer()
    assert answer.status == 204
    assert answer.headers["Connection"] == "close"
    assert kept.by.recv(1) == b""


def see_duplicate(stack: Stack) -> None:
    kept, call = stack.kept(), stack.call()
    before = len(stack.site.runs())
    assert [kept.asks(call) for _ in range(3)] == [204] * 3
    assert len(stack.site.runs()) - before == 1


def see_who_hangs_up(stack: Stack) -> None:
    """Whoever does not wait for the answer has called all the same."""
    for _ in range(5):
        kept = stack.kept()
        kept.sends(stack.call())
        kept.by.close()
        number = str(stack.number)
        wait_until(lambda number=number: number in stack.issues())  # type: ignore[misc]
    assert stack.kept().asks(stack.call()) == 204


def test_t13_slow_clients_do_not_keep_jira_waiting_on_kept_connections(
    stack: Stack,
) -> None:
    """Attack: bodies that never end, one for each thread of each process."""
    connections = [stack.kept() for _ in range(6)]
    for _ in range(STALLED):
        slow = stack.open()
        slow.sends(stack.call()[:-5])
    wait_until(lambda: all(is_busy(stack) for _ in range(4)))

    for each in connections:
        assert each.asks(stack.call()) == 204
        assert str(stack.number) in stack.issues()
        # As it comes through a network, whose packets are smaller than a call.
        call = stack.call()
        for place in range(0, len(call), 400):
            each.sends(call[place : place + 400])
            time.sleep(0.01)
        assert each.answer().status == 204
        assert str(stack.number) in stack.issues()


def is_busy(stack: Stack) -> bool:
    """Say whether a thread waits for what never comes: nobody new is answered."""
    other = stack.open()
    other.sends(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    return other.is_silent(0.3)


def test_database_that_waits_holds_up_calls_and_nobody_else(
    stack: Stack, tmp_path: Path
) -> None:
    """The loop itself never waits for the database: only who asked for it does."""
    connections = [stack.kept() for _ in range(6)]
    writer = sqlite3.connect(tmp_path / "app.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    for each in connections:
        each.sends(stack.call())
    assert all(each.is_silent(0.1) for each in connections)

    for _ in range(6):
        other = stack.open()
        assert other.asks(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == 200

    # Meanwhile one of them says more, and another one hangs up.
    *kept, impatient = connections
    kept[0].sends(stack.call())
    impatient.by.close()
    assert all(each.is_silent(0.1) for each in kept)
    writer.execute("ROLLBACK")
    writer.close()
    assert [each.answer().status for each in (kept[0], *kept)] == [204] * 6
    wait_until(lambda: len(stack.issues()) == 6 * 2 + 7)


def test_database_that_is_away_is_503_and_then_nothing_of_it_is_left(
    stack: Stack, tmp_path: Path
) -> None:
    kept, other = stack.kept(), stack.kept()
    before = len(stack.site.runs())
    direct = sqlite3.connect(tmp_path / "app.sqlite", isolation_level=None)
    direct.execute("ALTER TABLE audit_event RENAME TO away")
    assert [kept.asks(stack.call()), other.asks(stack.call())] == [503, 503]
    direct.execute("ALTER TABLE away RENAME TO audit_event")
    direct.close()
    assert len(stack.site.runs()) == before
    assert [kept.asks(stack.call()), other.asks(stack.call())] == [204, 204]


def test_call_that_waits_when_the_server_is_told_to_end_is_answered(
    stack: Stack, tmp_path: Path
) -> None:
    """And whoever keeps the connection is told that there is no next answer on it."""
    connections = [stack.kept() for _ in range(10)]
    writer = sqlite3.connect(tmp_path / "app.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    for each in connections:
        each.sends(stack.call())
    assert all(each.is_silent(0.1) for each in connections)

    stack.web.popen.send_signal(signal.SIGTERM)
    assert all(each.is_silent(0.5) for each in connections)
    writer.execute("ROLLBACK")
    writer.close()

    answers = [each.answer() for each in connections]
    assert [each.status for each in answers] == [204] * 10
    assert {each.headers["Connection"] for each in answers} == {"close"}
    assert stack.web.popen.wait(15) == 0
    assert len(stack.site.runs()) == 10 * 3


def test_headers_are_those_of_every_answer(stack: Stack) -> None:
    kept = stack.kept()
    kept.sends(stack.call())
    by_loop = kept.answer().headers
    kept.sends(stack.call(more="TE: trailers"))  # which the loop leaves to a thread
    by_thread = kept.answer().headers

    for headers in (by_loop, by_thread):
        assert headers.pop("Date").endswith(" GMT")
        headers.pop("Transfer-Encoding", None)
    assert by_loop == by_thread, json.dumps([by_loop, by_thread])
