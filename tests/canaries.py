"""Secrets that can be recognised anywhere, and the search for them, however encoded."""

import base64
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

LEAST = 12
"""Bytes of a secret; fewer are found by chance."""

TOKEN = re.compile(
    rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}", re.ASCII
)
"""A whole JWT, whoever's it is."""

PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}")


def forms(secret: str | bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ways in which a secret may have been written, each by its name."""
    raw = secret.encode() if isinstance(secret, str) else secret
    assert len(raw) >= LEAST, "too short to be looked for"
    yield "raw", raw
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "in an address", quote(raw, safe="").encode()
    yield "in a path", quote(raw).encode()
    yield "in a form", quote_plus(raw, safe="").encode()
    for offset in range(3):
        # What stands before it moves the bits; what they share with others is cut.
        encoded = base64.b64encode(bytes(offset) + raw)
        first = (offset * 8 + 5) // 6
        last = (offset + len(raw)) * 8 // 6
        kept = encoded[first:last]
        yield f"base64, {offset} on", kept
        yield f"base64url, {offset} on", kept.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(secrets: Mapping[str, str | bytes], places: Mapping[str, bytes]) -> list[str]:
    """Return which secret is where, and how; never the secret itself."""
    return [
        f"{name} in {place} ({how})"
        for name, secret in secrets.items()
        # Most secrets look the same in an address: that is one find, not four.
        for written, how in {w: h for h, w in reversed([*forms(secret)])}.items()
        for place, content in places.items()
        if written in content
    ]


def tokens(places: Mapping[str, bytes]) -> list[str]:
    """Return where a whole token or a private key is, without it."""
    return [
        f"{what} in {place}"
        for place, content in places.items()
        for what, pattern in (("a token", TOKEN), ("a private key", PRIVATE_KEY))
        if pattern.search(content)
    ]
