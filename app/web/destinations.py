"""Where a tenant's deliveries may go: what its admins see and change of that.

Every change names who made it, and is asked of Jira at once (rule T10); what is found
is the caller's own tenant's, so another's id is 404 (rule T5).
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import destinations, keys
from app.crypto import KeyPair, Secret
from app.destinations import (
    Change,
    Definition,
    NameTakenError,
    NoSuchDestinationError,
    Signing,
)
from app.http import SendError
from app.keys import NoKeyError, Rotation
from app.rules import Problem
from app.web import bodies, destination_form, destination_page, trying, where_used
from app.web.context import caller, runtime, web
from app.web.destination_form import InvalidDefinitionError
from app.web.destination_page import ShownDestination
from app.web.errors import BadRequestError
from app.web.fragments import fragment
from app.web.site_names import Sort
from app.web.trying import TooManyTestsError

bp = Blueprint("destinations", __name__, url_prefix="/api/v1")

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@bp.get("/pages/destinations")
def show_all() -> ResponseReturnValue:
    """List the tenant's destinations with how they are and how much they are used."""
    with runtime().sessions.begin() as session:
        found = destination_page.listed(
            session, caller().tenant_id, now=runtime().now()
        )
    uses = where_used.read(caller().tenant_id) if found else {}
    return fragment("destinations.html", found=found, uses=uses, projects=_projects())


@bp.get("/pages/destinations/new")
def show_new() -> ResponseReturnValue:
    """Draw the form for a destination to be."""
    return _form("destination_new.html", shown=None)


@bp.get("/pages/destinations/<uuid:destination_id>")
def show(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Show one destination: how it is, who uses it, and the form to change it."""
    with runtime().sessions.begin() as session:
        shown = destination_page.get(
            session, caller().tenant_id, destination_id, now=runtime().now()
        )
    uses = where_used.read(caller().tenant_id)
    found = None if uses is None else uses.get(destination_id, ())
    known = {use.hash for use in found or ()}
    return _form(
        "destination.html",
        shown=shown,
        uses=found,
        forgotten=[] if found is None else sorted(shown.approved - known),
    )


@bp.post("/destinations")
def create() -> ResponseReturnValue:
    """Add a destination; a secret of its own is in this answer and in no other."""
    definition = destination_form.read(bodies.read_object())
    _check(definition)
    fresh = _fresh_keys(definition)
    with runtime().sessions.begin() as session:
        _ensure_keys(session, fresh)
        destination_id, secret = destinations.create(
            session, runtime().keyring, _change(), definition
        )
    return {"id": str(destination_id), "secret": _once(secret)}, 201


@bp.put("/destinations/<uuid:destination_id>")
def change(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Change a destination; `cleared` names headers whose values had to go (T8)."""
    with runtime().sessions.begin() as session:
        url = destinations.get(session, caller().tenant_id, destination_id).url
    definition = destination_form.read(bodies.read_object())
    if definition.url != url:  # who only changes a limit must not need its receiver
        _check(definition)
    fresh = _fresh_keys(definition)
    with runtime().sessions.begin() as session:
        _ensure_keys(session, fresh)
        secret = destinations.change_to(
            session, runtime().keyring, _change(), destination_id, definition
        )
        row = destinations.get(session, caller().tenant_id, destination_id)
        cleared = sorted(set(definition.headers) - set(row.header_names))
    return {"id": str(destination_id), "secret": _once(secret), "cleared": cleared}


@bp.delete("/destinations/<uuid:destination_id>")
def delete(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Delete it; rules that name it fail from now on, and say why."""
    return _changed(destinations.delete, destination_id)


@bp.post("/destinations/<uuid:destination_id>/pause")
def pause(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Let deliveries to it wait."""
    return _changed(destinations.pause, destination_id)


@bp.post("/destinations/<uuid:destination_id>/resume")
def resume(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Let deliveries go again."""
    return _changed(destinations.resume, destination_id)


@bp.post("/destinations/<uuid:destination_id>/secret")
def renew_secret(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Replace its secret; the new one is in this answer and in no other."""
    with runtime().sessions.begin() as session:
        secret = destinations.renew_secret(
            session, runtime().keyring, _change(), destination_id
        )
    if secret is None:
        return _conflict("It is signed by the site's keys and has no secret of its own")
    return {"id": str(destination_id), "secret": _once(secret)}


@bp.post("/destinations/<uuid:destination_id>/approve")
def approve(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Let a rule use a protected destination: one that Jira has now, as it is (T7)."""
    with runtime().sessions.begin() as session:
        destinations.get(session, caller().tenant_id, destination_id)
    wanted, uses = _rule_hash(), where_used.read(caller().tenant_id)
    if uses is None:
        return _conflict("Jira did not answer, so the rule could not be looked up")
    if wanted not in {use.hash for use in uses.get(destination_id, ())}:
        # Attack: an approval made in advance, for a text that nobody has seen.
        return _conflict("No live rule of this text delivers here: reload the page")
    with runtime().sessions.begin() as session:
        destinations.approve(session, _change(), destination_id, wanted)
    return "", 204


@bp.post("/destinations/<uuid:destination_id>/withdraw")
def withdraw(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Take an approval back."""
    with runtime().sessions.begin() as session:
        destinations.get(session, caller().tenant_id, destination_id)
        destinations.withdraw(session, _change(), destination_id, _rule_hash())
    return "", 204


@bp.post("/destinations/<uuid:destination_id>/test")
def send_test(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Send a test event now, and show the real answer."""
    return fragment("destination_test.html", tried=trying.send(destination_id))


@bp.errorhandler(NoSuchDestinationError)
def _no_such(_: NoSuchDestinationError) -> ResponseReturnValue:
    return {"error": "not-found"}, 404


@bp.errorhandler(InvalidDefinitionError)
def _invalid(error: InvalidDefinitionError) -> ResponseReturnValue:
    problems = [{"key": p.key, "message": p.message} for p in error.problems]
    return {"error": "invalid-destination", "problems": problems}, 422


@bp.errorhandler(NameTakenError)
def _taken(error: NameTakenError) -> ResponseReturnValue:
    return _invalid(InvalidDefinitionError([Problem("name", str(error))]))


@bp.errorhandler(TooManyTestsError)
def _too_many(_: TooManyTestsError) -> ResponseReturnValue:
    return {"error": "too-many", "message": "Ten tests a minute: wait a little"}, 429


@bp.errorhandler(NoKeyError)
def _no_key(_: NoKeyError) -> ResponseReturnValue:
    return _conflict("It has no key or secret to sign with: save it once more")


def _conflict(message: str) -> ResponseReturnValue:
    return {"error": "conflict", "message": message}, 409


def _form(template: str, *, shown: ShownDestination | None, **values: Any) -> Response:  # noqa: ANN401
    return fragment(
        template,
        shown=shown,
        projects=_projects(),
        page=destination_page,
        **values,
    )


def _projects() -> Mapping[str, Mapping[str, Any]] | None:
    """Return the site's projects by their ids; None if Jira does not say."""
    found = web().site_names.find(caller().tenant_id, Sort.PROJECTS)
    return None if found is None else {str(each.get("id")): each for each in found}


def _check(definition: Definition) -> None:
    """Refuse it unless something that may be reached is there now (rule T11).

    What leads inside today and outside tomorrow is judged again when it is sent to.
    """
    try:
        runtime().http.check(definition.url, caller().tenant_id)
    except SendError as error:
        raise InvalidDefinitionError([Problem("url", str(error))]) from error


def _fresh_keys(definition: Definition) -> Sequence[KeyPair]:
    """Make the tenant's first keys if it needs them now: slow, so made beforehand."""
    if definition.signing is not Signing.KEY_SET:
        return ()
    with runtime().sessions.begin() as session:
        has_keys = keys.has_keys(session, caller().tenant_id)
    return () if has_keys else keys.make(2)


def _ensure_keys(session: Session, fresh: Sequence[KeyPair]) -> None:
    if fresh:
        change = _change()
        rotation = Rotation(
            tenant_id=change.tenant_id, actor=change.actor, now=change.now, fresh=fresh
        )
        keys.ensure(session, runtime().keyring, rotation)


def _changed(
    act: Callable[[Session, Change, uuid.UUID], None], destination_id: uuid.UUID
) -> ResponseReturnValue:
    with runtime().sessions.begin() as session:
        act(session, _change(), destination_id)
    return "", 204


def _change() -> Change:
    return Change(
        tenant_id=caller().tenant_id, actor=caller().account_id, now=runtime().now()
    )


def _rule_hash() -> str:
    wanted = bodies.read_object().get("hash")
    if not isinstance(wanted, str) or not _HASH.fullmatch(wanted):
        raise BadRequestError("hash must be the SHA-256 of a rule")
    return wanted


def _once(secret: Secret | None) -> str | None:
    """Reveal a new secret to who asked for it: nobody can read it again (rule T8)."""
    return None if secret is None else secret.reveal()
