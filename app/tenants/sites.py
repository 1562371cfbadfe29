"""Which sites an operator lets in, and where they may be."""

import re
from urllib.parse import urlsplit

from app.settings import Settings
from app.tenants.tables import State
from app.tokens.checks import Reason, Refused

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
    re.ASCII,
)


def check_site(settings: Settings, base_url: str) -> str:
    """Return the site's base URL, parsed and rewritten; raise `Refused` if foreign.

    Attack: the body chooses where we send our signed calls. Only https (http in
    development), a host under a suffix that the operator allows, no user info, no
    path, no odd port.
    """
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise Refused(Reason.SITE_NOT_ALLOWED, "not a URL") from error
    if not _HOST.fullmatch(host):
        # Attack: `evil.com\\.atlassian.net` ends well and is sent to evil.com; spaces
        # and semicolons end in our Content-Security-Policy.
        raise Refused(Reason.SITE_NOT_ALLOWED, base_url)
    schemes = {"https", "http"} if settings.development else {"https"}
    bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    port_ok = settings.development or port in {None, 443}
    suffixes = settings.site_suffixes
    known = any(host == s or (s[0] == "." and host.endswith(s)) for s in suffixes)
    if not (
        parts.scheme in schemes
        and bare
        and port_ok
        and known
        and parts.path in {"", "/"}
    ):
        raise Refused(Reason.SITE_NOT_ALLOWED, base_url)
    shown = f":{port}" if settings.development and port else ""
    return f"{parts.scheme}://{host}{shown}"


def admitted(settings: Settings, base_url: str) -> State:
    """Return how a site starts: at once, or waiting for the operator (rule T3)."""
    match settings.tenants:
        case ("open",):
            return State.ACTIVE
        case ("approve",):
            return State.PENDING
        case hosts:
            listed = urlsplit(base_url).hostname in hosts
            return State.ACTIVE if listed else State.PENDING


def is_unlisted(settings: Settings, base_url: str) -> bool:
    """Say whether the operator keeps a list and this site is not on it."""
    listed = settings.tenants not in {("open",), ("approve",)}
    return listed and urlsplit(base_url).hostname not in settings.tenants
