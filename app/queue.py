"""Wakes workers. Carries no truth: what is lost here, the run table still has.

Huey (docs/adr/0001): one small package, a SQLite file of its own or Redis by the
same code, a wake-up in milliseconds. It is at-most-once by itself, so nothing goes
through it but "there is work".
"""

import contextlib
import logging
import signal
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import huey
import redis
from huey.registry import Message
from huey.serializer import Serializer

POLL_SECONDS = 0.1
"""The longest that a wake-up waits in the SQLite file."""

STOP_SECONDS = 10

WAKE_SECONDS = 0.25
"""How long a wake-up waits for Redis to connect, and as long again for its answer. Jira
waits meanwhile, and the run is recorded: sweeping finds it."""

READ_SECONDS = 3
"""How long a worker waits for Redis: more than the second for which Huey lets Redis
hold the answer "nothing" back, and less than a stop may take."""

TROUBLE_SECONDS = 60
"""How often one kind of trouble with the queue is logged."""


class QueueError(Exception):
    """The queue cannot be reached; sweeping still finds every run within seconds."""


class Queue:
    """Wake-ups for workers, through SQLite or Redis."""

    def __init__(self, url: str) -> None:
        """Open it; raise `QueueError` for a file that cannot be opened."""
        self._waking = _open(url, WAKE_SECONDS)
        self._reading = _open(url, READ_SECONDS)
        self._handler: Callable[[], None] = _nobody
        self._wake = self._waking.task(name="wake")(self._woken)
        self._reading.task(name="wake")(self._woken)

    def wake(self) -> None:
        """Ask some worker to look for due runs; raise `QueueError` if that fails.

        A Redis that is silent fails it within half a second.
        """
        try:
            self._wake()
        except Exception as error:
            # Huey hands on its storage's own errors: those of sqlite3 and of redis
            # have no base class in common but this one.
            raise QueueError(type(error).__name__) from error

    def waiting(self) -> int:
        """Return how many wake-ups no worker has taken yet; raise `QueueError`."""
        try:
            return int(self._waking.pending_count())
        except Exception as error:
            raise QueueError(type(error).__name__) from error

    @contextlib.contextmanager
    def consuming(self, handler: Callable[[], None], *, threads: int) -> Iterator[None]:
        """Call `handler` for every wake-up, in `threads` threads, inside the block."""
        self._handler = handler
        consumer = self._reading.create_consumer(
            workers=threads,
            initial_delay=POLL_SECONDS / 2,
            max_delay=POLL_SECONDS,
            periodic=False,
            shutdown_timeout=STOP_SECONDS,
        )
        # Huey takes the process's signals for itself; they are its caller's.
        signals = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
        consumer.start()
        for number, theirs in signals.items():
            signal.signal(number, theirs)
        try:
            yield
        finally:
            consumer.stop(graceful=True)

    def _woken(self) -> None:
        self._handler()


class TroubleFilter(logging.Filter):
    """For the log: each trouble of Huey's once a minute, its error by name only.

    While Redis is away, every thread that waits for a wake-up would say so ten times a
    second, each time with a trace. And an error's text may have values that a statement
    was given, which are not the log's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass what is not Huey's as it is."""
        if record.name.partition(".")[0] != "huey":
            return True
        error = record.exc_info[0] if record.exc_info else None
        if error is not None:
            record.msg = f"{record.msg}: {error.__name__}"
            record.exc_info = record.exc_text = None
        return self._is_new(error.__name__ if error else str(record.msg), record)

    def _is_new(self, trouble: str, record: logging.LogRecord) -> bool:
        with self._lock:
            said_at = self._said_at.get(trouble)
            if said_at is not None and record.created - said_at < TROUBLE_SECONDS:
                return False
            self._said_at[trouble] = record.created
            return True


class _WakeUp(Serializer):  # type: ignore[misc]  # huey is untyped
    """Writes and reads the one message that there is.

    Attack: Huey's own serializer is pickle, with which write access to the queue is
    code in our process. A wake-up needs no content, so none is read.
    """

    def _serialize(self, data: Message) -> bytes:
        return str(data.name).encode()

    def _deserialize(self, data: bytes) -> Message:
        # Not even the name: an unknown one would be quoted in an error, line breaks
        # and all, and errors go to the log.
        del data
        return Message(
            id=str(uuid.uuid4()),
            name=f"{__name__}.wake",
            retries=0,
            retry_delay=0,
            args=(),
            kwargs={},
        )


def _nobody() -> None:
    raise RuntimeError("a wake-up came to a process that carries out no runs")


def _open(url: str, patience: float) -> huey.Huey:
    """Open the queue at a URL; `patience` is for Redis, in seconds."""
    parts = urlsplit(url)
    options = {"name": "countersign", "results": False, "serializer": _WakeUp()}
    if parts.scheme == "sqlite":
        # As in a database URL: three slashes before a relative path, four before an
        # absolute one.
        try:
            return huey.SqliteHuey(filename=parts.path[1:], **options)
        except sqlite3.Error as error:
            raise QueueError(type(error).__name__) from error
    if parts.scheme in {"redis", "rediss"}:
        # Without these a Redis that accepts and never answers holds its caller.
        pool = redis.ConnectionPool.from_url(
            url, socket_connect_timeout=patience, socket_timeout=patience
        )
        return huey.RedisHuey(connection_pool=pool, **options)
    raise QueueError(f"unknown scheme {parts.scheme!r}")
