"""The verification log: what was verified, refused and changed, by whom (rule T5).

What nobody's signature proves is told apart from it, as a claim (rule T13).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from app import audit, checkpoints
from app.audit import Event, Page, Value
from app.web.context import caller, runtime
from app.web.fragments import fragment
from app.web.log import event_words, log_filters
from app.web.log.log_filters import Filters

bp = Blueprint("log", __name__, url_prefix="/api/v1/pages")

SAMPLE = 10
"""Claimed calls that are shown; the others are only counted (rule T13)."""

_LINKS = {
    "run": "runs",
    "replay_of": "runs",
    "destination": "destinations",
    "listener": "listeners",
}
"""Facts that name something with a page, and where its page is."""


@dataclass(frozen=True, kw_only=True)
class ShownFact:
    """One fact of an event, as a person reads it."""

    label: str
    value: str
    meaning: str
    """What a code says, in words."""
    link: str


@bp.get("/log")
def show() -> ResponseReturnValue:
    """Show the newest events that the filters leave, or those before a place."""
    filters = log_filters.read(request.args, now=runtime().now())
    before, found = _place(request.args.get("before")), Page(events=(), older=None)
    with runtime().sessions.begin() as session:
        if filters.wanted is not None:
            found = audit.page(
                session, caller().tenant_id, filters.wanted, before=before
            )
        claims = audit.claims_of(session, caller().verified.issuer, limit=SAMPLE)
        proof = checkpoints.glance(session, caller().tenant_id)
    return fragment(
        "log.html",
        found=found,
        claims=claims,
        proof=proof,
        filters=filters,
        is_first=before is None,
        options=log_filters,
        events=event_words,
        link=link,
        export=_export,
    )


@bp.get("/log/<uuid:event_id>")
def event(event_id: uuid.UUID) -> ResponseReturnValue:
    """Show every fact of one event."""
    with runtime().sessions.begin() as session:
        found = audit.find(session, caller().tenant_id, event_id)
    if found is None:
        abort(404)
    return fragment("event.html", event=found, facts=facts(found), events=event_words)


def facts(found: Event) -> Sequence[ShownFact]:
    """Return all that was noted of an event, by name."""
    return [
        ShownFact(
            label=event_words.label(name),
            value=_text(value),
            meaning=event_words.meaning(name, value),
            link=link(found, name),
        )
        for name, value in sorted(found.facts.items())
        if value is not None and value != ""
    ]


def link(found: Event, name: str) -> str:
    """Return the address of the page of what a fact names; empty if it has none."""
    view, value = _LINKS.get(name), found.facts.get(name)
    if view is None or not isinstance(value, str):
        return ""
    try:
        return f"#/{view}/{uuid.UUID(value)}"
    except ValueError:
        return ""


def _place(text: str | None) -> uuid.UUID | None:
    """Read where to go on; what is no id is the beginning."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def _export(filters: Filters, form: str) -> dict[str, object]:
    """Return what asks for the same events as a file."""
    return {"what": "log", "format": form, "filters": dict(filters.given)}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
