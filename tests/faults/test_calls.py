"""Jira's calls come twice, late and in another order."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.conftest import Conclude, Play
from tests.faults.site import IDENTIFIER, Wire

MOST_LATE = 3.0
"""Seconds that a call is held back, or comes again after."""


@dataclass(kw_only=True)
class Unruly:
    """A way over which half of the calls come late, and half come again."""

    wire: Wire
    random: random.Random
    lock: threading.Lock = field(default_factory=threading.Lock)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))
    again: int = 0

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        if IDENTIFIER not in headers:
            return self.wire(method, url, headers, body)
        with self.lock:
            late, *copies = (
                self.random.uniform(0, MOST_LATE) if self.random.random() < share else 0
                for share in (0.5, 0.5, 0.2)
            )
        for each in filter(None, copies):
            self.again += 1
            self.pool.submit(self._later, each, method, url, headers, body)
        time.sleep(late)
        return self.wire(method, url, headers, body)

    def _later(self, seconds: float, *call: object) -> None:
        time.sleep(seconds)
        send: Callable[..., tuple[int, bytes]] = self.wire
        send(*call)


def test_calls_come_twice_late_and_in_another_order(
    play: Play, database: str, rng: random.Random, conclude: Conclude
) -> None:
    made: list[Unruly] = []

    def carry(wire: Wire) -> Unruly:
        made.append(Unruly(wire=wire, random=random.Random(rng.random())))
        return made[-1]

    with play(database=database, carry=carry) as stage:
        with stage.under_load():
            pass
        [unruly] = made
        unruly.pool.shutdown()

        conclude(stage)
    assert unruly.again > 10
