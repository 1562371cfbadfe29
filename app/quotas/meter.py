"""Counts in memory, over a second, what our calls cost and what Jira said of limits."""

import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.quotas.tables import RestCause

EVERY = timedelta(seconds=1)
"""How often a process writes down what it counted: what a killed one had counted since
is lost."""

MISSED = 3
"""Calls in a row without an answer, after which a site rests."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A rest that is called for; `wait` is None where nobody said how long."""

    cause: RestCause
    wait: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What was counted, to be written down."""

    spent: Mapping[uuid.UUID, int]
    rests: Mapping[uuid.UUID, Wanted]


@dataclass
class Meter:
    """What one process counted and has not written down yet. Safe for threads."""

    _spent: Counter[uuid.UUID] = field(default_factory=Counter)
    _rests: dict[uuid.UUID, Wanted] = field(default_factory=dict)
    _missed: Counter[uuid.UUID] = field(default_factory=Counter)
    _taken_at: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, tenant_id: uuid.UUID, points: int) -> None:
        """Count what a call cost. It was answered, whatever it said."""
        with self._lock:
            self._spent[tenant_id] += points
            self._missed.pop(tenant_id, None)

    def ask(self, tenant_id: uuid.UUID, wanted: Wanted) -> None:
        """Have a site rest; of several reasons the longest rest counts."""
        with self._lock:
            before = self._rests.get(tenant_id)
            if before is None or _length(wanted) >= _length(before):
                self._rests[tenant_id] = wanted

    def miss(self, tenant_id: uuid.UUID) -> None:
        """Note a call without an answer; after several a site rests.

        Each of them holds a thread for as long as it may take.
        """
        with self._lock:
            self._missed[tenant_id] += 1
            is_silent = self._missed[tenant_id] >= MISSED
        if is_silent:
            self.ask(tenant_id, Wanted(cause=RestCause.SILENT, wait=None))

    def is_due(self, now: datetime) -> bool:
        """Say whether something is to be written down: a rest at once."""
        with self._lock:
            if self._rests:
                return True
            is_time = self._taken_at is None or now - self._taken_at >= EVERY
            return bool(self._spent) and is_time

    def take(self, now: datetime) -> Taken:
        """Return what is to be written down, and begin to count anew."""
        with self._lock:
            taken = Taken(spent=dict(self._spent), rests=dict(self._rests))
            self._spent.clear()
            self._rests.clear()
            self._taken_at = now
            return taken

    def give_back(self, taken: Taken) -> None:
        """Count again what could not be written down."""
        for tenant_id, wanted in taken.rests.items():
            self.ask(tenant_id, wanted)
        with self._lock:
            self._spent.update(taken.spent)


def _length(wanted: Wanted) -> timedelta:
    return wanted.wait or timedelta(0)
