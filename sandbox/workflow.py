"""Workflows: which post functions sit on which transition, as draft and live."""

import copy
import uuid
from dataclasses import dataclass

from sandbox import catalogue
from sandbox.world import Issue, PostFunction, Workflow, World


class WorkflowError(Exception):
    """There is no such workflow, transition or post function."""


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
    world: World, issue: Issue, transition: catalogue.Transition
) -> list[PostFunction]:
    flow = of_project(world, issue.project)
    return list(flow.live.get(transition.id, []))


def editing(flow: Workflow) -> dict[str, list[PostFunction]]:
    """What the editor shows: the draft, or the live one while nothing changed."""
    return flow.live if flow.draft is None else flow.draft


def new_id() -> str:
    return str(uuid.uuid4())


def add(
    world: World,
    place: Place,
    *,
    module: str,
    value: str,
    function_id: str | None = None,
) -> PostFunction:
    """Put a post function on the draft."""
    if catalogue.transition(place.transition) is None:
        raise WorkflowError(f"there is no transition {place.transition!r}")
    function = PostFunction(function_id or new_id(), module, value)
    with world.change():
        draft = _draft(get(world, place.workflow))
        draft.setdefault(place.transition, []).append(function)
    return function


def edit(world: World, workflow: str, function_id: str, value: str) -> None:
    with world.change():
        draft = _draft(get(world, workflow))
        _find(draft, function_id).value = value


def delete(world: World, workflow: str, function_id: str) -> None:
    with world.change():
        draft = _draft(get(world, workflow))
        wanted = _find(draft, function_id)
        for functions in draft.values():
            if wanted in functions:
                functions.remove(wanted)
                return


def find(flow: Workflow, function_id: str) -> PostFunction:
    """As the editor sees it."""
    return _find(editing(flow), function_id)


def publish(world: World, name: str) -> None:
    with world.change():
        flow = get(world, name)
        if flow.draft is not None:
            flow.live, flow.draft = flow.draft, None


def discard(world: World, name: str) -> None:
    with world.change():
        get(world, name).draft = None


def clone(world: World, source: str, name: str) -> Workflow:
    """As Jira copies a workflow: configurations and ids of post functions included."""
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


def _draft(flow: Workflow) -> dict[str, list[PostFunction]]:
    if flow.draft is None:
        flow.draft = copy.deepcopy(flow.live)
    return flow.draft


def _find(rules: dict[str, list[PostFunction]], function_id: str) -> PostFunction:
    for functions in rules.values():
        for function in functions:
            if function.id == function_id:
                return function
    raise WorkflowError(f"there is no post function {function_id!r}")
