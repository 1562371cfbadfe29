"""The frame of a self-managed site's pages, and the sessions that fill it (ADR 21)."""

from datetime import datetime

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import datacenter
from app.connect import descriptor
from app.datacenter import Sitting
from app.web import bodies
from app.web.context import runtime
from app.web.datacenter import guarding
from app.web.fragments import reads_only
from app.web.headers import script_urls, static_url

page = Blueprint("datacenter_page", __name__, url_prefix=guarding.PLACE)
sign_in = Blueprint("datacenter_sign_in", __name__, url_prefix=guarding.PLACE)
session = Blueprint("datacenter_session", __name__, url_prefix=guarding.PLACE)

VIEW = "config"


@page.get("")
def shell() -> ResponseReturnValue:
    """Show the frame; who may fill it, the ticket behind the address's `#` says."""
    return render_template(
        "shell.html",
        view=VIEW,
        title=descriptor.titles()[VIEW],
        base=f"{request.script_root}{guarding.PLACE}",
        issue="",
        library="",
        stands_alone=True,
        stylesheet=static_url("app.css"),
        # In this order: the first says whose page it is.
        scripts=[static_url("datacenter.js"), static_url("app.js")],
        preloads=script_urls(),
    )


@sign_in.post("/session")
def begin() -> ResponseReturnValue:
    """Change a sign-in link's ticket for a session, once.

    Attack: answers that differ tell a guesser what he found. A ticket that is wrong,
    used, expired or of a site that has left is 404.
    """
    unverified_ticket = bodies.text(bodies.read_object(), "ticket", limit=200)
    now = runtime().now()
    with runtime().reading.begin() as database:
        if not datacenter.is_invited(database, unverified_ticket, now=now):
            abort(404)
    with runtime().sessions.begin() as database:
        begun = datacenter.sign_in(database, unverified_ticket, now=now)
        told = _issued(database, begun, now) if begun is not None else None
    if told is None:
        abort(404)
    return told, 201


@session.post("/session/renew")
@reads_only
def renew() -> ResponseReturnValue:
    """Return the session's next token; the guard has judged this one."""
    with runtime().sessions.begin() as database:
        return _issued(database, guarding.sitting(), runtime().now())


def _issued(database: Session, sitting: Sitting, now: datetime) -> dict[str, object]:
    token, ends_at = datacenter.issue(
        database, runtime().keyring, sitting, audience=guarding.audience(), now=now
    )
    left = int((ends_at - now).total_seconds())
    return {"token": token.reveal(), "seconds": left, "person": sitting.person}
