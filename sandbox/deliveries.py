"""Calls on their way: each is made when it is due, by hand or in the background."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.world import World

_WORKERS = 16
_NAP = 0.05


@dataclass
class Delivery:
    due: datetime
    attempt: Callable[[int], timedelta | None]
    """Make this try, counted from 0; how long until the next, None when it is over."""
    tries: int = 0


class Deliveries:
    """The queue; `background` delivers by itself, else `deliver_pending`."""

    def __init__(self, world: World, *, background: bool) -> None:
        self.world = world
        self.background = background
        self._queue: list[Delivery] = []
        self._wake = threading.Condition()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._in_flight = 0

    def add(self, delivery: Delivery) -> None:
        with self._wake:
            self._queue.append(delivery)
            if self.background and self._pool is None:
                self._pool = ThreadPoolExecutor(_WORKERS, "delivery")
                threading.Thread(
                    target=self._work, args=(self._pool.submit,), daemon=True
                ).start()
            self._wake.notify_all()

    def pending(self) -> int:
        """Calls that wait or are under way."""
        with self._wake:
            return len(self._queue) + self._in_flight

    def deliver_pending(self) -> int:
        """Deliver what is due, and what that makes due; the number of calls."""
        count = 0
        while due := self._take_due():
            for delivery in due:
                self._try(delivery)
            count += len(due)
        return count

    def settle(self, seconds: float) -> bool:
        """Wait until the background has nothing left; False when time is up."""
        end = time.monotonic() + seconds
        while self.pending() and time.monotonic() < end:
            time.sleep(_NAP)
        return not self.pending()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(
        self, submit: Callable[[Callable[[Delivery], None], Delivery], Any]
    ) -> None:
        while not self._closed:
            for delivery in self._take_due():
                submit(self._try, delivery)
            with self._wake:
                # a retry becomes due by the clock, which nobody announces
                self._wake.wait(timeout=_NAP if self._queue else None)

    def _take_due(self) -> list[Delivery]:
        now = self.world.now()
        with self._wake:
            due = [d for d in self._queue if d.due <= now]
            self._queue = [d for d in self._queue if d.due > now]
            self._in_flight += len(due)
        return due

    def _try(self, delivery: Delivery) -> None:
        try:
            delay = delivery.attempt(delivery.tries)
            if delay is not None:
                delivery.tries += 1
                delivery.due = self.world.now() + delay
                self.add(delivery)
        finally:
            with self._wake:
                self._in_flight -= 1
