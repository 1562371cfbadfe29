"""The workflow editor: post functions on a draft, through the add-on's iframes."""

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

from sandbox import catalogue, iframes, workflow
from sandbox.firing import MODULE
from sandbox.iframes import Frame
from sandbox.web import asking, hosting
from sandbox.workflow import WorkflowError
from sandbox.world import PostFunction, Workflow

BLUEPRINT = Blueprint("workflows", __name__, url_prefix="/workflows")
Page = str | tuple[str, int] | Response


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
        functions=workflow.editing(flow),
        transitions=catalogue.TRANSITIONS,
        modules=asking.jira().addon.modules(MODULE),
        used_by=[key for key, used in projects.items() if used == name],
    )


@BLUEPRINT.get("/<name>/transitions/<number>/add/<module>")
def add(name: str, number: str, module: str) -> Page:
    """The create iframe; its id is made here, as Jira does."""
    flow, made = _flow(name), _transition(number)
    variables = {"postFunction.id": workflow.new_id()}
    return _rule_page(flow, made, module, "create", variables)


@BLUEPRINT.post("/<name>/transitions/<number>/add/<module>")
def added(name: str, number: str, module: str) -> Response:
    workflow.add(
        asking.jira().world,
        workflow.Place(name, _transition(number).id),
        module=module,
        value=request.form.get("value", ""),
        function_id=request.form.get("function_id") or None,
    )
    flash("The post function is on the draft. Publish it to make it live.")
    return redirect(url_for("workflows.editor", name=name))


def _rule_page(
    flow: Workflow,
    made: catalogue.Transition,
    key: str,
    view: str,
    variables: dict[str, str],
) -> Page:
    module = iframes.post_function(asking.jira().addon, key, view)
    if module is None:
        abort(404)
    return hosting.page(
        "rule.html",
        Frame(module, variables),
        flow=flow,
        transition=made,
        view=view,
        function_id=variables["postFunction.id"],
    )


def _place_of(flow: Workflow, function: PostFunction) -> catalogue.Transition:
    for number, functions in workflow.editing(flow).items():
        if function in functions:
            return _transition(number)
    raise WorkflowError("the post function sits on no transition")


@BLUEPRINT.get("/<name>/functions/<function_id>")
def view(name: str, function_id: str) -> Page:
    return _existing(name, function_id, "view")


@BLUEPRINT.get("/<name>/functions/<function_id>/edit")
def edit(name: str, function_id: str) -> Page:
    return _existing(name, function_id, "edit")


def _existing(name: str, function_id: str, view: str) -> Page:
    flow = _flow(name)
    function = workflow.find(flow, function_id)
    made = _place_of(flow, function)
    variables = iframes.variables(function)
    return _rule_page(flow, made, function.module, view, variables)


@BLUEPRINT.post("/<name>/functions/<function_id>/edit")
def edited(name: str, function_id: str) -> Response:
    value = request.form.get("value", "")
    workflow.edit(asking.jira().world, name, function_id, value)
    flash("The change is on the draft. Publish it to make it live.")
    return redirect(url_for("workflows.editor", name=name))


@BLUEPRINT.post("/<name>/functions/<function_id>/delete")
def delete(name: str, function_id: str) -> Response:
    workflow.delete(asking.jira().world, name, function_id)
    flash("The post function was taken off the draft.")
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
