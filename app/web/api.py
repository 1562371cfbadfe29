"""What our own pages ask us, with the context token that Jira gave them."""

import json
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from app import audit, rules, runs
from app.rules import InvalidRuleError
from app.runs import NoSuchRunError
from app.web import bodies, editor, overview, words
from app.web.context import caller, runtime
from app.web.errors import BadRequestError

bp = Blueprint("api", __name__, url_prefix="/api/v1")

MAX_STORED = 100_000
"""Characters of a stored rule that we show; Jira keeps fewer than that."""

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


def reads_only(view: View) -> View:
    """Say of a POST that it changes nothing: the person's permission may be cached.

    It is a POST because its question is long, or should not stand in an address.
    """
    vars(view)["reads_only"] = True
    return view


@bp.post("/pages/rule-editor")
@reads_only
def rule_editor() -> ResponseReturnValue:
    """Draw the form for the rule that Jira keeps, or for a new one."""
    return _fragment(
        "rule_editor.html",
        draft=editor.draft(_stored(bodies.read_object())),
        blank_steps=editor.blank_steps(),
        groups=editor.GROUPS,
        operators=words.OPERATORS,
        blank_row=editor.RowForm(),
    )


@bp.post("/pages/rule-view")
@reads_only
def rule_view() -> ResponseReturnValue:
    """Say in words what a stored rule does, or what is wrong with it."""
    stored = _stored(bodies.read_object())
    try:
        rule = rules.parse(stored)
    except InvalidRuleError as error:
        return _fragment(
            "rule_view_broken.html", problems=error.problems, stored=stored
        )
    acts = [overview.act(step.model_dump(mode="json")) for step in rule.steps]
    summary = rules.describe(rule)
    return _fragment("rule_view.html", rule=rule, summary=summary, acts=acts)


@bp.post("/rules/check")
@reads_only
def check_rule() -> ResponseReturnValue:
    """Judge a rule in the making; the value is what Jira is to store, as it is."""
    given = bodies.read_object().get("rule")
    if bodies.is_deep(given):
        raise BadRequestError("the rule is nested too deeply")
    rule = rules.parse(json.dumps(given))
    return {"value": rules.canonical(rule), "summary": rules.describe(rule)}


@bp.get("/pages/config")
def config() -> ResponseReturnValue:
    """Show how the site is connected, and what came of its latest calls."""
    now = runtime().now()
    with runtime().sessions.begin() as session:
        site = overview.read(session, caller())
    return _fragment("config.html", site=site, now=now, words=words, overview=overview)


@bp.post("/runs/<uuid:run_id>/steps/<uuid:step_id>/resolve")
def resolve(run_id: uuid.UUID, step_id: uuid.UUID) -> ResponseReturnValue:
    """Take a person's word for whether a step happened that nobody else can tell."""
    happened = bodies.read_object().get("happened")
    if not isinstance(happened, bool):
        raise BadRequestError("happened must be true or false")
    now = runtime().now()
    with runtime().sessions.begin() as session:
        try:
            was_open = runs.resolve(
                session,
                caller().tenant_id,
                run_id,
                step_id,
                happened=happened,
                now=now,
            )
        except NoSuchRunError:
            abort(404)
        if not was_open:
            return {"error": "already-settled"}, 409
        audit.record(
            session,
            caller().tenant_id,
            "step-resolved",
            actor=caller().account_id,
            now=now,
            run=str(run_id),
            step=str(step_id),
            happened=happened,
        )
    # No wake-up: the workers' sweep finds the run within a second.
    return "", 204


def _fragment(template: str, **values: Any) -> Response:  # noqa: ANN401
    """Render a part of a page; half a character of a broken rule becomes a "?"."""
    html = render_template(template, **values).encode("utf-8", "replace")
    return Response(html, mimetype="text/html")


def _stored(body: dict[str, Any]) -> str:
    value = body.get("value")
    if not isinstance(value, str) or len(value) > MAX_STORED:
        raise BadRequestError(f"value must be text of at most {MAX_STORED} characters")
    return value
