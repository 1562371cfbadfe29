"""Atlassian's keys for invocation tokens: one key set, cached, asked for sparingly."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.http import Http, Request, SendError
from app.tokens import forge
from app.tokens.checks import Reason, Refused
from app.tokens.forge import Keys

KEPT = timedelta(hours=1)
"""How long a key set is believed before it is read again: a key that Atlassian takes
back opens nothing for longer."""

KEPT_IF_AWAY = timedelta(hours=24)
"""How long it is believed while the host does not answer."""

PAUSE = timedelta(seconds=30)
"""How often, at most, the host is asked because a key was not found."""

AT_ONCE = 2
"""Threads that may be here for a key that is not at hand."""

_LARGEST = 128 * 1024
_OK = 200


class ForgeKeysAwayError(Exception):
    """Whether there is such a key cannot be said now; it proves nothing either way."""


@dataclass(kw_only=True)
class ForgeKeys:
    """`get` a public key by the `kid` that `tokens.forge.key_id` let through.

    Source: "Forge Remote essentials"; the key set is a JWKS at one address.
    """

    url: str
    http: Http
    now: Callable[[], datetime]
    _keys: Keys = field(default_factory=dict)
    _read_at: datetime | None = None
    _asked_at: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE)
    )

    def get(self, key_id: str) -> forge.Key:
        """Return the key; raise `Refused` if the set has none of this name.

        Raise `ForgeKeysAwayError` while nobody can say: the caller should try again.
        """
        now = self.now()
        known = self._keys.get(key_id)
        if known is not None and self._is_fresh(now, KEPT):
            # Attack: made-up names keep the lock busy; who has a good one waits not.
            return known
        # Attack: made-up names, and a host that answers slowly, have every thread wait
        # here. One asks, one waits for its answer; the others are told to come again.
        if not self._places.acquire(blocking=False):
            if known is not None and self._is_fresh(now, KEPT_IF_AWAY):
                return known
            raise ForgeKeysAwayError("the key set is being read")
        try:
            return self._find(key_id, now)
        finally:
            self._places.release()

    def _find(self, key_id: str, now: datetime) -> forge.Key:
        with self._lock:
            if not self._is_fresh(now, KEPT) or key_id not in self._keys:
                self._refresh(now)
            if not self._is_fresh(now, KEPT_IF_AWAY):
                raise ForgeKeysAwayError("no key set")
            key = self._keys.get(key_id)
        if key is None:
            raise Refused(Reason.KEY_UNAVAILABLE, key_id)
        return key

    def _is_fresh(self, now: datetime, kept: timedelta) -> bool:
        return self._read_at is not None and now - self._read_at < kept

    def _refresh(self, now: datetime) -> None:
        """Read the key set, unless it was asked for a moment ago.

        Attack: made-up key ids turn us into a load generator against the host.
        """
        if self._asked_at is not None and now - self._asked_at < PAUSE:
            return
        self._asked_at = now
        try:
            response = self.http.send(Request(method="GET", url=self.url))
            if response.status != _OK or len(response.body) > _LARGEST:
                return
            self._keys = forge.read_keys(response.body)
        except (SendError, ValueError):
            return
        self._read_at = now
