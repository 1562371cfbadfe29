"""How often somebody may have a test event sent.

Attack: an admin's session, stolen or bored, makes us a hammer on somebody's server.
"""

import threading
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PER_MINUTE = 10
MINUTE = timedelta(minutes=1)

REMEMBERED = 1000
"""Destinations whose tests are counted."""


@dataclass
class Trials:
    """Counts each destination's tests, in this process. Safe for threads."""

    _sent: OrderedDict[uuid.UUID, deque[datetime]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, destination_id: uuid.UUID, *, now: datetime) -> bool:
        """Count one test and say yes; or say no, if it has had those of a minute."""
        with self._lock:
            sent = self._sent.setdefault(destination_id, deque(maxlen=PER_MINUTE))
            self._sent.move_to_end(destination_id)
            if len(sent) == PER_MINUTE and now - sent[0] < MINUTE:
                return False
            sent.append(now)
            while len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)
            return True
