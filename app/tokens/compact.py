"""A token's three parts (RFC 7515, section 7.1), and HS256 over the first two."""

import base64
import functools
import hmac
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.crypto import Secret

_LAST = {
    0: frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
    2: frozenset("AQgw"),
    3: frozenset("AEIMQUYcgkosw048"),
}
"""What a part may end with, by how many characters it has beyond whole fours."""


class Parts(NamedTuple):
    header: Mapping[str, Any]
    claims: dict[str, Any]


def split(text: str) -> Parts:
    """Return what the token says of itself; raise `ValueError` for what is none.

    It says nothing of the signature but that it is spelled as one may be. The caller
    has seen that there are three parts of the alphabet's characters. Deep nesting ends
    in `RecursionError`.
    """
    head, payload, signature = text.split(".")
    parts = Parts(_header(head), _object(payload))
    _decode(signature)
    return parts


def is_signed_with(text: str, secret: Secret) -> bool:
    """Say whether `secret` signed the token, by HS256 (RFC 7518, section 3.2).

    One hash and one comparison in constant time: the door where Jira calls has no time
    for more. PyJWT is asked in the tests whether it judges as we do.
    """
    key = secret.reveal().encode()
    signed, _, signature = text.rpartition(".")
    # Not `hmac.digest`: it lets go of the interpreter's lock for a few microseconds,
    # and among other threads waits long to have it back.
    made = encode(hmac.new(key, signed.encode(), "sha256").digest())
    # Attack: an empty key, which everybody has.
    return bool(key) and hmac.compare_digest(made, signature)


def encode(octets: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@functools.lru_cache(maxsize=64)
def _header(segment: str) -> Mapping[str, Any]:
    """Read what nearly every token of one sender begins with, letter by letter."""
    header = _object(segment)
    if "crit" in header or header.get("b64", True) is False:
        # Extensions that change what is signed. Nobody whose tokens we take uses any,
        # and one that we do not understand must be refused (RFC 7515, section 4.1.11).
        raise ValueError("an extension")
    if not isinstance(header.get("kid", ""), str):
        raise ValueError("kid is no text")  # noqa: TRY004 -- of the token, not of ours
    return header


def _object(segment: str) -> dict[str, Any]:
    found = json.loads(_decode(segment).decode())
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 -- of the token, not of ours
    return found


def _decode(segment: str) -> bytes:
    """Decode base64url; raise `ValueError` unless it is its one spelling.

    Attack: the last character has bits that decode to nothing, so that one token has
    several spellings, and whoever remembers the text takes them for several tokens.
    """
    beyond = len(segment) % 4
    if segment[-1] not in _LAST.get(beyond, ""):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
