"""Files to take away: asked for with a token, fetched with a ticket that is good once.

A browser saves only what it fetches by an address of its own, and that request carries
no header of ours. Hence two steps (`app/tickets.py`): the script of our page asks with
the context token, as for everything else, and gets a ticket; the browser comes with it.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from app import audit, tickets
from app.audit import Kind
from app.runtime import Runtime
from app.tickets import Redeemed
from app.under_way import BusyError
from app.web import bodies
from app.web.context import caller, runtime, web
from app.web.errors import BadRequestError
from app.web.log import exports
from app.web.making import Maker, Order
from app.web.rules import rules_export
from app.web.settings import diagnostics, personal_page

bp = Blueprint("downloads", __name__, url_prefix="/api/v1")
fetched = Blueprint("tickets", __name__)

MAKERS: Mapping[str, Maker] = {
    "diagnostics": diagnostics.MAKER,
    "person": personal_page.MAKER,
    "log": exports.MAKER,
    "rules": rules_export.MAKER,
}
"""What can be downloaded, by the name that a page asks for it with."""

WAIT_SECONDS = 30
"""When to try again if too many downloads are under way."""

LONGEST = timedelta(minutes=15)
"""How long a file may take to be read."""


class TooSlowError(Exception):
    """Whoever reads the file takes too long."""


@bp.post("/downloads")
def ask() -> ResponseReturnValue:
    """Give the person in session a ticket for the file that he may have (T10)."""
    if not web().downloads.has_room(caller().tenant_id):
        message = "Another download is under way. Try again when it has ended"
        return {"error": "too-many", "message": message}, 429
    wanted = _valid(bodies.read_object())
    person, now = caller(), runtime().now()
    with runtime().sessions.begin() as session:
        ticket = tickets.issue(
            session, person.tenant_id, person.account_id, wanted, now=now
        )
    # Absolute: in Forge the page that asks is not served by us.
    url = f"{runtime().settings.base_url}/downloads/{ticket}"
    return {"ticket": ticket, "url": url}, 201


@fetched.get("/downloads/<unverified_ticket>")
def fetch(unverified_ticket: str) -> ResponseReturnValue:
    """Send the file that the ticket is for; the guard has used the ticket up."""
    del unverified_ticket
    redeemed: Redeemed = g.redeemed
    if not web().downloads.take(redeemed.tenant_id):
        raise BusyError
    try:
        return _file(redeemed)
    except BaseException:
        web().downloads.give_back(redeemed.tenant_id)
        raise


@fetched.errorhandler(BusyError)
def _busy(_: BusyError) -> ResponseReturnValue:
    return {"error": "unavailable"}, 503, {"Retry-After": str(WAIT_SECONDS)}


def _valid(body: Mapping[str, Any]) -> dict[str, Any]:
    what = body.get("what")
    if not isinstance(what, str) or what not in MAKERS:
        raise BadRequestError(f"what must be one of {', '.join(sorted(MAKERS))}")
    return MAKERS[what].validate(body) | {"what": what}


def _file(redeemed: Redeemed) -> Response:
    what = str(redeemed.wanted["what"])
    maker = MAKERS[what]
    order = Order(
        tenant_id=redeemed.tenant_id,
        account_id=redeemed.account_id,
        wanted=redeemed.wanted,
        now=runtime().now(),
    )
    name = maker.filename(order)
    with runtime().sessions.begin() as session:
        audit.record(
            session,
            order.tenant_id,
            Kind.EXPORTED,
            actor=order.account_id,
            now=order.now,
            what=what,
            file=name,
        )
    chunks = _in_time(runtime(), maker.stream(runtime(), order))
    response = Response(chunks, content_type=f"{maker.mimetype(order)}; charset=utf-8")
    # Attack: what strangers wrote into a log becomes a page of ours. A file is never
    # shown in the browser, whatever it holds; `headers` forbids guessing its type.
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    # Called by the server however it ends: read to its end, cut off, or failed.
    response.call_on_close(partial(web().downloads.give_back, order.tenant_id))
    return response


def _in_time(runtime: Runtime, chunks: Iterator[str]) -> Iterator[bytes]:
    """Send the pieces as long as there is time.

    Ended early it has no proper end, so that the browser does not take it for whole.
    The time is looked at between two pieces; who takes none at all has his place, and
    no more than that (`UnderWay`), until the server closes the silent connection.
    """
    last = runtime.now() + LONGEST
    for chunk in chunks:
        if runtime.now() > last:
            raise TooSlowError
        if chunk:  # an empty one would be the end, as HTTP writes it
            yield chunk.encode("utf-8", "replace")
