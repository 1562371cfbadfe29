"""Reads a request of HTTP that came whole and is as plain as one can be."""

from collections.abc import Mapping
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

SIZE = 65_536
"""Bytes of a request, with its body; Jira's calls have a few thousand."""

MOST_HEADERS, MOST_PARTS = 100, 8
"""Of one request. Attack: ten thousand headers, or chunks of a byte: the loop hears of
each. Gunicorn takes as many headers."""

_READ = (b"authorization", b"x-atlassian-webhook-identifier", b"traceparent")
_ODD = frozenset({b"transfer-encoding", b"te", b"trailer", b"expect", b"upgrade"})
"""What asks for more than an answer, or says anew where the body ends."""


class Asked(NamedTuple):
    """As much of a request as the short way looks at."""

    authorization: str
    body: bytes
    webhook_id: str
    traceparent: str | None


class _Heard:
    """What the parser tells of a request."""

    __slots__ = ("bodies", "ends", "headers", "is_head")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.ends = 0
        self.is_head = False
        """All headers came."""

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) == MOST_HEADERS:
            raise ValueError("too many headers")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_head = True

    def on_body(self, part: bytes) -> None:
        if len(self.bodies) == MOST_PARTS:
            raise ValueError("too many parts")
        self.bodies.append(part)

    def on_message_complete(self) -> None:
        self.ends += 1


def request_line(target: str) -> bytes:
    """Return how a request for exactly this target begins."""
    return f"POST {target} HTTP/1.1\r\n".encode()


def read(octets: bytes, line: bytes) -> Asked | None:
    """Return what one whole request asks, if it is for `line`; None if it is odd.

    Attack: a request that we and the proxy, or we and the server's own parser, take
    apart differently. So there is nothing before it, behind it or twice in it, and
    whatever is unusual is left to the server, which then reads all of it anew.
    """
    heard = _hear(octets) if octets.startswith(line) else None
    if heard is None:
        return None
    body, by_name = b"".join(heard.bodies), dict(heard.headers)
    is_one = heard.ends == 1 and len(by_name) == len(heard.headers)
    is_all = octets.find(b"\r\n\r\n") + 4 + len(body) == len(octets)
    if not (is_one and is_all and _is_usual(by_name)):
        return None
    authorization, webhook_id, traceparent = (_text(by_name.get(n)) for n in _READ)
    return Asked(authorization or "", body, webhook_id or "", traceparent)


def is_begun(octets: bytes, line: bytes) -> bool:
    """Say whether this is a part of a request for `line`, of which more may come."""
    heard = _hear(octets) if octets.startswith(line[: len(octets)]) else None
    if heard is None or heard.ends or len(octets) == SIZE:
        return False
    # Whoever expects an answer before he says more has one, from the server.
    return not heard.is_head or _is_usual(dict(heard.headers))


def _hear(octets: bytes) -> _Heard | None:
    """Take apart what came; None if it is none, or of an unusual size."""
    if len(octets) > SIZE:
        return None
    heard = _Heard()
    try:
        HttpRequestParser(heard).feed_data(octets)
    except (HttpParserError, HttpParserUpgrade):
        return None
    return heard


def _is_usual(by_name: Mapping[bytes, bytes]) -> bool:
    is_kept = by_name.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    return is_kept and _ODD.isdisjoint(by_name)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip(" \t")
