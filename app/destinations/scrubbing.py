"""What is kept of a request and its answer: no credential, no control character (T8).

Attack: a receiver, or the debug page of a proxy before it, echoes the request's
headers; whoever may read the run's page then has the token and the key.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from app.http import Request, Response

KEPT_BODY = 20_000
"""Bytes of an answer's body that are kept."""

KEPT_HEAD = 8_000
"""Characters of a head that are kept."""

HIDDEN = "(hidden)"
_ANSWER_KEY = re.compile(r"(answer_key[^A-Za-z0-9]{1,12})[A-Za-z0-9_-]{16,}")
"""Attack: a receiver echoes what came with the attempt before, whose key is still good
(rule T17); of that one, nobody has more than its hash."""

_SHORTEST = 6
"""Shorter texts are found everywhere, and are no credential."""


def request_head(request: Request, credentials: Iterable[str]) -> str:
    """Return the request's first line and headers, as they may be shown."""
    # What stands after the "?" is a credential at many receivers.
    address, asked, _ = request.url.partition("?")
    shown = f"{address}?{HIDDEN}" if asked else address
    head = f"{request.method} {shown}\n{_lines(request.headers)}"
    return scrub(head, credentials)[:KEPT_HEAD]


def response_head(response: Response, credentials: Iterable[str]) -> str:
    """Return the answer's status and headers, as they may be shown."""
    head = f"{response.status}\n{_lines(response.headers)}"
    return scrub(head, credentials)[:KEPT_HEAD]


def response_body(response: Response, credentials: Iterable[str]) -> str:
    """Return the answer's text as it may be shown; what is no text is only named."""
    if not response.body:
        return ""
    try:
        text = response.body.decode()
    except UnicodeDecodeError as error:
        # A cut may fall within the last character.
        if not response.is_cut or error.start < len(response.body) - 3:
            return f"({len(response.body)} bytes that are no text)"
        text = response.body[: error.start].decode()
    if not response.is_cut:
        return scrub(text, credentials)
    return f"{scrub(_without_begun(text, credentials), credentials)}\n(cut here)"


def scrub(text: str, credentials: Iterable[str]) -> str:
    """Return the text without the credentials, in any spelling that they travel in."""
    for credential in sorted(set(credentials), key=len, reverse=True):
        if len(credential) < _SHORTEST:
            continue
        for spelling in sorted(_spellings(credential), key=len, reverse=True):
            text = text.replace(spelling, HIDDEN)
    text = _ANSWER_KEY.sub(rf"\1{HIDDEN}", text)
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def _without_begun(text: str, credentials: Iterable[str]) -> str:
    """Return the text without a credential that the cut fell into.

    Attack: an echo of the right length ends one character before the key does.
    """
    for credential in credentials:
        for spelling in _spellings(credential):
            longest = min(len(spelling) - 1, len(text))
            for size in range(longest, _SHORTEST - 1, -1):
                if text.endswith(spelling[:size]):
                    text = text[:-size] + HIDDEN
                    break
    return text


def _spellings(credential: str) -> set[str]:
    raw = credential.encode()
    encoded = base64.b64encode(raw).decode()
    safe = base64.urlsafe_b64encode(raw).decode()
    found = {credential, quote(credential, safe=""), quote_plus(credential)}
    return found | {encoded, encoded.rstrip("="), safe, safe.rstrip("=")}


def _lines(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())
