"""Key sets of listeners' issuers: cached for each tenant, asked for sparingly."""

import json
import threading
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from app.http import Http, Request, SendError
from app.tokens import public_keys
from app.tokens.checks import Reason, Refused
from app.tokens.public_keys import Keys, PublicKey
from app.under_way import BusyError, UnderWay

KEPT = timedelta(hours=1)
"""How long a key set is believed before it is read again."""

KEPT_IF_AWAY = timedelta(hours=24)
"""How long it is believed while its host does not answer."""

PAUSE = timedelta(seconds=30)
"""How often, at most, one address is asked, whatever for."""

CACHED = 500
"""Key sets kept, of all tenants together."""

CACHED_PER_TENANT = 100
"""Of those, of one tenant: as many as it may have listeners."""

PER_MINUTE = 60
"""Key sets read a minute, for all tenants together."""

PER_TENANT = 15
"""Of those, for one tenant. Attack: one with many listeners leaves none for others."""

AT_ONCE = 2
"""Key sets read at one time, at most one for each tenant. Attack: a host that answers
slowly, and many calls in its name, keep every thread from Jira and from others."""

SECONDS = 5.0
"""How long one document may take."""

_TOO_MANY = "too many key sets are read this minute"
_LARGEST = 128 * 1024
_LONGEST_URL = 2000
_OK = 200
_WELL_KNOWN = "/.well-known/openid-configuration"


class KeySetsAwayError(Exception):
    """Whether there is such a key cannot be said now; it proves nothing either way."""


class NoKeySetError(Exception):
    """What is there is no key set. The message is for an admin and quotes nothing."""


@dataclass(frozen=True, kw_only=True)
class KeySource:
    """Where a listener's keys are read from, and for whom (rule T11)."""

    tenant_id: uuid.UUID
    url: str
    """Of the key set itself or, with an issuer, of the document that names it."""
    issuer: str | None = None

    @classmethod
    def of_issuer(cls, tenant_id: uuid.UUID, issuer: str) -> Self:
        # Source: "OpenID Connect Discovery 1.0", section 4.
        url = issuer.rstrip("/") + _WELL_KNOWN
        return cls(tenant_id=tenant_id, url=url, issuer=issuer)


class _Read(NamedTuple):
    keys: Keys
    at: datetime


class _Asked(NamedTuple):
    at: datetime
    problem: str
    """Why it could not be read; empty if it was."""


@dataclass(kw_only=True)
class KeySets:
    """`get` a key by a `kid` that `tokens.public_keys.key_id` let through.

    Whoever calls needs no valid signature for that. So nobody waits for somebody else's
    reading, and what a tenant has read makes no other tenant's keys be forgotten.
    """

    http: Http
    now: Callable[[], datetime]
    _kept: OrderedDict[KeySource, _Read] = field(default_factory=OrderedDict)
    """What was read, the oldest first."""
    _asked: dict[KeySource, _Asked] = field(default_factory=dict)
    """Who was asked a moment ago; as few as may be asked in that time."""
    _spent: deque[tuple[datetime, uuid.UUID]] = field(default_factory=deque)
    _reading: UnderWay = field(default_factory=lambda: UnderWay(at_once=AT_ONCE))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, source: KeySource, key_id: str) -> PublicKey | None:
        """Return the key if it is at hand; nobody is asked."""
        return self._known(source, key_id, KEPT)

    def get(self, source: KeySource, key_id: str) -> PublicKey:
        """Return the key; raise `Refused` if the set has none of this name.

        Raise `KeySetsAwayError` while nobody can say: the caller should try again.
        """
        known = self.find(source, key_id)
        if known is not None:
            return known
        problem = self._ask(source)
        key = self._known(source, key_id, KEPT_IF_AWAY)
        if key is not None:
            return key
        if problem:
            raise KeySetsAwayError(problem)
        raise Refused(Reason.KEY_UNAVAILABLE, key_id)

    def check(self, source: KeySource) -> None:
        """Read a set now, for an admin who names it, and say what is wrong with it.

        Raise `NoKeySetError` or `SendError`, each with its reason.
        """
        if not self._may_spend(source.tenant_id, self.now()):
            raise NoKeySetError(_TOO_MANY)
        read(self.http, source)

    def _known(
        self, source: KeySource, key_id: str, kept: timedelta
    ) -> PublicKey | None:
        with self._lock:
            known = self._kept.get(source)
        if known is None or self.now() - known.at >= kept:
            return None
        return known.keys.get(key_id)

    def _ask(self, source: KeySource) -> str:
        """Read the set unless that was done a moment ago; return why it was not read.

        Attack: made-up key ids turn us into a load generator against a host.
        """
        lately = self._lately(source)
        if lately is not None:
            return lately.problem
        try:
            with self._reading.place(source.tenant_id):
                # Whoever had the place before us may have asked the same.
                lately = self._lately(source) or self._read(source)
        except BusyError:
            return "other key sets are being read"
        return lately.problem

    def _lately(self, source: KeySource) -> _Asked | None:
        with self._lock:
            asked = self._asked.get(source)
        return asked if asked and self.now() - asked.at < PAUSE else None

    def _read(self, source: KeySource) -> _Asked:
        """Read it now, if there may be another one this minute."""
        now = self.now()
        if not self._may_spend(source.tenant_id, now):
            return _Asked(now, _TOO_MANY)
        try:
            keys, problem = read(self.http, source), ""
        except (SendError, NoKeySetError) as error:
            keys, problem = None, str(error)
        asked = _Asked(now, problem)
        with self._lock:
            # Their number is limited by what is spent in that time.
            fresh = {s: a for s, a in self._asked.items() if now - a.at < PAUSE}
            self._asked = fresh | {source: asked}
            if keys is not None:
                self._keep(source, _Read(keys, now))
        return asked

    def _keep(self, source: KeySource, new: _Read) -> None:
        """Keep it, and make room among the tenant's own.

        Attack: one tenant's many listeners push out what others need while their host
        is away. Where all have too many, it goes from who has the most.
        """
        self._kept[source] = new
        self._kept.move_to_end(source)
        counts = Counter(each.tenant_id for each in self._kept)
        if counts[source.tenant_id] > CACHED_PER_TENANT:
            self._drop_oldest(source.tenant_id)
        elif len(self._kept) > CACHED:
            [(tenant_id, _)] = counts.most_common(1)
            self._drop_oldest(tenant_id)

    def _drop_oldest(self, tenant_id: uuid.UUID) -> None:
        del self._kept[next(s for s in self._kept if s.tenant_id == tenant_id)]

    def _may_spend(self, tenant_id: uuid.UUID, now: datetime) -> bool:
        with self._lock:
            while self._spent and now - self._spent[0][0] >= timedelta(minutes=1):
                self._spent.popleft()
            own = sum(spender == tenant_id for _, spender in self._spent)
            if len(self._spent) >= PER_MINUTE or own >= PER_TENANT:
                return False
            self._spent.append((now, tenant_id))
            return True


def read(http: Http, source: KeySource) -> Keys:
    """Read a key set; raise `NoKeySetError` or `SendError`, each with its reason."""
    url = source.url
    if source.issuer is not None:
        url = _discovered(_document(http, source.tenant_id, url), source.issuer)
    try:
        keys = public_keys.read_keys(_document(http, source.tenant_id, url))
    except ValueError as error:
        raise NoKeySetError("what is at the key set's address is none") from error
    if not keys:
        raise NoKeySetError("the key set has no key that may check a token")
    return keys


def _discovered(document: bytes, issuer: str) -> str:
    """Return where an issuer says that its key set is.

    Attack: a document that was put at one issuer's address speaks for another (OpenID
    Connect Discovery 1.0, section 4.3). Where the key set is, `Http` judges (T11).
    """
    try:
        said = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise NoKeySetError("the issuer's document is no JSON") from error
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise NoKeySetError("the issuer's document names another issuer")
    url = said.get("jwks_uri")
    if not isinstance(url, str) or not url or len(url) > _LONGEST_URL:
        raise NoKeySetError("the issuer's document names no key set")
    return url


def _document(http: Http, tenant_id: uuid.UUID, url: str) -> bytes:
    response = http.send(
        Request(method="GET", url=url, tenant_id=tenant_id, seconds=SECONDS)
    )
    if response.status != _OK:
        raise NoKeySetError(f"it was answered with {response.status}")
    if len(response.body) > _LARGEST:
        raise NoKeySetError("the answer is too large")
    return response.body
