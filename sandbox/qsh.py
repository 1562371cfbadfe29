"""The query string hash, written from Atlassian's published rules.

A second opinion: nothing here is shared with the add-on or with a library, so
that a mistake on one side shows as a refused token instead of two equal ones.
"""

import hashlib
import re
from urllib.parse import quote, unquote_plus

CONTEXT = "context-qsh"
"""What a context token carries in place of a hash."""

_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def of(method: str, url: str, base_path: str = "") -> str:
    """Hash a request; `url` is absolute or a raw target, as it is on the wire."""
    text = canonical(method, url, base_path)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(method: str, url: str, base_path: str = "") -> str:
    """Give `METHOD&path&query`, relative to the path of the receiver's base URL."""
    target = _ORIGIN.sub("", url, count=1).split("#", 1)[0]
    path, _, query = target.partition("?")
    return f"{method.upper()}&{_path(path, base_path)}&{_query(query)}"


def _path(path: str, base_path: str) -> str:
    base = base_path.rstrip("/")
    # only at a boundary: `/jira` is no prefix of `/jirafoo`
    if base and (path == base or path.startswith(base + "/")):
        path = path[len(base) :]
    path = path.replace("&", "%26")
    if not path.startswith("/"):
        path = "/" + path
    # one slash only; the rest of the path stays as it was sent
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def _query(query: str) -> str:
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        values.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    values.pop("jwt", None)
    entries = [
        (_encode(name), ",".join(_encode(value) for value in sorted(several)))
        for name, several in values.items()
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(entries))


def _encode(text: str) -> str:
    return quote(text, safe="-._~")
