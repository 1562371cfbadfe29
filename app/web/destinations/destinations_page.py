"""Where a tenant's deliveries may go: what its admins see and change of that.

Every change names who made it, and is asked of Jira at once (rule T10); what is found
is the caller's own tenant's, so another's id is 404 (rule T5).
"""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import destinations, listeners
from app.destinations import (
    Change,
    NameTakenError,
    NoCredentialError,
    NoSuchDestinationError,
)
from app.keys import NoKeyError
from app.listeners import NoSuchListenerError
from app.rules import Problem
from app.stops import StoppedError
from app.web import bodies
from app.web.changes import change_now, once
from app.web.context import caller, runtime, web
from app.web.destinations import (
    destination_form,
    destination_page,
    kind_form,
    saving,
    trying,
    where_used,
)
from app.web.destinations.destination_page import ShownDestination
from app.web.destinations.trying import TooManyTestsError
from app.web.errors import BadRequestError
from app.web.form_problems import InvalidDefinitionError
from app.web.fragments import fragment
from app.web.site_names import Sort

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
    """Draw the form for a destination to be, of the kind that is asked for."""
    form = kind_form.of_new(request.args.get("kind", ""), _listeners())
    kinds = destinations.CONNECTORS.values()
    return _form("destination_new.html", shown=None, form=form, kinds=kinds)


@bp.get("/pages/destinations/<uuid:destination_id>")
def show(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Show one destination: how it is, who uses it, and the form to change it."""
    with runtime().sessions.begin() as session:
        shown = destination_page.get(
            session, caller().tenant_id, destination_id, now=runtime().now()
        )
        went = destination_page.went(
            session, caller().tenant_id, destination_id, now=runtime().now()
        )
    uses = where_used.read(caller().tenant_id)
    found = None if uses is None else uses.get(destination_id, ())
    known = {use.hash for use in found or ()}
    return _form(
        "destination.html",
        shown=shown,
        form=kind_form.of(shown, _listeners()),
        snippets=kind_form.snippets(shown, runtime().settings.base_url),
        went=went,
        uses=found,
        forgotten=[] if found is None else sorted(shown.approved - known),
    )


@bp.post("/destinations")
def create() -> ResponseReturnValue:
    """Add a destination; a secret of its own is in this answer and in no other."""
    definition = destination_form.read(bodies.read_object())
    saving.check(definition)
    fresh = saving.fresh_keys(definition)
    with runtime().sessions.begin() as session:
        saving.ensure_keys(session, fresh)
        saving.ensure_listener(session, definition)
        destination_id, secret = destinations.create(
            session, runtime().keyring, change_now(), definition
        )
    return {"id": str(destination_id), "secret": once(secret)}, 201


@bp.put("/destinations/<uuid:destination_id>")
def change(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Change a destination; `cleared` names headers whose values had to go (T8)."""
    with runtime().sessions.begin() as session:
        url = destinations.get(session, caller().tenant_id, destination_id).url
    definition = destination_form.read(bodies.read_object())
    # Who only changes a limit must not need its receiver.
    if definition.address != url or definition.credentials:
        saving.check(definition)
    fresh = saving.fresh_keys(definition)
    with runtime().sessions.begin() as session:
        saving.ensure_keys(session, fresh)
        saving.ensure_listener(session, definition)
        secret = destinations.change_to(
            session, runtime().keyring, change_now(), destination_id, definition
        )
        row = destinations.get(session, caller().tenant_id, destination_id)
        cleared = sorted(set(definition.headers) - set(row.header_names))
    return {"id": str(destination_id), "secret": once(secret), "cleared": cleared}


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
            session, runtime().keyring, change_now(), destination_id
        )
    if secret is None:
        return _conflict("It is signed by the site's keys and has no secret of its own")
    return {"id": str(destination_id), "secret": once(secret)}


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
        destinations.approve(session, change_now(), destination_id, wanted)
    return "", 204


@bp.post("/destinations/<uuid:destination_id>/withdraw")
def withdraw(destination_id: uuid.UUID) -> ResponseReturnValue:
    """Take an approval back."""
    with runtime().sessions.begin() as session:
        destinations.get(session, caller().tenant_id, destination_id)
        destinations.withdraw(session, change_now(), destination_id, _rule_hash())
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


@bp.errorhandler(NoCredentialError)
def _no_credential(error: NoCredentialError) -> ResponseReturnValue:
    return _invalid(InvalidDefinitionError([Problem(error.key, "it is missing")]))


@bp.errorhandler(NoSuchListenerError)
def _no_listener(_: NoSuchListenerError) -> ResponseReturnValue:
    problem = Problem("listener_id", "this listener is no longer there")
    return _invalid(InvalidDefinitionError([problem]))


@bp.errorhandler(TooManyTestsError)
def _too_many(_: TooManyTestsError) -> ResponseReturnValue:
    return {"error": "too-many", "message": "Ten tests a minute: wait a little"}, 429


@bp.errorhandler(StoppedError)
def _stopped(_: StoppedError) -> ResponseReturnValue:
    return _conflict("The operator has stopped Countersign: nothing is sent meanwhile")


@bp.errorhandler(NoKeyError)
def _no_key(_: NoKeyError) -> ResponseReturnValue:
    return _conflict("It has no key or secret: give it one, and save it once more")


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


def _listeners() -> Mapping[uuid.UUID, str]:
    """Return who may say how a delivery ended, by their ids (rule T5)."""
    with runtime().sessions.begin() as session:
        found = listeners.listed(session, caller().tenant_id)
        return {each.id: each.name for each in found if not each.proof.is_transition}


def _projects() -> Mapping[str, Mapping[str, Any]] | None:
    """Return the site's projects by their ids; None if Jira does not say."""
    found = web().site_names.find(caller().tenant_id, Sort.PROJECTS)
    return None if found is None else {str(each.get("id")): each for each in found}


def _changed(
    act: Callable[[Session, Change, uuid.UUID], None], destination_id: uuid.UUID
) -> ResponseReturnValue:
    with runtime().sessions.begin() as session:
        act(session, change_now(), destination_id)
    return "", 204


def _rule_hash() -> str:
    wanted = bodies.read_object().get("hash")
    if not isinstance(wanted, str) or not _HASH.fullmatch(wanted):
        raise BadRequestError("hash must be the SHA-256 of a rule")
    return wanted
