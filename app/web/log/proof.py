"""The button that verifies a site's log: as much of it as a request has time for."""

from datetime import timedelta

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.checkpoints import Report, Walk
from app.under_way import BusyError
from app.web.context import caller, runtime, web
from app.web.fragments import fragment

bp = Blueprint("proof", __name__, url_prefix="/api/v1")

LONGEST = timedelta(seconds=5)
"""How long a page is kept waiting. The newest events come first; all of a long history
is the command line's (`countersign audit verify`)."""


@bp.post("/log/verify")
def verify() -> ResponseReturnValue:
    """Recompute the history from its newest event on, and say what is broken.

    Attack: a long history verified again and again keeps threads from Jira's calls. A
    site has one at a time, and a process two (`UnderWay`).
    """
    with web().proving.place(caller().tenant_id):
        return fragment("proof.html", report=_verified())


@bp.errorhandler(BusyError)
def _busy(_: BusyError) -> ResponseReturnValue:
    message = "A log is being verified just now. Try again when that has ended"
    return {"error": "too-many", "message": message}, 429


def _verified() -> Report:
    begun = runtime().now()
    report = Report(tenant_id=caller().tenant_id)
    walk = Walk(keyring=runtime().keyring, now=begun, report=report)
    while not walk.is_done and runtime().now() - begun <= LONGEST:
        with runtime().sessions.begin() as session:
            walk.step(session)
    return report
