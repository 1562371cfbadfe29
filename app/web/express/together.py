"""Writes what many threads have to write in one transaction: one wait for the disk."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST = 64
"""Written at once; a transaction stays short for whoever waits for the next one."""

GATHER_SECONDS, LOOK_SECONDS = 0.002, 0.0001
"""How long whoever writes waits for as many as came the last time, and how often it
looks. Those that were just answered come again one after the other: without it every
other transaction would be of one call, and cost as much as one of eight."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class UnwrittenError(Exception):
    """The transaction that it was to be part of failed; nothing of it was written."""


class _Waiting(Generic[Item, Result]):
    """One thread's part, until it is written or the thread's turn comes to write."""

    __slots__ = ("gate", "item", "leads", "results")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.gate = threading.Lock()
        self.gate.acquire()
        self.leads = False
        self.results: list[Result] = []


@dataclass
class Together(Generic[Item, Result]):
    """Hands `write` whatever came while it wrote before. Safe for threads.

    There is no thread of its own: whoever finds nobody writing writes, for all who
    wait by then, and hands over to one who came meanwhile.
    """

    write: Callable[[Sequence[Item]], Sequence[Result]]
    """Returns one result for each, in order, once they are durable."""
    _waiting: list[_Waiting[Item, Result]] = field(default_factory=list)
    _is_busy: bool = False
    _came: int = 1
    """How many were written the last time."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, item: Item) -> Result:
        """Return what `write` returned for it; raise `UnwrittenError` if it failed."""
        mine = _Waiting[Item, Result](item)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_busy = not self._is_busy, True
        if not leads:
            mine.gate.acquire()
            leads = mine.leads
        if leads:
            self._write_all()
        if not mine.results:
            raise UnwrittenError
        return mine.results[0]

    def _gather(self) -> None:
        """Wait a moment, if it was worth it the last time; who comes alone does not."""
        until = time.monotonic() + GATHER_SECONDS
        while len(self._waiting) < self._came and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def waiting(self) -> int:
        """Return how many wait for the transaction after the present one."""
        with self._lock:
            return len(self._waiting)

    def _write_all(self) -> None:
        """Write for everybody who waits, the caller first among them."""
        self._gather()
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._came = len(batch)
        try:
            results = self.write([each.item for each in batch])
            for each, result in zip(batch, results, strict=True):
                each.results.append(result)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_busy = following is not None
            if following is not None:
                following.leads = True
                following.gate.release()
            for each in batch:
                each.gate.release()
