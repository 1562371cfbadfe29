"""Wakes workers for what was recorded, beside the calls that wait for an answer."""

import logging
import threading
import time
from dataclasses import dataclass, field

from app.queue import Queue, QueueError

log = logging.getLogger(__name__)

PAUSE = 0.01
"""Seconds between two wake-ups: a worker that is awake takes what is due until nothing
is left, so a hundred calls in one moment need no hundred of them."""


@dataclass
class Waker:
    """Rings for all who rang meanwhile; nobody waits for it. Safe for threads.

    Its thread begins with the first ring, in the process that serves: a server may
    start others from the one that built this.
    """

    queue: Queue
    _rung: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ring(self) -> None:
        """Let a worker look soon for what is due, which is committed by now."""
        self._rung.set()
        if not self._is_there():
            with self._lock:
                if not self._is_there():
                    self._thread = threading.Thread(
                        target=self._run, name="waker", daemon=True
                    )
                    self._thread.start()

    def _is_there(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while self._rung.wait():
            self._rung.clear()
            try:
                self.queue.wake()
            except QueueError as error:
                # What is due is recorded, and workers sweep: it only starts later.
                log.warning("queue: %s", error)
            time.sleep(PAUSE)
