"""The door for callers other than Jira: what a listener says of a run (rule T17)."""

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from app import listeners
from app.web import bodies
from app.web.context import runtime
from app.web.listeners import answering

bp = Blueprint("listening", __name__)


@bp.post("/listeners/<uuid:listener_id>")
def hear(listener_id: object) -> ResponseReturnValue:
    """Take what a verified caller says; whether it answers a run is looked up."""
    del listener_id  # the guard has it, with whose it is
    called, now = g.called, runtime().now()
    with runtime().sessions.begin() as session:
        listeners.note_heard(session, called.tenant_id, called.id, now=now)
    answering.hear(called, g.heard, bodies.read_object())
    return "", 204
