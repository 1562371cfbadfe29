"""A process of the server that answers what Jira sends most without a thread for it.

Eight threads of one process need twice as long for a call as one does: each statement
gives the interpreter to another thread, and waits to have it back (bench/LIMITS.md). So
a call on a connection that is kept is judged where the server waits for all of them;
and whatever has come by then is written in one transaction, by one thread, while the
server waits for more. Everything else has a thread as before.
"""

import contextlib
import functools
import logging
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from selectors import EVENT_READ
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from flask import Flask
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from app.web.express import plain
from app.web.express.lane import HEADERS, Lane, Let
from app.web.express.together import GATHER_SECONDS, MOST

log = logging.getLogger(__name__)

PIECES = 16
"""In which a call may come. Attack: byte by byte, and all before each is read anew."""

MODEST_SECONDS = 0.002
"""How long whoever took a connection takes no other."""


class _Call(NamedTuple):
    """A call that waits to be written, and how it can be read once more."""

    conn: Any
    octets: bytes
    let: Let


Batch = Sequence[_Call]


class LoopWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """Writes many calls at once; nothing in its loop waits for database or client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- gunicorn's own
        super().__init__(*args, **kwargs)
        self.lane: Lane | None = None
        self.waiting: list[_Call] = []
        self.expected, self.until = 1, 0.0
        """How many to write at once, and when not to wait for as many any more."""
        self.is_writing = False
        self.modest_until = 0.0
        """Until when the next connection is left to another process."""
        self.unanswered: dict[Any, bool] = {}
        """Connections with a call that waits, and whether they were heard meanwhile."""
        self.heard = WeakKeyDictionary[Any, tuple[bytes, int]]()
        """What came so far of a call on a connection, and in how many pieces."""
        self.leaving = deque[Any]()
        """Connections that were told that there is no next answer."""
        self.batches = queue.SimpleQueue[Batch | None]()
        self.written = queue.SimpleQueue[tuple[Batch, Sequence[bool]]]()

    def run(self) -> None:
        """Serve until told to stop, and until all that came in is answered."""
        self.lane = _lane_of(self.wsgi)
        if self.lane is not None:
            threading.Thread(
                target=self._write_all, args=(self.lane,), name="writer", daemon=True
            ).start()
        super().run()
        self.batches.put(None)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Look once for what came; then answer what is written, and have more written.

        Not as soon as it is written: the same look may have found something else of a
        connection that ends by it.
        """
        if self.waiting and not self.is_writing:
            timeout = min(timeout, max(self.until - time.monotonic(), 0))
        if (modest := self.modest_until - time.monotonic()) > 0:
            timeout = min(timeout, modest)
        super().wait_for_and_dispatch_events(timeout)
        while not self.written.empty():
            self._answer_all(*self.written.get())
        while self.leaving and self.leaving[0].timeout <= time.monotonic():
            self._hang_up(self.leaving[0])
        self._hand_over()

    def accept(self, listener: Any) -> None:  # noqa: ANN401 -- gunicorn's own
        """Take a connection, and leave the next one to another process for a moment.

        A proxy opens many at once and keeps them: who was awake first would have most
        of the work for as long as they stay.
        """
        before = self.nr_conns
        super().accept(listener)
        if self.nr_conns > before:
            self.modest_until = time.monotonic() + MODEST_SECONDS
            self.set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 -- gunicorn's own
        """Listen for connections, or do not."""
        if not enabled or time.monotonic() >= self.modest_until:
            super().set_accept_enabled(enabled)

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:  # noqa: ANN401 -- gunicorn's own
        """Judge what came on a connection that is kept, or give it a thread."""
        if conn in self.unanswered:
            # More before its answer, or nobody is there any more: it waits.
            self.poller.unregister(client)
            self.unanswered[conn] = True
            return
        if not self._is_taken(conn, client):
            super().on_client_socket_readable(conn, client)

    def finish_request(self, conn: Any, fs: Any) -> None:  # noqa: ANN401 -- gunicorn's own
        """Go on as gunicorn does with a connection that a thread has answered.

        Attack: whoever has had his last answer does not hang up. Gunicorn waits two
        seconds for each, where everybody else waits, too.
        """
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._let_go(conn)

    def _is_taken(self, conn: Any, client: Any) -> bool:  # noqa: ANN401
        """Take what came, if it is a call or a part of one; else leave all of it."""
        octets, pieces = self.heard.pop(conn, (b"", 0))
        # Whoever is told that there is no next answer on this connection has a thread.
        if self.lane is not None and self.alive and self.cfg.keepalive:
            more = _received(client)
            octets, pieces = octets + more, pieces + 1
            if (let := self.lane.judge_octets(octets)) is not None:
                self.waiting.append(_Call(conn, octets, let))
                self.unanswered[conn] = False
                self.keepalived_conns.remove(conn)
                return True
            if more and pieces < PIECES and self.lane.is_begun(octets):
                self.heard[conn] = octets, pieces
                if pieces == 1:
                    # It said something; it has as long as if it had been answered now.
                    self.keepalived_conns.remove(conn)
                    self._keep(conn)
                return True
        conn.parser.unreader.unread(octets)
        return False

    def _hand_over(self) -> None:
        """Have the waiting calls written, once as many came as are to be expected."""
        if not self.waiting or self.is_writing:
            return
        if len(self.waiting) < self.expected and time.monotonic() < self.until:
            return
        batch, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
        self.is_writing = True
        self.batches.put(batch)

    def _write_all(self, lane: Lane) -> None:
        """Write what is handed over: the one part that has a thread of its own."""
        while (batch := self.batches.get()) is not None:
            recorded = lane.write([each.let for each in batch])
            self.written.put((batch, recorded))
            self.method_queue.defer(_nothing)  # the loop wakes up by that
            try:
                lane.tidy()
            except Exception:
                log.exception("bug behind the answers")

    def _answer_all(self, batch: Batch, recorded: Sequence[bool]) -> None:
        self.is_writing = False
        # Those that are answered now come again within a moment, if they come at all.
        self.expected = len(batch) + len(self.waiting)
        self.until = time.monotonic() + GATHER_SECONDS
        is_kept = self.alive and bool(self.cfg.keepalive)
        answer = _answer(int(time.time()), is_kept=is_kept)
        for each, is_recorded in zip(batch, recorded, strict=True):
            conn, is_heard = each.conn, self.unanswered.pop(each.conn)
            if is_recorded and is_kept and _is_sent(conn, answer):
                self._keep(conn)
                if is_heard:
                    callback = functools.partial(self.on_client_socket_readable, conn)
                    self.poller.register(conn.sock, EVENT_READ, callback)
                continue
            if not is_heard:
                self.poller.unregister(conn.sock)
            if not is_recorded:
                conn.parser.unreader.unread(each.octets)
                self.enqueue_req(conn)
                continue
            if not is_kept:
                _is_sent(conn, answer)
            self._let_go(conn)

    def _keep(self, conn: Any) -> None:  # noqa: ANN401
        conn.set_timeout()
        self.keepalived_conns.append(conn)

    def _let_go(self, conn: Any) -> None:  # noqa: ANN401
        """Say that this was the last answer; hang up as soon as the other side does.

        What still comes is thrown away: who closes over it resets the connection, and
        the answer may be lost (RFC 9112, section 9.6).
        """
        conn.timeout = time.monotonic() + STOP_KEEPALIVE_LINGER
        self.leaving.append(conn)
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(
                conn.sock, EVENT_READ, functools.partial(self._drain, conn)
            )
        except (OSError, ValueError):
            self._hang_up(conn)  # it is closed, or nobody is there any more

    def _drain(self, conn: Any, client: Any) -> None:  # noqa: ANN401
        if not _received(client):
            self._hang_up(conn)

    def _hang_up(self, conn: Any) -> None:  # noqa: ANN401
        self.leaving.remove(conn)
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def _nothing() -> None:
    """Do nothing."""


def _is_sent(conn: Any, answer: bytes) -> bool:  # noqa: ANN401 -- gunicorn's own
    """Send it at once; whoever reads no answers has none, and is recorded."""
    try:
        return bool(conn.sock.send(answer) == len(answer))
    except OSError:
        return False


def _received(client: Any) -> bytes:  # noqa: ANN401 -- gunicorn's own
    """Return what came; nothing if nobody is there any more."""
    try:
        return bytes(client.recv(plain.SIZE))
    except OSError:
        return b""


def _lane_of(flask: Any) -> Lane | None:  # noqa: ANN401 -- gunicorn's own
    wsgi = flask.wsgi_app if isinstance(flask, Flask) else None
    return wsgi if isinstance(wsgi, Lane) else None


@functools.lru_cache(maxsize=4)
def _answer(second: int, *, is_kept: bool) -> bytes:
    """Return what is sent for a recorded call: the same for all of one second."""
    headers = [
        ("Server", "gunicorn"),
        ("Date", formatdate(second, usegmt=True)),
        ("Connection", "keep-alive" if is_kept else "close"),
        *HEADERS,
    ]
    lines = ["HTTP/1.1 204 NO CONTENT", *(f"{n}: {v}" for n, v in headers)]
    return ("\r\n".join([*lines, "", ""])).encode()
