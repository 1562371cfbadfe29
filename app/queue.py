"""Wakes workers. Carries no truth: what is lost here, the run table still has.

Huey (docs/adr/0001): one small package, a SQLite file of its own or Redis by the
same code, a wake-up in milliseconds. It is at-most-once by itself, so nothing goes
through it but "there is work".
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import huey
from huey.registry import Message
from huey.serializer import Serializer

POLL_SECONDS = 0.1
"""The longest that a wake-up waits in the SQLite file."""

STOP_SECONDS = 10


class QueueError(Exception):
    """The queue cannot be reached; sweeping still finds every run within seconds."""


class Queue:
    """Wake-ups for workers, through SQLite or Redis."""

    def __init__(self, url: str) -> None:
        self._huey = _open(url)
        self._handler: Callable[[], None] = _nobody
        self._wake = self._huey.task(name="wake")(self._woken)

    def wake(self) -> None:
        """Ask some worker to look for due runs; raise `QueueError` if that fails."""
        try:
            self._wake()
        except Exception as error:
            # Huey hands on its storage's own errors: those of sqlite3 and of redis
            # have no base class in common but this one.
            raise QueueError(type(error).__name__) from error

    @contextlib.contextmanager
    def consuming(self, handler: Callable[[], None], *, threads: int) -> Iterator[None]:
        """Call `handler` for every wake-up, in `threads` threads, inside the block.

        Huey takes over the process's signals at the start: set your own inside.
        """
        self._handler = handler
        consumer = self._huey.create_consumer(
            workers=threads,
            initial_delay=POLL_SECONDS / 2,
            max_delay=POLL_SECONDS,
            periodic=False,
            shutdown_timeout=STOP_SECONDS,
        )
        consumer.start()
        try:
            yield
        finally:
            consumer.stop(graceful=True)

    def _woken(self) -> None:
        self._handler()


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


def _open(url: str) -> huey.Huey:
    parts = urlsplit(url)
    options = {"name": "countersign", "results": False, "serializer": _WakeUp()}
    if parts.scheme == "sqlite":
        # As in a database URL: three slashes before a relative path, four before an
        # absolute one.
        return huey.SqliteHuey(filename=parts.path[1:], **options)
    if parts.scheme in {"redis", "rediss"}:
        return huey.RedisHuey(url=url, **options)
    raise QueueError(f"unknown scheme {parts.scheme!r}")
