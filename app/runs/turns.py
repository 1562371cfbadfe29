"""Whose run is next: the sites take turns, however many runs each of them has.

Each process keeps its own account, in memory: what it has in hand of each site, and in
which order it served them. Nothing of it has to outlive the process, and no row is
written for it (docs/adr/0018).
"""

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

ANY = 1_000_000


class Due(NamedTuple):
    """A site that has runs which may be begun, and since when."""

    tenant_id: uuid.UUID
    since: datetime


@dataclass
class Turns:
    """Which sites' runs one process has in hand, and whose turn it is.

    Attack: one site has ten thousand runs due, or a Jira that answers each call after
    half a minute, and every other site waits behind it. So whoever has the fewest runs
    in hand is first, then who was served longest ago; and no site has more than `most`
    in hand, so that with one thread more than that another site finds room at once.
    """

    most: int = ANY
    choosing: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever looks for a run until it is counted here, so that two of one
    process neither see the same state nor go for the same run."""
    _in_hand: Counter[uuid.UUID] = field(default_factory=Counter)
    _served: dict[uuid.UUID, int] = field(default_factory=dict)
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, due: Sequence[Due]) -> list[uuid.UUID]:
        """Return who may have a run begun, whose turn it is first.

        What is known of sites that have nothing due is forgotten: they are first when
        they come again.
        """
        with self._lock:
            names = {each.tenant_id for each in due}
            self._served = {
                tenant_id: number
                for tenant_id, number in self._served.items()
                if tenant_id in names
            }
            waiting = [
                each for each in due if self._in_hand[each.tenant_id] < self.most
            ]
            return [each.tenant_id for each in sorted(waiting, key=self._rank)]

    def took(self, tenant_id: uuid.UUID) -> None:
        """Note that a run of the site is in hand."""
        with self._lock:
            self._number += 1
            self._in_hand[tenant_id] += 1
            self._served[tenant_id] = self._number

    def gave_back(self, tenant_id: uuid.UUID) -> None:
        """Note that it is in hand no more."""
        with self._lock:
            self._in_hand[tenant_id] -= 1
            if not self._in_hand[tenant_id]:
                del self._in_hand[tenant_id]

    def _rank(self, due: Due) -> tuple[int, int, datetime]:
        tenant_id = due.tenant_id
        return self._in_hand[tenant_id], self._served.get(tenant_id, 0), due.since
