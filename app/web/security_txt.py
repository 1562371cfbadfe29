"""Whom to tell of a weakness. Source: RFC 9116, sections 2.3 to 2.5 and 3."""

from datetime import UTC, timedelta

from flask import Blueprint, Response, abort
from flask.typing import ResponseReturnValue

from app.web.context import runtime

PATH = "/.well-known/security.txt"

GOOD_FOR = timedelta(days=180)
"""Less than the year that the RFC recommends at most; each answer says it anew."""

bp = Blueprint("security_txt", __name__)


@bp.get(PATH)
def security_txt() -> ResponseReturnValue:
    """Say whom the operator wants told; 404 if he named nobody."""
    settings = runtime().settings
    if not settings.security_contact:
        abort(404)
    until = (runtime().now() + GOOD_FOR).astimezone(UTC)
    lines = [
        *(f"Contact: {contact}" for contact in settings.security_contact),
        f"Expires: {until:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.base_url}{PATH}",
    ]
    text = "".join(f"{line}\n" for line in lines)
    return Response(text, content_type="text/plain; charset=utf-8")
