"""The threads that carry runs in one worker process, and what wakes them.

One wake-up begins with one thread. Whoever finds a run wakes another one before it
carries it out, so that a thousand runs that are due find all threads, and one run none
but its own. When nothing is due, only the sweep asks.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from app import patience

log = logging.getLogger(__name__)

END_SECONDS = 10.0
"""How long threads are waited for that bring to an end what they have in hand."""


@dataclass
class Carriers:
    """So many threads."""

    count: int = 1
    _idle: int = 0
    _wanted: int = 0
    _is_over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Condition = field(init=False)
    """Notified when one more is to look."""
    _room: threading.Condition = field(init=False)
    """Notified when one becomes idle."""

    def __post_init__(self) -> None:
        """Let both conditions be of one lock."""
        self._turn = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)

    def wake(self) -> None:
        """Have one more thread look for due runs.

        Where all are busy, the next that finds nothing looks once more: what came due
        after it had looked is not left to the sweep.
        """
        with self._turn:
            if self._wanted <= self._idle:
                self._wanted += 1
                self._turn.notify()

    def hear(self) -> None:
        """Take a wake-up from the queue once a thread is free for it.

        A process that is busy must not take those that an idle one could follow.
        """
        with self._room:
            self._room.wait_for(lambda: self._idle > self._wanted or self._is_over)
        self.wake()

    @contextmanager
    def working(self, carry: Callable[[], None]) -> Iterator[None]:
        """Have the threads carry runs inside the block; wait for them at its end.

        `carry` carries out what is due until nothing is, or until it is to stop.
        """
        threads = [
            threading.Thread(
                target=self._work, args=(carry,), name=f"carrier-{n}", daemon=True
            )
            for n in range(self.count)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            with self._turn:
                self._is_over = True
                self._turn.notify_all()
                self._room.notify_all()
            deadline = time.monotonic() + END_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, carry: Callable[[], None]) -> None:
        while self._is_woken():
            try:
                carry()
            except sa.exc.DBAPIError as error:
                # The database is away: the runs are in it, and the next sweep asks.
                log.error("database: %s", patience.words_of(error))  # noqa: TRY400 -- the text has values
            except Exception:
                # A thread that ended would be missing from then on.
                log.exception("a carrier failed")

    def _is_woken(self) -> bool:
        """Wait until there is something to look for; False when it is over."""
        with self._turn:
            self._idle += 1
            self._room.notify_all()
            while not self._wanted and not self._is_over:
                self._turn.wait()
            self._idle -= 1
            self._wanted = max(self._wanted - 1, 0)
            return not self._is_over
