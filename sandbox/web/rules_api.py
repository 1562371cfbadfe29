"""REST: the rules that an app has in the workflows, to be read and stored anew."""

from collections.abc import Iterator
from typing import Any

from flask import request

from sandbox import catalogue, people, workflow
from sandbox.forge.app import KINDS
from sandbox.issues import RestError
from sandbox.web import asking, issue_api, rest
from sandbox.world import CONDITION, POST_FUNCTION, Rule, Workflow

Json = dict[str, Any]

route = rest.BLUEPRINT.route
_RULE_TYPES = frozenset({"postfunction", "condition", "validator"})
_KINDS = (
    ("postfunction", "postFunctions", POST_FUNCTION),
    ("condition", "conditions", CONDITION),
)
"""How a type is asked for, answered, and called in a descriptor."""
_RULES_PAGE = 10


@route(f"{rest.V3}/workflow/rule/config", methods=["GET"])
def get_rules() -> Json:
    """Only the calling app's rules; drafts are told apart by a flag."""
    if not rest.caller().is_app:
        raise RestError(403, ["Only apps can use this resource."])
    types = asking.words("types")
    if not types or set(types) - _RULE_TYPES:
        raise RestError(400, ["types: postfunction, condition or validator"])
    jira = asking.jira()
    with jira.world.lock:
        flows = list(jira.world.state.workflows.values())
        values = [bean for flow in flows for bean in _versions(flow, types)]
    return issue_api.page(values, "workflow/rule/config", _RULES_PAGE)


def _versions(flow: Workflow, types: list[str]) -> Iterator[Json]:
    names = request.args.getlist("workflowNames")
    if names and flow.name not in names:
        return
    wanted = request.args.get("draft")
    for is_draft, rules in ((False, flow.live), (True, flow.draft)):
        if rules is None or wanted == str(not is_draft).lower():
            continue
        shown = {
            member: list(_placed(rules, kind)) if name in types else []
            for name, member, kind in _KINDS
        }
        if any(shown.values()):
            yield {
                "workflowId": {"name": flow.name, "draft": is_draft},
                **shown,
                "validators": [],
            }


def _own(kind: str) -> dict[str, str]:
    """The modules of the app that asks: how it calls each, and how Jira does."""
    jira = asking.jira()
    if rest.caller() != people.FORGE:
        return {str(m["key"]): str(m["key"]) for m in jira.addon.modules(kind)}
    app = jira.forge.app
    keys = [str(module["key"]) for module in app.modules(KINDS[kind])]
    return {key: app.kept.extension_id(key) for key in keys}


def _placed(rules: dict[str, list[Rule]], kind: str) -> Iterator[Json]:
    keys, own = set(asking.words("keys")), _own(kind)
    for made in catalogue.TRANSITIONS:
        for rule in rules.get(made.id, []):
            if rule.kind != kind or rule.module not in own:
                continue
            if keys and not keys & {rule.module, own[rule.module]}:
                continue
            bean: Json = {
                "id": rule.id,
                "key": own[rule.module],
                "configuration": {"value": rule.value, "disabled": False},
            }
            if "transition" in asking.words("expand"):
                bean["transition"] = {"id": int(made.id), "name": made.name}
            yield bean


@route(f"{rest.V3}/workflow/rule/config", methods=["PUT"])
def put_rules() -> Json:
    """Store the configuration of rules anew; what cannot be is told, one by one."""
    if not rest.caller().is_app:
        raise RestError(403, ["Only apps can use this resource."])
    results = [_stored(given) for given in asking.body().get("workflows") or []]
    return {"updateResults": results}


def _stored(given: Json) -> Json:
    place, faults = given.get("workflowId") or {}, {}
    world = asking.jira().world
    with world.change():
        flow = workflow.get(world, str(place.get("name")))
        rules = flow.draft if place.get("draft") else flow.live
        for _, member, kind in _KINDS:
            own = _own(kind)
            for one in given.get(member) or []:
                found = _find(rules or {}, str(one.get("id")))
                if found is None or found.module not in own:
                    faults[str(one.get("id"))] = ["There is no such rule of yours."]
                    continue
                found.value = str(one["configuration"]["value"])
    return {"workflowId": place, "ruleUpdateErrors": faults, "updateErrors": []}


def _find(rules: dict[str, list[Rule]], rule_id: str) -> Rule | None:
    return next((r for many in rules.values() for r in many if r.id == rule_id), None)
