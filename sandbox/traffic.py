"""What went over the wire in both directions, without a secret or a whole token."""

import re
import threading
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Json = dict[str, Any]

KEPT = 500
_JWT = re.compile(r"([?&]jwt=)[^&#]*")

TO_ADDON = "to add-on"
TO_JIRA = "to Jira"
IFRAME = "iframe"


@dataclass(frozen=True)
class Entry:
    at: str
    direction: str
    method: str
    url: str
    claims: Json = field(default_factory=dict)
    verdict: str = ""
    """verified, refused, accepted, no answer, lost, issued."""
    why: str = ""
    status: int | None = None
    milliseconds: int = 0
    note: str = ""
    issue: str = ""
    number: int = 0

    def json(self) -> Json:
        return asdict(self)


def redacted(url: str) -> str:
    return _JWT.sub(r"\1(removed)", url)


class Traffic:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._count = 0

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._count += 1
            kept = replace(entry, number=self._count, url=redacted(entry.url))
            self._entries.appendleft(kept)

    def newest(self, limit: int = KEPT) -> list[Entry]:
        with self._lock:
            return list(self._entries)[:limit]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
