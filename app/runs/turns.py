"""Whose run is next: the sites take turns, however many runs each of them has.

Each process keeps its own account, in memory: what it has in hand of each site, and
whom it served last. Nothing of it has to outlive the process, and no row is written for
it (docs/adr/0018).
"""

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

ANY = 1_000_000
FIRST = uuid.UUID(int=0)


@dataclass
class Turns:
    """Which sites' runs one process has in hand, and whose turn it is.

    Attack: one site has ten thousand runs due, or a Jira that answers each call after
    half a minute, and every other site waits behind it. So sites are served in the
    order of their ids, round and round; those with fewer runs in hand before others;
    and no site has more than `most` in hand, so that with one thread more than that
    another site finds room at once.
    """

    most: int = ANY
    choosing: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever looks for a run until it is counted here, so that two of one
    process neither see the same state nor go for the same run."""
    last: uuid.UUID = FIRST
    """Who was served last."""
    _in_hand: Counter[uuid.UUID] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, due: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Return who of them may have a run begun, whose turn it is first."""
        with self._lock:
            free = [each for each in due if self._in_hand[each] < self.most]
            return sorted(free, key=self._rank)

    def took(self, tenant_id: uuid.UUID) -> None:
        """Note that a run of the site is in hand."""
        with self._lock:
            self._in_hand[tenant_id] += 1
            self.last = tenant_id

    def gave_back(self, tenant_id: uuid.UUID) -> None:
        """Note that it is in hand no more."""
        with self._lock:
            self._in_hand[tenant_id] -= 1
            if not self._in_hand[tenant_id]:
                del self._in_hand[tenant_id]

    def _rank(self, tenant_id: uuid.UUID) -> tuple[int, bool, uuid.UUID]:
        return self._in_hand[tenant_id], tenant_id <= self.last, tenant_id
