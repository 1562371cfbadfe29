"""The control API's share of the workflows: read them, put rules on transitions."""

from dataclasses import asdict
from typing import Any

from flask import request

from sandbox import catalogue, workflow
from sandbox.catalogue import Transition
from sandbox.web import asking, control
from sandbox.world import CONDITION, POST_FUNCTION, Workflow

Json = dict[str, Any]

route = control.BLUEPRINT.route


@route("/workflow", methods=["GET"])
def get_workflow() -> Json:
    jira = asking.jira()
    with jira.world.lock:
        flow = workflow.get(jira.world, request.args.get("name", catalogue.WORKFLOW))
        users = jira.world.state.project_workflow
        return {
            "name": flow.name,
            "projects": [key for key, used in users.items() if used == flow.name],
            "has_draft": flow.draft is not None,
            "statuses": [asdict(status) for status in catalogue.STATUSES],
            "transitions": [_placed(flow, made) for made in catalogue.TRANSITIONS],
        }


def _placed(flow: Workflow, made: Transition) -> Json:
    def rules(kind: str) -> list[Json]:
        placed = flow.live.get(made.id, [])
        return [asdict(rule) for rule in placed if rule.kind == kind]

    return {
        "id": made.id,
        "name": made.name,
        "from": list(made.sources),
        "to": made.to,
        "is_global": made.is_global,
        "is_initial": made.is_initial,
        "post_functions": rules(POST_FUNCTION),
        "conditions": rules(CONDITION),
    }


@route("/post-functions", methods=["POST"])
def add_post_function() -> tuple[Json, int]:
    given = control.given_json()
    made = asking.jira().add_post_function(
        str(given.get("transition", "")),
        str(given.get("value", "")),
        flow=given.get("workflow", catalogue.WORKFLOW),
        module=given.get("module"),
        function_id=given.get("id"),
    )
    return asdict(made), 201


@route("/conditions", methods=["POST"])
def add_condition() -> tuple[Json, int]:
    given = control.given_json()
    made = asking.jira().add_condition(
        str(given.get("transition", "")),
        str(given.get("value", "")),
        flow=given.get("workflow", catalogue.WORKFLOW),
        module=given.get("module"),
    )
    return asdict(made), 201


@route("/post-functions/<rule_id>", methods=["DELETE"])
@route("/conditions/<rule_id>", methods=["DELETE"])
def delete_rule(rule_id: str) -> Json:
    flow = request.args.get("workflow", catalogue.WORKFLOW)
    asking.jira().remove_post_function(rule_id, flow)
    return {"deleted": rule_id}


@route("/workflows", methods=["POST"])
def copy_workflow() -> tuple[Json, int]:
    given, jira = control.given_json(), asking.jira()
    name = str(given.get("name") or "")
    jira.copy_workflow(str(given.get("copy_of") or catalogue.WORKFLOW), name)
    if given.get("project"):
        jira.use_workflow(str(given["project"]), name)
    return {"name": name}, 201
