"""Who called a moment ago, and what proved it: a hint, which opens nothing by itself.

Whatever is let in by it is written under the condition that it still holds
(`tenants.callers.still_callers`), so it cannot let in anybody who may call no more.
"""

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from app.tenants.callers import Known, Proof
from app.vault import Opened

KEPT = timedelta(minutes=5)
"""How long an opened secret stays in memory without being read anew."""

MOST = 16_384
"""Tenants that are remembered; the one that called longest ago is forgotten."""


class Entry(NamedTuple):
    """As much of a `Known` as a call needs, since there may be many."""

    tenant_id: uuid.UUID
    secrets: tuple[Opened, ...]
    proofs: dict[int, Proof]
    """By generation, what has to be so still when something is written."""
    until: datetime


@dataclass
class Remembered:
    """Entries by the name that a token gives as its issuer. Safe for threads."""

    _entries: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, known: Known, *, now: datetime) -> None:
        """Remember who was let in the long way."""
        entry = Entry(
            tenant_id=known.tenant.id,
            secrets=known.secrets,
            proofs={each: known.proof(each) for each in known.version_ids},
            until=now + KEPT,
        )
        with self._lock:
            self._entries[known.name] = entry
            self._entries.move_to_end(known.name)
            while len(self._entries) > MOST:
                self._entries.popitem(last=False)

    def find(self, name: str, *, now: datetime) -> Entry | None:
        """Return what is remembered of a name, unless it is too old."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            if entry.until <= now:
                del self._entries[name]
                return None
            self._entries.move_to_end(name)
            return entry

    def forget(self, name: str) -> None:
        """Forget what turned out not to be so any more."""
        with self._lock:
            self._entries.pop(name, None)
