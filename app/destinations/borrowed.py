"""Tokens that receivers lend us, in memory only (rule T18)."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from app.crypto import Secret

State = tuple[object, ...]
"""One state of one destination: an edit makes what was got before unfindable."""


@dataclass
class Borrowed:
    """What is kept of them, until they end. Safe for threads.

    A site that has left asks for none, so its tokens lie here unused until they end.
    """

    most: int = 500
    _kept: OrderedDict[State, tuple[Secret, datetime]] = field(
        default_factory=OrderedDict, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def find(self, state: State, *, now: datetime) -> Secret | None:
        """Return the token that is still good."""
        with self._lock:
            token, until = self._kept.get(state, (None, now))
            return token if until > now else None

    def keep(self, state: State, token: Secret, *, until: datetime) -> None:
        """Keep it until then."""
        with self._lock:
            self._kept[state] = (token, until)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)

    def drop(self, state: State) -> None:
        """Forget it: the receiver does not take it any more."""
        with self._lock:
            self._kept.pop(state, None)
