"""The door of listeners: what one says of a run, or of a transition (rule T17)."""

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from app import listeners
from app.listeners import Transition
from app.web import bodies
from app.web.context import runtime
from app.web.listeners import answering, reporting

bp = Blueprint("listening", __name__)


@bp.post("/listeners/<uuid:listener_id>")
def hear(listener_id: object) -> ResponseReturnValue:
    """Take what a verified caller says: how a run's delivery ended, or a transition.

    Whether it answers a run, or whether the transition was made, is looked up.
    """
    del listener_id  # the guard has it, with whose it is
    called, now = g.called, runtime().now()
    with runtime().sessions.begin() as session:
        listeners.note_heard(session, called.tenant_id, called.id, now=now)
    place = called.definition
    if isinstance(place, Transition):
        reporting.hear(called, place, g.heard, bodies.read_object())
    else:
        answering.hear(called, g.heard, bodies.read_object())
    return "", 204
