"""What all steps share: what is stored, what templates see, what forms show."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from app import templating
from app.steps import STEPS, adf
from app.steps.base import Act, JiraStep, StepError
from tests.unit.steps.conftest import World


def test_an_act_comes_back_from_its_text_as_it_was() -> None:
    act = Act(
        method="POST",
        path="/rest/api/3/issue/1/comment",
        body={"a": ["ü", 1, None]},
        to_status="5",
        notes={"since": "x"},
    )

    assert Act.from_json(act.to_json()) == act


@pytest.mark.parametrize("kind", STEPS)
def test_a_form_can_be_drawn_from_every_step(kind: str) -> None:
    step = STEPS[kind]
    schema = step.model_json_schema()

    assert step.title
    for name, field in schema["properties"].items():
        if name != "do":
            assert field["title"]
            assert field["description"]


EXAMPLES: dict[str, dict[str, Any]] = {
    "add-comment": {"body": "Hello", "internal": True},
    "transition-issue": {"transition": "Done"},
    "set-field": {"field": "summary", "value": ["a", "b"]},
    "assign-issue": {"to": "actor"},
    "add-label": {"label": "x"},
    "create-issue": {"issuetype": "Task", "summary": "s", "labels": ["x"]},
    "link-issue": {"type": "Blocks", "target": "A-1", "direction": "inward"},
    "set-property": {"key": "x", "value": {"a": [1, "{{ issue.key }}"]}},
    "deliver": {"destination": f"d_{7:032x}", "inputs": {"v": "{{ issue.key }}"}},
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_comes_back_from_its_json_as_it_was(kind: str) -> None:
    step = STEPS[kind].model_validate({"do": kind, **EXAMPLES[kind]})

    again = STEPS[kind].model_validate(json.loads(step.model_dump_json()))

    assert again == step
    assert step.describe()


@pytest.mark.parametrize("kind", STEPS)
def test_no_step_takes_an_unknown_key(kind: str) -> None:
    with pytest.raises(ValidationError, match="overrideScreenSecurity"):
        STEPS[kind].model_validate({**EXAMPLES[kind], "overrideScreenSecurity": True})


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("add-comment", "body"),
        ("set-field", "value"),
        ("add-label", "label"),
        ("create-issue", "summary"),
        ("create-issue", "description"),
        ("link-issue", "target"),
        ("set-property", "value"),
    ],
)
def test_a_wrong_template_is_refused_by_name_when_saved(kind: str, key: str) -> None:
    with pytest.raises(ValidationError, match="“secrets” is unknown") as caught:
        STEPS[kind].model_validate({**EXAMPLES[kind], key: "{{ secrets.ours }}"})

    assert caught.value.errors()[0]["loc"] == (key,)


def test_the_view_is_read_only_and_holds_plain_values(world: World) -> None:
    world.fields["description"] = adf.document("why")
    view = world.context.view

    assert isinstance(view["issue"], MappingProxyType)
    assert view["issue"]["labels"] == ("release",)
    shown = templating.render(
        "{{ issue.key }} {{ issue.id }} {{ issue.summary }} {{ issue.status.name }}"
        " {{ issue.description }} {{ project.key }} {{ project.name }}"
        " {{ transition.name }} {{ transition.to }} {{ actor.accountId }} {{ run.id }}",
        view,
    )
    assert shown == (
        "DEMO-1 10001 Ship it In Progress why DEMO Demo Ship Done ann"
        " 0199b1a0-0000-7000-8000-000000000001"
    )


def test_a_view_without_an_actor_has_an_empty_one(world: World) -> None:
    world.actor = None

    assert world.context.render("[{{ actor.accountId }}]") == "[]"


def test_what_cannot_be_rendered_is_a_step_error(world: World) -> None:
    for render in (world.context.render, world.context.render_markup):
        with pytest.raises(StepError, match=r"issue\.nope"):
            render("{{ issue.nope }}")


def test_a_text_too_long_is_a_step_error(world: World) -> None:
    world.fields["long"] = "x" * 20_000

    with pytest.raises(StepError, match="longer than 32767"):
        world.context.render_markup("{{ issue.long }} *{{ issue.long }}*")


def test_a_step_without_its_methods_is_none(world: World) -> None:
    act = Act(method="GET", path="/", body=None)
    bare = JiraStep(do="nothing")

    for call in (
        bare.describe,
        lambda: bare.plan(world.context),
        lambda: bare.look(world.context, act),
    ):
        with pytest.raises(NotImplementedError):
            call()
