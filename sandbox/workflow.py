"""Workflows: which rules of apps sit on which transition, as draft and live."""

import copy
import uuid
from dataclasses import dataclass

from sandbox import catalogue
from sandbox.world import CONDITION, Issue, Rule, Workflow, World


class WorkflowError(Exception):
    """There is no such workflow, transition or rule, or it cannot sit there."""


@dataclass(frozen=True)
class Place:
    workflow: str
    transition: str
    """Its id."""


def of_project(world: World, project_key: str) -> Workflow:
    return world.state.workflows[world.state.project_workflow[project_key]]


def get(world: World, name: str) -> Workflow:
    try:
        return world.state.workflows[name]
    except KeyError:
        raise WorkflowError(f"there is no workflow {name!r}") from None


def live_on(
    world: World, issue: Issue, transition: catalogue.Transition, kind: str
) -> list[Rule]:
    flow = of_project(world, issue.project)
    return [rule for rule in flow.live.get(transition.id, []) if rule.kind == kind]


def editing(flow: Workflow) -> dict[str, list[Rule]]:
    """What the editor shows: the draft, or the live one while nothing changed."""
    return flow.live if flow.draft is None else flow.draft


def new_id() -> str:
    return str(uuid.uuid4())


def add(world: World, place: Place, rule: Rule) -> None:
    """Put a post function or a condition on the draft."""
    found = catalogue.transition(place.transition)
    if found is None:
        raise WorkflowError(f"there is no transition {place.transition!r}")
    if found.is_initial and rule.kind == CONDITION:
        raise WorkflowError("Jira has no conditions on the creation of an issue")
    with world.change():
        draft = _draft(get(world, place.workflow))
        draft.setdefault(place.transition, []).append(rule)


def edit(world: World, workflow: str, rule_id: str, value: str) -> None:
    with world.change():
        draft = _draft(get(world, workflow))
        _find(draft, rule_id).value = value


def delete(world: World, workflow: str, rule_id: str) -> None:
    with world.change():
        draft = _draft(get(world, workflow))
        wanted = _find(draft, rule_id)
        for rules in draft.values():
            if wanted in rules:
                rules.remove(wanted)
                return


def find(flow: Workflow, rule_id: str) -> Rule:
    """As the editor sees it."""
    return _find(editing(flow), rule_id)


def publish(world: World, name: str) -> None:
    with world.change():
        flow = get(world, name)
        if flow.draft is not None:
            flow.live, flow.draft = flow.draft, None


def discard(world: World, name: str) -> None:
    with world.change():
        get(world, name).draft = None


def clone(world: World, source: str, name: str) -> Workflow:
    """As Jira copies a workflow: configurations and ids of the rules included."""
    with world.change() as state:
        if name in state.workflows:
            raise WorkflowError(f"there is a workflow {name!r} already")
        made = Workflow(name, copy.deepcopy(get(world, source).live))
        state.workflows[name] = made
    return made


def assign(world: World, project_key: str, name: str) -> None:
    with world.change() as state:
        get(world, name)
        state.project_workflow[project_key] = name


def _draft(flow: Workflow) -> dict[str, list[Rule]]:
    if flow.draft is None:
        flow.draft = copy.deepcopy(flow.live)
    return flow.draft


def _find(placed: dict[str, list[Rule]], rule_id: str) -> Rule:
    for rules in placed.values():
        for rule in rules:
            if rule.id == rule_id:
                return rule
    raise WorkflowError(f"there is no rule {rule_id!r}")
