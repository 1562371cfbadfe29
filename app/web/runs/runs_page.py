"""The pages of runs: which there were, and what happened in each (rules T5, T8)."""

import uuid

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from app import audit, runs
from app.runs import NoSuchRunError, Page
from app.tenants import Tenant
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError
from app.web.fragments import fragment
from app.web.runs import curl, run_filters, run_story, run_words

bp = Blueprint("runs", __name__, url_prefix="/api/v1")

NOTHING = Page(runs=(), older=None, is_cut=False)


@bp.get("/pages/runs")
def show_all() -> ResponseReturnValue:
    """List the runs that the address asks for, a page of them."""
    now, tenant_id = runtime().now(), caller().tenant_id
    with runtime().sessions.begin() as session:
        choices = run_filters.choices(session, tenant_id)
        filters = run_filters.read(request.args, choices, now=now)
        found = NOTHING
        if filters.wanted is not None:
            found = runs.page(session, tenant_id, filters.wanted, before=filters.before)
        tenant = session.get_one(Tenant, tenant_id)
        site = tenant.display_url or tenant.base_url
    return fragment(
        "runs.html",
        found=found,
        filters=filters,
        choices=choices,
        states=run_filters.STATES,
        periods=run_filters.PERIODS,
        looked_at=runs.CANDIDATES,
        site=site,
        now=now,
        run_words=run_words,
    )


@bp.get("/pages/runs/<uuid:run_id>")
def show(run_id: uuid.UUID) -> ResponseReturnValue:
    """Tell one run from Jira's call to its last step."""
    now = runtime().now()
    with runtime().sessions.begin() as session:
        try:
            story = run_story.read(session, caller().tenant_id, run_id, now=now)
        except NoSuchRunError:
            abort(404)
    return fragment(
        "run.html", story=story, run=story.run, now=now, run_words=run_words
    )


@bp.get("/pages/attempts/<uuid:attempt_id>")
def attempt(attempt_id: uuid.UUID) -> ResponseReturnValue:
    """Show what an attempt at a delivery sent and was answered, as it was kept (T8)."""
    with runtime().sessions.begin() as session:
        found = runs.find_exchange(session, caller().tenant_id, attempt_id)
    if found is None:
        abort(404)
    return fragment(
        "attempt.html", id=attempt_id, exchange=found, command=curl.command(found)
    )


@bp.post("/runs/<uuid:run_id>/steps/<uuid:step_id>/resolve")
def resolve(run_id: uuid.UUID, step_id: uuid.UUID) -> ResponseReturnValue:
    """Take a person's word for whether a step happened that nobody else can tell."""
    happened = bodies.read_object().get("happened")
    if not isinstance(happened, bool):
        raise BadRequestError("happened must be true or false")
    now, tenant_id = runtime().now(), caller().tenant_id
    with runtime().sessions.begin() as session:
        try:
            was_open = runs.resolve(
                session, tenant_id, run_id, step_id, happened=happened, now=now
            )
        except NoSuchRunError:
            abort(404)
        if not was_open:
            message = "Somebody has answered this already"
            return {"error": "already-settled", "message": message}, 409
        audit.record(
            session,
            tenant_id,
            "step-resolved",
            actor=caller().account_id,
            now=now,
            run=str(run_id),
            step=str(step_id),
            happened=happened,
        )
    # No wake-up: the workers' sweep finds the run within a second.
    return "", 204
