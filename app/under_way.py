"""What keeps a thread for long and is under way: little at a time, to leave room."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

AT_ONCE = 2
"""How many one process serves at a time. Each holds a thread for as long as somebody
outside takes, and the threads are there for Jira's calls first."""


class BusyError(Exception):
    """There is no place for another one just now."""


@dataclass
class UnderWay:
    """Which sites have one under way in this process. Safe for threads.

    Attack: one site's admin reads a long file a byte a minute, or has us ask a host
    that answers slowly, several times, until no thread is left. A site has one at a
    time, and all of them together have `at_once`. Nobody waits for a place.
    """

    at_once: int = AT_ONCE
    _tenants: set[uuid.UUID] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def has_room(self, tenant_id: uuid.UUID) -> bool:
        """Say whether one could begin now."""
        with self._lock:
            return self._has_room(tenant_id)

    def take(self, tenant_id: uuid.UUID) -> bool:
        """Take a place; False if there is none. Who takes one gives it back."""
        with self._lock:
            if not self._has_room(tenant_id):
                return False
            self._tenants.add(tenant_id)
            return True

    def give_back(self, tenant_id: uuid.UUID) -> None:
        """Give the place back."""
        with self._lock:
            self._tenants.discard(tenant_id)

    @contextlib.contextmanager
    def place(self, tenant_id: uuid.UUID) -> Iterator[None]:
        """Have a place for a block; raise `BusyError` if there is none."""
        if not self.take(tenant_id):
            raise BusyError
        try:
            yield
        finally:
            self.give_back(tenant_id)

    def _has_room(self, tenant_id: uuid.UUID) -> bool:
        return len(self._tenants) < self.at_once and tenant_id not in self._tenants
