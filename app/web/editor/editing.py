"""What our own pages ask us, with the context token that Jira gave them."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app import rules
from app.rules import InvalidRuleError, Problem, Rule, own_rules
from app.tenants import Door
from app.web import bodies, naming, words
from app.web.context import caller, runtime, web
from app.web.editor import checking, drafts, pasting, rule_page
from app.web.editor.checking import Checking
from app.web.errors import BadRequestError
from app.web.fragments import fragment, reads_only
from app.web.naming import Names
from app.web.site_names import Sort

bp = Blueprint("api", __name__, url_prefix="/api/v1")

MAX_STORED = 100_000
"""Characters of a stored rule that we show; Jira keeps fewer than that."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where a rule of a self-managed site is kept: by us, for a listener."""

    listener_id: uuid.UUID
    name: str = ""
    version: int = 0
    """Which version of it the form shows, and the next one is saved over."""

    def over(self, version: int) -> Self:
        return replace(self, version=version)


@bp.post("/pages/rule-editor")
@reads_only
def rule_editor() -> ResponseReturnValue:
    """Draw the form for the rule that Jira keeps, for a new one, or a pasted one."""
    body = bodies.read_object()
    text, is_pasted = _stored(body), body.get("pasted") is True
    return form_of(text, is_pasted=is_pasted, kept=_kept(body))


def form_of(
    text: str, *, is_pasted: bool = False, kept: Kept | None = None
) -> ResponseReturnValue:
    """Draw the form for a rule; `kept` says where, if it is ours to keep."""
    known = web().site_names.find(caller().tenant_id, Sort.STATUSES)
    draft = pasting.draft(text, known) if is_pasted else drafts.draft(text)
    return fragment(
        "rule_editor.html",
        draft=draft,
        statuses=drafts.statuses(known or (), draft.hold_status),
        blank_steps=drafts.blank_steps(),
        groups=drafts.GROUPS,
        operators=words.OPERATORS,
        blank_row=drafts.RowForm(),
        destinations=_names().choices,
        kept=kept,
    )


@bp.post("/pages/rule-view")
@reads_only
def rule_view() -> ResponseReturnValue:
    """Say in words what a stored rule does, or what is wrong with it."""
    stored = _stored(bodies.read_object())
    try:
        rule = rules.parse(stored)
    except InvalidRuleError as error:
        return fragment("rule_view_broken.html", problems=error.problems, stored=stored)
    names = _names()
    return fragment(
        "rule_view.html",
        rule=rule,
        summary=rules.describe(rule, names.act),
        conditions=rule_page.conditions(rule.when),
        steps=rule_page.steps(rule, names),
    )


@bp.post("/rules/check")
@reads_only
def check_rule() -> ResponseReturnValue:
    """Judge a rule in the making; the value is what Jira is to store, as it is.

    `texts` holds, by their keys, values of the rule as somebody typed them: what was
    meant to be JSON can be told from other text only there.
    """
    body = bodies.read_object()
    given, texts = body.get("rule"), body.get("texts", {})
    if bodies.is_deep(given):
        raise BadRequestError("the rule is nested too deeply")
    if not isinstance(texts, dict) or not all(
        isinstance(text, str) for text in texts.values()
    ):
        raise BadRequestError("texts must be an object of texts")
    problems = [*checking.malformed(texts), *checking.repeated(given)]
    try:
        rule = rules.parse(json.dumps(given))
    except InvalidRuleError as error:
        raise InvalidRuleError([*error.problems, *problems]) from error
    names = _names()
    checked = Checking(web().site_names, caller().tenant_id, names)
    problems += checked.problems(rule)
    problems += _not_there(rule)
    if problems:
        raise InvalidRuleError(problems)
    hints = [hint.message for hint in checking.hints(rule, names)]
    summary = rules.describe(rule, names.act)
    return {"value": rules.canonical(rule), "summary": summary, "hints": hints}


def _kept(body: Mapping[str, Any]) -> Kept | None:
    """Return where the form says that its rule is kept; saving looks it up again."""
    named, over = body.get("listener"), body.get("over")
    if caller().door is not Door.DATACENTER or not isinstance(named, str):
        return None
    try:
        return Kept(listener_id=uuid.UUID(named), version=int(str(over)))
    except ValueError as error:
        raise BadRequestError("listener and over must name a version") from error


def _not_there(rule: Rule) -> Sequence[Problem]:
    """Return what of a rule the site's Jira cannot do, being a self-managed one."""
    if caller().door is not Door.DATACENTER:
        return ()
    with runtime().sessions.begin() as session:
        return list(own_rules.problems(session, caller().tenant_id, rule))


def _names() -> Names:
    """Read what the tenant's destinations are called, in a transaction of its own."""
    with runtime().sessions.begin() as session:
        return naming.read(session, caller().tenant_id)


def _stored(body: dict[str, Any]) -> str:
    value = body.get("value")
    if not isinstance(value, str) or len(value) > MAX_STORED:
        raise BadRequestError(f"value must be text of at most {MAX_STORED} characters")
    return value
