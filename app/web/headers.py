"""What every answer carries, whatever it is: the browser's part of our safety."""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from flask import Flask, Response, g, request, send_from_directory, url_for

from app.settings import Settings
from app.web.context import runtime

STATIC = Path(__file__).parents[1] / "static"
CACHEABLE = frozenset({"static", "issuers.configuration", "issuers.key_set"})
"""Endpoints whose answers hold nothing of a tenant's."""

SAFE = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}
"""What every answer carries. Atlassian's scanner (connect-security-req-tester) wants it
on errors as well."""

CLOSED = {
    "Cache-Control": "no-cache, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""What is no page and for nobody to keep."""


def init_app(flask: Flask) -> None:
    flask.after_request(_secure)


def static_file(version: str, name: str) -> Response:
    """Serve a file of ours; what is asked for by its version may be kept for ever."""
    response = send_from_directory(STATIC, name)
    kept = "public, max-age=31536000, immutable"
    # Another version is asked for while servers are exchanged: not to be kept.
    response.headers["Cache-Control"] = kept if version == _version() else "no-cache"
    return response


def static_url(name: str) -> str:
    """Return the address of a file of ours, new whenever one of them is.

    The version is a folder, so that scripts find each other beside them.
    """
    return url_for("static", version=_version(), name=name)


def script_urls() -> list[str]:
    """Return the addresses of all our scripts: browsers fetch them at once."""
    return [static_url(path.name) for path in sorted(STATIC.glob("*.js"))]


@functools.cache
def _version() -> str:
    files = sorted(STATIC.iterdir())
    whole = b"".join(path.name.encode() + path.read_bytes() for path in files)
    return hashlib.sha256(whole).hexdigest()[:12]


def _secure(response: Response) -> Response:
    headers = response.headers
    headers.update(SAFE)
    if request.endpoint not in CACHEABLE or response.status_code >= 400:  # noqa: PLR2004
        headers["Cache-Control"] = CLOSED["Cache-Control"]
    headers["Content-Security-Policy"] = _policy(response)
    return response


def _policy(response: Response) -> str:
    """Return the content policy: strict for pages, nothing at all for the rest."""
    if response.mimetype != "text/html":
        return CLOSED["Content-Security-Policy"]
    settings, caller = runtime().settings, g.get("caller")
    library = _origin(settings.ap_js_url)
    if g.get("stands_alone") and response.status_code < 400:  # noqa: PLR2004
        # A page of ours that no Jira frames, so nobody may (ADR 21).
        return _directives(
            script_src=["'self'"],
            style_src=["'self'"],
            img_src=["'self'", "data:"],
            font_src=["'self'"],
            connect_src=["'self'"],
            frame_ancestors=[],
        )
    if caller is None:
        # A refusal, the same for everybody. Nobody is verified whose origins we could
        # name, and in a frame that nobody may show the person would read nothing.
        return _directives(
            script_src=[library],
            style_src=["'self'", library],
            frame_ancestors=_sites(settings),
        )
    return _directives(
        script_src=["'self'", library],
        style_src=["'self'", library],
        img_src=["'self'", "data:"],
        font_src=["'self'"],
        connect_src=["'self'"],
        frame_ancestors=[o for o in caller.origins if _may_frame(o, settings)],
    )


def _directives(**sources: Iterable[str]) -> str:
    directives = {
        "default-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    for name, allowed in sources.items():
        directives[name.replace("_", "-")] = " ".join(allowed) or "'none'"
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _sites(settings: Settings) -> Iterable[str]:
    """Yield every origin at which a site of ours may be (rule T3)."""
    scheme, port = ("http", ":*") if settings.development else ("https", "")
    for suffix in settings.site_suffixes:
        yield f"{scheme}://{'*' if suffix.startswith('.') else ''}{suffix}{port}"


def _may_frame(origin: str, settings: Settings) -> bool:
    # Development's sandbox is plain http on loopback (docs/operate.md).
    return origin.startswith("https://") or settings.development


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
