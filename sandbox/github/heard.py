"""What came to the API, without its credentials."""

import contextlib
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sandbox.github import runs
from sandbox.github.replies import Reply

Json = dict[str, Any]

KEPT = 100
_LONGEST_BODY = 20_000
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True)
class Call:
    """One request to the API."""

    method: str
    path: str
    """Below the API, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes


@dataclass(frozen=True)
class Heard:
    number: int
    at: str
    method: str
    path: str
    query: Json
    headers: Json
    body: object
    status: int
    message: str
    manner: str
    """Of the API, at that moment."""

    def json(self) -> Json:
        return asdict(self)


class Hearing:
    """The newest calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: deque[Heard] = deque(maxlen=KEPT)
        self._count = 0

    def add(self, call: Call, reply: Reply, manner: str, now: datetime) -> None:
        with self._lock:
            self._count += 1
            self._heard.appendleft(
                Heard(
                    number=self._count,
                    at=now.isoformat(timespec="milliseconds"),
                    method=call.method,
                    path=call.path,
                    query=dict(call.query),
                    headers=_without_credentials(call.headers),
                    body=_readable(call.body),
                    status=reply.status,
                    message=reply.message,
                    manner=manner,
                )
            )

    def newest(self) -> list[Heard]:
        with self._lock:
            return list(self._heard)


def _without_credentials(headers: Mapping[str, str]) -> Json:
    shown = {}
    for name, value in headers.items():
        scheme = value.partition(" ")[0] if value[:7].lower() == "bearer " else ""
        is_credential = name in _CREDENTIALS
        shown[name] = f"{scheme} (removed)".strip() if is_credential else value
    return shown


def _readable(body: bytes) -> object:
    text = body[:_LONGEST_BODY].decode("utf-8", "replace")
    # what is no JSON is shown as it came
    with contextlib.suppress(ValueError, RecursionError):
        return runs.hidden(json.loads(text))
    return text
