"""Public keys that prove an install: fetched by key id, cached, with a budget."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from app.http import Http, Request, SendError
from app.tokens.checks import Reason, Refused

CACHED = 256
"""Keys and failures kept; a key never changes under its id, so it never goes stale."""

FAILURE_KEPT = timedelta(seconds=30)
"""How long an id that has no key is not asked for again."""

FETCHES_PER_MINUTE = 30
"""For all callers together; installs are rare, strangers with made-up ids are not."""

KEPT_FOR_TENANTS = 10
"""Fetches of that budget that only calls in the name of known tenants may use."""

_LARGEST = 16 * 1024
_OK = 200
_SERVER_ERROR = 500


class KeysAwayError(Exception):
    """Whether there is such a key cannot be said now; it proves nothing either way."""


def _of_two() -> threading.BoundedSemaphore:
    """Return places for fetches at one time.

    Attack: made-up key ids, and a host that answers slowly, keep every thread.
    """
    return threading.BoundedSemaphore(2)


@dataclass(kw_only=True)
class InstallKeys:
    """`get` a public key (PEM) by a `kid` that `tokens.connect.key_id` let through.

    Source: "Security for Connect apps", signed install; the host answers with a PEM.
    """

    url: str
    http: Http
    now: Callable[[], datetime]
    _keys: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _failures: OrderedDict[str, datetime] = field(default_factory=OrderedDict)
    _fetches: deque[datetime] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.BoundedSemaphore = field(default_factory=_of_two)
    _reserved: threading.BoundedSemaphore = field(default_factory=_of_two)
    """Places of those who claim to be from a site that we know."""

    def get(self, key_id: str, *, for_tenant: bool = False) -> str:
        """Return the key; raise `Refused` if there is none.

        Raise `KeysAwayError` while nobody can say: the caller should try again.
        `for_tenant` says that the token claims to be from a site that we know.
        """
        with self._lock:
            if key := self._keys.get(key_id):
                self._keys.move_to_end(key_id)
                return key
        places = self._reserved if for_tenant else self._places
        if not places.acquire(blocking=False):
            raise KeysAwayError("other keys are being fetched")
        try:
            return self._learn(key_id, for_tenant=for_tenant)
        finally:
            places.release()

    def _learn(self, key_id: str, *, for_tenant: bool) -> str:
        with self._lock:
            self._spend(key_id, for_tenant=for_tenant)
        try:
            key = self._fetch(key_id)
        except Refused:
            with self._lock:
                self._failures[key_id] = self.now()
                _shrink(self._failures)
            raise
        with self._lock:
            self._keys[key_id] = key
            _shrink(self._keys)
        return key

    def _spend(self, key_id: str, *, for_tenant: bool) -> None:
        now = self.now()
        failed = self._failures.get(key_id)
        if failed is not None and now - failed < FAILURE_KEPT:
            raise Refused(Reason.KEY_UNAVAILABLE, "asked a moment ago")
        while self._fetches and now - self._fetches[0] >= timedelta(minutes=1):
            self._fetches.popleft()
        kept = 0 if for_tenant else KEPT_FOR_TENANTS
        if len(self._fetches) >= FETCHES_PER_MINUTE - kept:
            # Attack: made-up key ids turn us into a load generator against the host,
            # and use up the budget of the installs that are genuine.
            raise KeysAwayError("too many fetches this minute")
        self._fetches.append(now)

    def _fetch(self, key_id: str) -> str:
        url = f"{self.url}/{key_id}"
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            # Belt to the braces of `tokens.connect.key_id`: never another host.
            raise Refused(Reason.BAD_KEY_ID, key_id)
        try:
            response = self.http.send(Request(method="GET", url=url))
        except SendError as error:
            raise KeysAwayError(str(error)) from error
        if response.status >= _SERVER_ERROR:
            raise KeysAwayError(f"answer {response.status}")
        if response.status != _OK:
            raise Refused(Reason.KEY_UNAVAILABLE, f"answer {response.status}")
        # A peer took an HTML error page for a key; only a PEM of sane size is one.
        text = response.body[: _LARGEST + 1].decode("ascii", "replace")
        if len(text) > _LARGEST or not text.startswith("-----BEGIN PUBLIC KEY-----"):
            raise Refused(Reason.KEY_UNAVAILABLE, "the answer is no public key")
        return text


def _shrink(cache: OrderedDict[str, Any]) -> None:
    while len(cache) > CACHED:
        cache.popitem(last=False)
