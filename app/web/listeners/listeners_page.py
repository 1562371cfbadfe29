"""Callers other than Jira: what a tenant's admins see and change of them.

Every change names who made it, and is asked of Jira at once (rule T10); what is found
is the caller's own tenant's, so another's id is 404 (rule T5).
"""

import uuid
from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import destinations, listeners
from app.audit import Change
from app.http import SendError
from app.listeners import (
    SECRET_GRACE,
    Definition,
    Federated,
    KeySource,
    NameTakenError,
    NoKeySetError,
    NoSuchListenerError,
    TooManyListenersError,
)
from app.rules import Problem
from app.web import bodies
from app.web.changes import change_now, once
from app.web.context import caller, runtime, web
from app.web.form_problems import InvalidDefinitionError
from app.web.fragments import fragment
from app.web.listeners import listener_form, listener_page

bp = Blueprint("listeners", __name__, url_prefix="/api/v1")


@bp.get("/pages/listeners")
def show_all() -> ResponseReturnValue:
    """List the tenant's listeners, with when each was heard last."""
    with runtime().sessions.begin() as session:
        found = listener_page.listed(
            session,
            caller().tenant_id,
            base_url=runtime().settings.base_url,
            now=runtime().now(),
        )
    return fragment("listeners.html", found=found)


@bp.get("/pages/listeners/new")
def show_new() -> ResponseReturnValue:
    """Ask how the caller proves itself, then draw the form for that."""
    proofs = listener_form.offered(caller().door)
    proof = listener_form.proof_of(request.args.get("proof"), caller().door)
    return fragment(
        "listener_new.html",
        shown=None,
        proof=proof,
        proofs=proofs,
        controls=listener_form.controls(proof, {}) if proof else (),
    )


@bp.get("/pages/listeners/<uuid:listener_id>")
def show(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Show one listener: how it is, what its tokens must say, the form to change it."""
    with runtime().sessions.begin() as session:
        shown = listener_page.get(
            session,
            caller().tenant_id,
            listener_id,
            base_url=runtime().settings.base_url,
            now=runtime().now(),
        )
        claims = listener_page.claims_at(session, shown)
        rule = listener_page.rule_of(session, shown)
        named_by = {
            each.id: each.name
            for each in destinations.answered_by(
                session, caller().tenant_id, listener_id
            )
        }
    values = {**shown.settings, "name": shown.name}
    return fragment(
        "listener.html",
        shown=shown,
        claims=claims,
        rule=rule,
        named_by=named_by,
        proof=shown.proof,
        proofs=listener_form.PROOFS,
        controls=listener_form.controls(shown.proof, values),
    )


@bp.post("/listeners")
def create() -> ResponseReturnValue:
    """Add a listener; a secret of its own is in this answer and in no other."""
    definition = listener_form.read(bodies.read_object(), caller().door)
    _check(definition, _source(definition))
    with runtime().sessions.begin() as session:
        listener_id, secret = listeners.create(
            session, runtime().keyring, change_now(), definition
        )
    return {"id": str(listener_id), "secret": once(secret)}, 201


@bp.put("/listeners/<uuid:listener_id>")
def change(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Change a listener; another issuer or proof clears its secret (rule T8)."""
    with runtime().sessions.begin() as session:
        row = listeners.get(session, caller().tenant_id, listener_id)
        before = _source(listeners.definition_of(row))
    definition = listener_form.read(bodies.read_object(), caller().door)
    source = _source(definition)
    if source != before:  # who only changes a name must not need its issuer
        _check(definition, source)
    with runtime().sessions.begin() as session:
        secret = listeners.change_to(
            session, runtime().keyring, change_now(), listener_id, definition
        )
    return {"id": str(listener_id), "secret": once(secret)}


@bp.delete("/listeners/<uuid:listener_id>")
def delete(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Delete it; its address opens nothing from now on."""
    return _changed(listeners.delete, listener_id)


@bp.post("/listeners/<uuid:listener_id>/pause")
def pause(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Refuse its calls."""
    return _changed(listeners.pause, listener_id)


@bp.post("/listeners/<uuid:listener_id>/resume")
def resume(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Let it in again."""
    return _changed(listeners.resume, listener_id)


@bp.post("/listeners/<uuid:listener_id>/secret")
def renew_secret(listener_id: uuid.UUID) -> ResponseReturnValue:
    """Replace its secret; the old one opens for a day, or not if it is `at_once`."""
    at_once = bodies.read_object().get("at_once") is True
    with runtime().sessions.begin() as session:
        secret = listeners.renew_secret(
            session,
            runtime().keyring,
            change_now(),
            listener_id,
            grace=timedelta(0) if at_once else SECRET_GRACE,
        )
    if secret is None:
        message = "It has no secret: it proves itself in another way"
        return {"error": "conflict", "message": message}, 409
    return {"id": str(listener_id), "secret": once(secret)}


@bp.errorhandler(NoSuchListenerError)
def _no_such(_: NoSuchListenerError) -> ResponseReturnValue:
    return {"error": "not-found"}, 404


@bp.errorhandler(InvalidDefinitionError)
def _invalid(error: InvalidDefinitionError) -> ResponseReturnValue:
    problems = [{"key": p.key, "message": p.message} for p in error.problems]
    return {"error": "invalid-listener", "problems": problems}, 422


@bp.errorhandler(TooManyListenersError)
def _too_many(error: TooManyListenersError) -> ResponseReturnValue:
    return {"error": "too-many", "message": str(error)}, 409


@bp.errorhandler(NameTakenError)
def _taken(error: NameTakenError) -> ResponseReturnValue:
    return _invalid(InvalidDefinitionError([Problem("name", str(error))]))


def _source(definition: Definition) -> KeySource | None:
    if isinstance(definition, Federated):
        return definition.key_source(caller().tenant_id)
    return None


def _check(definition: Definition, source: KeySource | None) -> None:
    """Refuse an issuer whose keys cannot be read now (rule T11): nobody gets in so."""
    if source is None:
        return
    try:
        with web().asking.place(source.tenant_id):
            web().key_sets.check(source)
    except (SendError, NoKeySetError) as error:
        key = "jwks_url" if "jwks_url" in definition.settings else "issuer"
        raise InvalidDefinitionError([Problem(key, str(error))]) from error


def _changed(
    act: Callable[[Session, Change, uuid.UUID], None], listener_id: uuid.UUID
) -> ResponseReturnValue:
    with runtime().sessions.begin() as session:
        act(session, change_now(), listener_id)
    return "", 204
