"""Connections of the server's loop, when several things happen at one moment.

The loop is turned by hand here, with real sockets: what happens between two turns is
what it finds in one look.
"""

import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import http
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from app.web import looping, many
from app.web.looping import LoopWorker

CALL = b"CALL"


class CallsOnly:
    """What takes each `CALL` for one, and nothing else."""

    def judge_octets(self, octets: bytes) -> bytes | None:
        return octets if octets == CALL else None

    def is_begun(self, octets: bytes) -> bool:
        return CALL.startswith(octets)


@dataclass
class Loop:
    worker: Any
    client: socket.socket
    conn: Any

    def turn(self, timeout: float = 0.2) -> None:
        self.worker.wait_for_and_dispatch_events(timeout)

    def turn_until(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < until
            self.turn(0.05)

    def call(self) -> None:
        """Have a call taken, and handed over to be written."""
        self.client.sendall(CALL)
        self.turn_until(lambda: self.worker.is_writing)

    def write(self, *, is_recorded: bool) -> None:
        """Do as the thread does that writes; the loop has not looked yet."""
        batch = self.worker.batches.get()
        self.worker.written.put((batch, [is_recorded] * len(batch)))
        self.worker.method_queue.defer(lambda: None)

    def answered(self) -> bytes:
        self.client.settimeout(20)
        return self.client.recv(65_536)


@pytest.fixture
def loop() -> Iterator[Loop]:
    config = Config()
    config.set("threads", 1)
    config.set("keepalive", 75)
    worker: Any = LoopWorker(1, os.getppid(), [], None, 30, config, SimpleNamespace())
    worker.lane = CallsOnly()
    worker.tpool = worker.get_thread_pool()
    worker.poller = looping_poller(worker)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        served, address = listening.accept()
        conn = TConn(config, served, address, listening.getsockname())
        conn.parser = http.get_parser(config, served, address)
        conn.initialized = True
        worker.nr_conns = 1
        worker.handle = lambda _: True  # the thread's part: it is kept
        worker.finish_request(conn, SimpleNamespace(**FINISHED))
        yield Loop(worker, client, conn)
    client.close()
    worker.tpool.shutdown()
    worker.poller.close()
    worker.method_queue.close()
    worker.tmp.close()
    conn.sock.close()


FINISHED = {
    "cancelled": lambda: False,
    "exception": lambda: None,
    "result": lambda: True,
}


def looping_poller(worker: Any) -> Any:
    poller = selectors.DefaultSelector()
    worker.method_queue.init()
    poller.register(
        worker.method_queue.fileno(),
        selectors.EVENT_READ,
        worker.method_queue.run_callbacks,
    )
    return poller


def resets(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.parametrize(
    "act", [resets, socket.socket.close, lambda client: client.sendall(CALL)]
)
def test_what_comes_as_a_call_is_written_finds_no_connection_that_is_gone(
    loop: Loop, act: Callable[[socket.socket], None], *, is_recorded: bool
) -> None:
    """Attack: whoever repeats a call, and hangs up, ends the process for all."""
    loop.call()
    loop.turn(0)
    loop.write(is_recorded=is_recorded)

    act(loop.client)

    for _ in range(5):
        loop.turn()
    known = [*loop.worker.keepalived_conns, *loop.worker.unanswered]
    assert len(known) <= loop.worker.nr_conns <= 1


def test_connections_that_end_are_counted_once(loop: Loop) -> None:
    """Attack: answers that break in the middle, until the count says there is none."""
    loop.turn(0)
    loop.worker.poller.unregister(loop.conn.sock)
    loop.worker.keepalived_conns.clear()
    loop.conn.sock.close()  # as a thread does when its answer breaks

    loop.worker.finish_request(
        loop.conn, SimpleNamespace(**FINISHED | {"result": lambda: False})
    )

    assert loop.worker.nr_conns == 0


def test_t13_who_does_not_hang_up_is_not_waited_for(loop: Loop) -> None:
    """Attack: whoever had the last answer stays, and the loop with him."""
    loop.turn(0)
    loop.worker.poller.unregister(loop.conn.sock)
    loop.worker.keepalived_conns.clear()

    loop.worker.finish_request(
        loop.conn, SimpleNamespace(**FINISHED | {"result": lambda: False})
    )

    assert list(loop.worker.leaving) == [loop.conn]
    assert loop.answered() == b""
    loop.client.close()
    loop.turn_until(lambda: loop.worker.nr_conns == 0)
    assert not loop.worker.leaving


def test_last_answer_is_said_and_what_comes_behind_it_is_not_carried_out(
    loop: Loop,
) -> None:
    loop.call()
    loop.client.sendall(CALL)
    loop.turn()
    loop.worker.cfg.set("keepalive", 0)
    loop.write(is_recorded=True)
    loop.turn()

    assert b"Connection: close" in loop.answered()
    assert loop.answered() == b""
    loop.client.close()
    loop.turn_until(lambda: loop.worker.nr_conns == 0)
    assert not loop.worker.waiting


def test_who_stays_after_the_last_answer_is_hung_up_on(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looping, "STOP_KEEPALIVE_LINGER", 0.1)
    loop.call()
    loop.worker.cfg.set("keepalive", 0)
    loop.write(is_recorded=True)

    loop.turn_until(lambda: loop.worker.nr_conns == 0)

    assert not loop.worker.leaving


def test_each_process_has_a_core_that_no_other_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also the one that takes the place of one that ended."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {4, 7})
    arbiter: Any = SimpleNamespace(WORKERS={})

    def begets(pid: int) -> int:
        worker: Any = SimpleNamespace(cfg=SimpleNamespace(workers=2))
        many._begets(arbiter, worker)  # noqa: SLF001 -- gunicorn calls it
        arbiter.WORKERS[pid] = worker
        return int(worker.core)

    assert [begets(1), begets(2)] == [4, 7]
    del arbiter.WORKERS[1]
    assert begets(3) == 4
    del arbiter.WORKERS[2]
    assert begets(4) == 7
