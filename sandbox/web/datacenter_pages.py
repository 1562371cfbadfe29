"""The Data Center page: tokens, webhooks, and the scripts of post functions."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from sandbox import catalogue, people
from sandbox.datacenter import signing
from sandbox.datacenter.kept import EVENTS, Script, Webhook
from sandbox.datacenter.site import DataCenter, DataCenterError
from sandbox.web import asking

BLUEPRINT = Blueprint("datacenter", __name__, url_prefix="/datacenter")


def _site() -> DataCenter:
    if not asking.jira().is_datacenter:
        abort(404)
    return asking.jira().datacenter


@BLUEPRINT.errorhandler(LookupError)
@BLUEPRINT.errorhandler(DataCenterError)
def impossible(error: Exception) -> Response:
    flash(str(error), "error")
    return _back()


def _back() -> Response:
    return redirect(url_for("datacenter.overview"))


@BLUEPRINT.get("/")
def overview() -> str:
    return render_template(
        "datacenter.html",
        section="datacenter",
        site=_site(),
        owners=(people.APP, *people.USERS),
        events=EVENTS,
        algorithms=signing.ALGORITHMS,
        transitions=catalogue.TRANSITIONS,
    )


@BLUEPRINT.post("/pats")
def make_token() -> Response:
    person = people.named(request.form.get("user", "countersign"))
    name = request.form.get("name", "").strip() or "by hand"
    _site().access.make(person, name)
    flash(f"{person.name} has a new personal access token, “{name}”.")
    return _back()


@BLUEPRINT.post("/pats/<token_id>/revoke")
def revoke_token(token_id: str) -> Response:
    token = _site().access.revoke(token_id)
    flash(f"The personal access token “{token.name}” is revoked.")
    return _back()


@BLUEPRINT.post("/webhooks")
def add_webhook() -> Response:
    form = request.form
    made = _site().add_webhook(
        form.get("url", ""),
        name=form.get("name", "") or "Countersign",
        secret=form.get("secret") or None,
        events=tuple(form.getlist("events")),
        jql=form.get("jql", ""),
    )
    return _added(made)


@BLUEPRINT.post("/scripts")
def add_script() -> Response:
    form = request.form
    made = _site().add_script(
        form.get("url", ""),
        issuer=form.get("issuer", ""),
        algorithm=form.get("algorithm", "HS256"),
        secret=form.get("secret", ""),
    )
    return _added(made)


def _added(made: Webhook | Script) -> Response:
    where = request.form.get("transition", "")
    if where:
        _site().place(where, made)
        flash(f"“{made.name}” is there, and on its transition; that is published.")
    else:
        flash(f"“{made.name}” is there.")
    return _back()


@BLUEPRINT.post("/senders/<sender_id>/remove")
def remove_sender(sender_id: str) -> Response:
    _site().remove(sender_id)
    flash("It is removed; post functions that name it do nothing.")
    return _back()
