from typing import Any

import pytest
from pydantic import ValidationError

from app.steps import adf, values
from app.steps.base import Looked, StepError
from app.steps.set_field import NEVER, SetField
from tests.unit.steps.conftest import ISSUE, World

Schema = dict[str, Any]
LABELS: Schema = {"type": "array", "items": "string", "system": "labels"}
TEXTAREA: Schema = {"type": "string", "custom": "com.example:textarea"}


def editable(world: World, field: str, schema: Schema) -> None:
    meta = {"operations": ["set"], "schema": schema}
    world.answer("GET", f"{ISSUE}/editmeta", {"fields": {field: meta}})


@pytest.mark.parametrize(
    ("schema", "texts", "expected"),
    [
        ({"type": "string"}, [" a\nb "], "a b"),
        ({"type": "string"}, [""], None),
        ({"type": "number"}, ["5"], 5),
        ({"type": "number"}, ["2.5"], 2.5),
        ({"type": "date"}, ["2026-01-31"], "2026-01-31"),
        ({"type": "date"}, ["2026-01-31T10:00:00.000+0000"], "2026-01-31"),
        (
            {"type": "datetime"},
            ["2026-01-31T10:00:00.120+01:00"],
            "2026-01-31T10:00:00.120+0100",
        ),
        ({"type": "option"}, ["Red"], {"value": "Red"}),
        ({"type": "user"}, ["ann"], {"accountId": "ann"}),
        ({"type": "priority"}, ["High"], {"name": "High"}),
        ({"type": "resolution"}, ["Done"], {"name": "Done"}),
        ({"type": "array", "items": "option"}, ["a", " "], [{"value": "a"}]),
        ({"type": "array", "items": "component"}, ["a"], [{"name": "a"}]),
        (
            {"type": "array", "items": "version"},
            ["1", "2"],
            [{"name": "1"}, {"name": "2"}],
        ),
        ({"type": "array", "items": "user"}, ["ann"], [{"accountId": "ann"}]),
        (LABELS, ["a", "b"], ["a", "b"]),
        (LABELS, [""], []),
        (TEXTAREA, ["a\nb"], adf.document("a\nb")),
        ({"type": "string", "system": "description"}, ["a"], adf.document("a")),
        ({"type": "string", "system": "environment"}, [""], None),
    ],
)
def test_texts_become_what_jira_takes(
    schema: Schema, texts: list[str], expected: object
) -> None:
    assert values.convert("f", schema, texts) == expected


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({"type": "number"}, ["many"]),
        ({"type": "number"}, ["nan"]),
        ({"type": "date"}, ["tomorrow"]),
        ({"type": "datetime"}, ["tomorrow"]),
        ({"type": "datetime"}, ["2026-01-31T10:00:00"]),
        ({"type": "option-with-child"}, ["a"]),
        ({"type": "any"}, ["a"]),
        ({"type": "array", "items": "json"}, ["a"]),
        ({"type": "string"}, ["a", "b"]),
        (LABELS, ["two words"]),
        (LABELS, ["x" * 256]),
    ],
)
def test_what_is_no_value_of_the_field_is_an_error_that_names_it(
    schema: Schema, texts: list[str]
) -> None:
    with pytest.raises(StepError, match="“customfield_1”"):
        values.convert("customfield_1", schema, texts)


@pytest.mark.parametrize("field", [*sorted(NEVER), "Security"])
def test_t6_fields_that_no_rule_sets_are_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError, match=f"“{field}” may not be set"):
        SetField(field=field, value="x")


def test_t6_a_field_that_is_one_of_them_under_another_id_is_refused(
    world: World,
) -> None:
    editable(world, "customfield_1", {"type": "string", "system": "security"})

    with pytest.raises(StepError, match="may not be set"):
        SetField(field="customfield_1", value="x").plan(world.context)


@pytest.mark.parametrize("meta", [{}, {"summary": {"operations": ["add"]}}])
def test_t6_a_field_that_jira_does_not_let_us_edit_is_never_forced(
    world: World, meta: dict[str, Any]
) -> None:
    world.answer("GET", f"{ISSUE}/editmeta", {"fields": meta})

    with pytest.raises(StepError, match="“summary” cannot be set"):
        SetField(field="summary", value="x").plan(world.context)


def test_plan_edits_the_issue_by_its_number(world: World) -> None:
    editable(world, "summary", {"type": "string", "system": "summary"})

    planned = SetField(field="summary", value="{{ issue.key }}!").plan(world.context)

    assert (planned.method, planned.path) == ("PUT", ISSUE)
    assert planned.body == {"fields": {"summary": "DEMO-1!"}}
    assert world.http.writes == []


def test_several_values_are_rendered_each_by_itself(world: World) -> None:
    editable(world, "labels", LABELS)

    step = SetField(field="labels", value=["{{ issue.key }}", "{{ transition.name }}"])

    assert step.plan(world.context).body == {"fields": {"labels": ["DEMO-1", "Ship"]}}


@pytest.mark.parametrize("value", [5, ["a", 5], ["x"] * 51, None, {"a": "b"}])
def test_a_value_is_a_text_or_a_list_of_texts(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SetField.model_validate({"field": "summary", "value": value})

    assert [error["loc"] for error in caught.value.errors()] == [("value",)]


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ("a", "a", Looked.DONE),
        ("a", "b", Looked.NOT_DONE),
        (None, None, Looked.DONE),
        (5.0, 5, Looked.DONE),
        ({"id": "1", "value": "Red"}, {"value": "Red"}, Looked.DONE),
        ({"id": "1", "value": "Red"}, {"value": "Blue"}, Looked.NOT_DONE),
        (None, {"value": "Red"}, Looked.NOT_DONE),
        (["b", "a"], ["a", "b"], Looked.DONE),
        (["a", "b"], ["a"], Looked.NOT_DONE),
        ([{"id": "1", "name": "x"}], [{"name": "x"}], Looked.DONE),
    ],
)
def test_look_compares(
    world: World, current: object, wanted: object, expected: Looked
) -> None:
    editable(world, "customfield_1", {"type": "string"})
    world.fields["customfield_1"] = current
    step = SetField(field="customfield_1", value="x")
    act = step.plan(world.context)
    act.body["fields"]["customfield_1"] = wanted

    assert step.look(world.context, act) is expected


def test_describe() -> None:
    described = SetField(field="duedate", value="").describe()

    assert described == "set the field “duedate”"
