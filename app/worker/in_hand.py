"""The runs that the threads of this process carry just now."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.runs import Claim


class StoppingError(Exception):
    """The process is to end: what is begun was settled, and the next step waits."""


@dataclass(frozen=True)
class InHand:
    """Which they are, so that the process's end keeps none. Safe for threads."""

    _claims: dict[tuple[uuid.UUID, int], Claim] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Count a run as in hand inside the block."""
        with self._lock:
            self._claims[claim.run_id, claim.fence] = claim
        try:
            yield
        finally:
            with self._lock:
                del self._claims[claim.run_id, claim.fence]

    def listed(self) -> Sequence[Claim]:
        """Return those of this moment."""
        with self._lock:
            return tuple(self._claims.values())
