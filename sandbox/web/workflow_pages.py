"""The workflow editor: rules on a draft, through the add-on's iframes."""

from flask import (
    Blueprint,
    abort,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from sandbox import catalogue, iframes, offers, workflow
from sandbox.iframes import Frame
from sandbox.web import asking, forge_hosting, hosting
from sandbox.workflow import WorkflowError
from sandbox.world import CONDITION, POST_FUNCTION, Rule, Workflow

BLUEPRINT = Blueprint("workflows", __name__, url_prefix="/workflows")
Page = str | tuple[str, int] | Response
SHELVES = {"functions": POST_FUNCTION, "conditions": CONDITION}
"""How the addresses here call the two kinds of rules."""
NAMES = {POST_FUNCTION: "post function", CONDITION: "condition"}
_RULE = "/<name>/<any(functions, conditions):shelf>/<rule_id>"


@BLUEPRINT.errorhandler(WorkflowError)
def missing(error: Exception) -> Page:
    return render_template("error.html", text=str(error), section="workflows"), 404


def _flow(name: str) -> Workflow:
    return workflow.get(asking.jira().world, name)


def _transition(number: str) -> catalogue.Transition:
    found = next((t for t in catalogue.TRANSITIONS if t.id == number), None)
    if found is None:
        abort(404)
    return found


@BLUEPRINT.get("/")
def overview() -> str | Response:
    names = list(asking.jira().world.state.workflows)
    if len(names) == 1:
        return redirect(url_for("workflows.editor", name=names[0]))
    return render_template("workflows.html", names=names, section="workflows")


@BLUEPRINT.get("/<name>")
def editor(name: str) -> str:
    flow = _flow(name)
    projects = asking.jira().world.state.project_workflow
    return render_template(
        "workflow.html",
        section="workflows",
        flow=flow,
        placed=workflow.editing(flow),
        transitions=catalogue.TRANSITIONS,
        shelves=[
            (shelf, NAMES[kind], kind, offers.of(asking.jira(), kind))
            for shelf, kind in SHELVES.items()
        ],
        used_by=[key for key, used in projects.items() if used == name],
    )


@BLUEPRINT.get("/<name>/transitions/<number>/add/<module>")
def add(name: str, number: str, module: str) -> Page:
    """The create iframe; the rule's id is made here, as Jira does."""
    rule = Rule(workflow.new_id(), module, "", _kind(module))
    return _rule_page(_flow(name), _transition(number), rule, "create")


@BLUEPRINT.post("/<name>/transitions/<number>/add/<module>")
def added(name: str, number: str, module: str) -> Response:
    kind = _kind(module)
    rule_id = request.form.get("rule_id") or workflow.new_id()
    workflow.add(
        asking.jira().world,
        workflow.Place(name, _transition(number).id),
        Rule(rule_id, module, request.form.get("value", ""), kind),
    )
    flash(f"The {NAMES[kind]} is on the draft. Publish it to make it live.")
    return redirect(url_for("workflows.editor", name=name))


def _kind(key: str) -> str:
    found = offers.kind_of(asking.jira(), key)
    if found is None:
        abort(404)
    return found


def _rule_page(
    flow: Workflow, made: catalogue.Transition, rule: Rule, view: str
) -> Page:
    given: dict[str, object] = {
        "section": "workflows",
        "flow": flow,
        "transition": made,
        "view": view,
        "rule": rule,
        "shelf": _shelf(rule),
        "what": NAMES[rule.kind],
    }
    forged = forge_hosting.rule(rule, view, made)
    if forged is not None:
        return forge_hosting.page("rule.html", forged, **given)
    found = iframes.rule(asking.jira().addon, rule.module, view)
    if found is None:
        abort(404)
    variables = (
        iframes.new_variables(rule.kind, rule.id)
        if view == "create"
        else iframes.variables(rule)
    )
    frame = Frame(found, variables)
    return hosting.page("rule.html", frame, full_page=False, **given)


def _shelf(rule: Rule) -> str:
    return next(shelf for shelf, kind in SHELVES.items() if kind == rule.kind)


def _place_of(flow: Workflow, rule: Rule) -> catalogue.Transition:
    for number, rules in workflow.editing(flow).items():
        if rule in rules:
            return _transition(number)
    raise WorkflowError("the rule sits on no transition")


@BLUEPRINT.get(_RULE)
def view(name: str, shelf: str, rule_id: str) -> Page:
    return _existing(name, shelf, rule_id, "view")


@BLUEPRINT.get(f"{_RULE}/edit")
def edit(name: str, shelf: str, rule_id: str) -> Page:
    return _existing(name, shelf, rule_id, "edit")


def _existing(name: str, shelf: str, rule_id: str, view: str) -> Page:
    flow = _flow(name)
    rule = _found(flow, shelf, rule_id)
    return _rule_page(flow, _place_of(flow, rule), rule, view)


def _found(flow: Workflow, shelf: str, rule_id: str) -> Rule:
    rule = workflow.find(flow, rule_id)
    if rule.kind != SHELVES[shelf]:
        raise WorkflowError(f"there is no {NAMES[SHELVES[shelf]]} {rule_id!r}")
    return rule


@BLUEPRINT.post(f"{_RULE}/edit")
def edited(name: str, shelf: str, rule_id: str) -> Response:
    rule = _found(_flow(name), shelf, rule_id)
    value = request.form.get("value", "")
    workflow.edit(asking.jira().world, name, rule.id, value)
    flash("The change is on the draft. Publish it to make it live.")
    return redirect(url_for("workflows.editor", name=name))


@BLUEPRINT.post(f"{_RULE}/delete")
def delete(name: str, shelf: str, rule_id: str) -> Response:
    rule = _found(_flow(name), shelf, rule_id)
    workflow.delete(asking.jira().world, name, rule.id)
    flash(f"The {NAMES[rule.kind]} was taken off the draft.")
    return redirect(url_for("workflows.editor", name=name))


@BLUEPRINT.post("/<name>/publish")
def publish(name: str) -> Response:
    workflow.publish(asking.jira().world, name)
    flash("The workflow is published.")
    return redirect(url_for("workflows.editor", name=name))


@BLUEPRINT.post("/<name>/discard")
def discard(name: str) -> Response:
    workflow.discard(asking.jira().world, name)
    flash("The draft is gone; the live workflow is as it was.")
    return redirect(url_for("workflows.editor", name=name))
