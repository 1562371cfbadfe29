"""How much of what callers make us write is written, and what is only counted (T13).

Attack: a stranger, or whoever captured one token, sends a thousand calls a second until
a tenant's history or the disk is full. Nothing here decides whether a call is served:
every one is verified, and a genuine one among a thousand others is recorded.

The counts are one process's. Several web processes write as many times as much, which
is still a bound (docs/security.md).
"""

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.audit import Kind
from app.tokens.checks import Reason

MOST = 10_000
"""Sources that are counted apart within an hour; all others share one. Attack: many
sources instead of many calls."""

_MINUTES = 60


@dataclass(frozen=True, kw_only=True)
class Source:
    """Whose calls of one sort are counted together: one sort must not hide another."""

    tenant_id: uuid.UUID | None
    """In whose history they are written; None for the operator's table."""
    kind: Kind
    reason: Reason | None = None
    listener_id: uuid.UUID | None = None
    claimed_issuer: str = ""
    """Of unproven calls, the tenant or listener of ours that they name."""


OTHERS = Source(tenant_id=None, kind=Kind.VERIFICATION_REFUSED)
"""Whoever comes after `MOST` others in one hour."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many of one source are written."""

    per_minute: int
    per_hour: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How many calls of one source were not written, since when."""

    source: Source
    count: int
    since: datetime


@dataclass
class _Count:
    limit: Limit
    minute: int = 0
    """Written in this minute."""
    hour: int = 0
    left_out: int = 0
    since: datetime | None = None

    def is_full(self) -> bool:
        return self.hour >= self.limit.per_hour


@dataclass
class Limits:
    """Counts by source; `MOST` of them at a time. Safe for threads."""

    _counts: dict[Source, _Count] = field(default_factory=dict)
    _over: dict[Source, LeftOut] = field(default_factory=dict)
    """Counted in minutes that are over, and not taken yet."""
    _minute: int = 0
    _is_due: bool = False
    """A minute is over. What could not be written then waits for the next one."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, source: Source, limit: Limit, *, now: datetime) -> bool:
        """Say whether this one is written; if not, it is counted."""
        with self._lock:
            self._turn(now)
            if source not in self._counts and len(self._counts) >= MOST:
                source = OTHERS
            count = self._counts.setdefault(source, _Count(limit))
            if count.minute < limit.per_minute and not count.is_full():
                count.minute += 1
                count.hour += 1
                return True
            count.left_out += 1
            count.since = count.since or _start(self._minute)
            return False

    def take(self, *, now: datetime | None = None) -> Sequence[LeftOut]:
        """Return what was left out in minutes that are over, and forget it.

        Without a `now` it is everything: the process ends.
        """
        with self._lock:
            if now is None:
                self._close(is_end=True)
            else:
                self._turn(now)
                if not self._is_due:
                    return ()
            self._is_due = False
            taken = tuple(self._over.values())
            self._over = {}
            return taken

    def give_back(self, taken: Sequence[LeftOut]) -> None:
        """Count again what could not be written."""
        with self._lock:
            for each in taken:
                self._add(each)

    def _turn(self, now: datetime) -> None:
        """Begin the minute of `now`, and with it perhaps an hour."""
        minute = int(now.timestamp() // 60)
        if minute == self._minute:
            return
        is_end = minute // _MINUTES != self._minute // _MINUTES
        self._close(is_end=is_end)
        if is_end:
            self._counts = {}
        self._minute, self._is_due = minute, True

    def _close(self, *, is_end: bool) -> None:
        """Put aside what the minute left out.

        Of a source that had its hour's worth only once the hour is over: the counts
        themselves are lines, too.
        """
        for source, count in self._counts.items():
            count.minute = 0
            if not count.left_out or count.since is None:
                continue
            if is_end or not count.is_full():
                self._add(
                    LeftOut(source=source, count=count.left_out, since=count.since)
                )
                count.left_out, count.since = 0, None

    def _add(self, more: LeftOut) -> None:
        # No more of them than there are sources, however long the database is away.
        source = more.source
        if source not in self._over and len(self._over) >= MOST:
            source = OTHERS
        known = self._over.get(source)
        self._over[source] = LeftOut(
            source=source,
            count=more.count + (known.count if known else 0),
            since=min(more.since, known.since) if known else more.since,
        )


def _start(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
