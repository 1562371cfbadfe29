"""What people do in that Jira meanwhile: issues move on and on."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox import Jira

ISSUES = 10
CIRCLE = ("Start progress", "Send to review", "Deploy", "Reopen")
"""An issue of DEMO goes round and round; each transition but the last has a rule."""

OWN = "Start progress"
"""An issue of OPS is moved once; our rule moves it on."""

PER_SECOND = 12.0


@dataclass(kw_only=True)
class Load:
    """Moves, one after the other, at random times."""

    jira: Jira
    random: random.Random
    rounds: int = 1000
    """How often an issue goes round before another one takes its place."""
    places: dict[str, int] = field(default_factory=dict)
    """How often each issue of DEMO has moved."""
    moves: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def prepare(self) -> None:
        """Make the issues that go round."""
        for _ in range(ISSUES):
            self._begin()

    def move(self) -> None:
        """Move some issue by its next transition."""
        self.moves += 1
        if self.random.random() < 1 / 6:
            made = self.jira.create_issue(project="OPS", summary="Moved on by us")
            self.jira.transition(made.key, OWN)
            return
        key = self.random.choice(list(self.places))
        self.go_on(key)

    def go_on(self, key: str) -> None:
        self.jira.transition(key, CIRCLE[self.places[key] % len(CIRCLE)])
        self.places[key] += 1
        if self.places[key] == self.rounds * len(CIRCLE):
            del self.places[key]
            self._begin()

    def _begin(self) -> None:
        made = self.jira.create_issue(summary="Round and round")
        self.places[made.key] = 0

    def _go(self) -> None:
        while not self.stop.is_set():
            self.move()
            self.stop.wait(self.random.expovariate(PER_SECOND))

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Move issues until the block ends."""
        thread = threading.Thread(target=self._go)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()


@dataclass(kw_only=True)
class Times:
    """Random moments within a scenario's time."""

    random: random.Random
    until: float

    def naps(self, least: float, most: float) -> Iterator[float]:
        """Sleep again and again; yield the seconds that are left after each."""
        while True:
            nap = self.random.uniform(least, most)
            if time.monotonic() + nap > self.until:
                time.sleep(max(0.0, self.until - time.monotonic()))
                return
            time.sleep(nap)
            yield self.until - time.monotonic()
