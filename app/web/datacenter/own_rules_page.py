"""Rules of a self-managed site: edited on our own page, and versioned (ADR 21)."""

import uuid

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app import listeners
from app.listeners import ChangedMeanwhileError, NoSuchListenerError
from app.rules import own_rules
from app.web import bodies
from app.web.changes import change_now
from app.web.context import caller, runtime
from app.web.editor import editing
from app.web.editor.editing import Kept
from app.web.errors import BadRequestError

bp = Blueprint("own_rules", __name__, url_prefix="/api/v1")

MAX_VERSION = 2**31


@bp.get("/pages/listeners/<uuid:listener_id>/rule")
def show(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Draw the form for the rule that the listener carries out now."""
    with runtime().sessions.begin() as session:
        row = listeners.get(session, caller().tenant_id, listener_id)
        known = listeners.rules.current(session, row)
        kept = Kept(listener_id=listener_id, name=row.name)
    if known is None:
        raise NoSuchListenerError(listener_id)
    return editing.form_of(known.config, kept=kept.over(known.number))


@bp.put("/listeners/<uuid:listener_id>/rule")
def save(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Keep the rule as a new version, over the one that the person has seen."""
    body = bodies.read_object()
    text, over = bodies.text(body, "value", limit=editing.MAX_STORED), body.get("over")
    if type(over) is not int or not 0 <= over <= MAX_VERSION:
        raise BadRequestError("over must be the number of a version")
    with runtime().sessions.begin() as session:
        row = listeners.get(session, caller().tenant_id, listener_id)
        if listeners.rules.current(session, row) is None:
            raise NoSuchListenerError(listener_id)
        rule = own_rules.read(session, caller().tenant_id, text)
        number = own_rules.save(session, change_now(), listener_id, rule, over=over)
    return {"id": str(listener_id), "version": number}


@bp.errorhandler(NoSuchListenerError)
def _no_such(_: NoSuchListenerError) -> ResponseReturnValue:
    return {"error": "not-found"}, 404


@bp.errorhandler(ChangedMeanwhileError)
def _meanwhile(error: ChangedMeanwhileError) -> ResponseReturnValue:
    return {"error": "conflict", "message": str(error)}, 409
