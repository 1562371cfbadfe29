"""Assign, label, property: one call each, and a look that compares."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.http import Response
from app.jira import JiraError
from app.steps.add_label import AddLabel
from app.steps.assign_issue import AssignIssue
from app.steps.base import Looked, StepError
from app.steps.set_property import SetProperty
from tests.unit.steps.conftest import ISSUE, World

PROPERTY = f"{ISSUE}/properties/countersign.deploy"


@pytest.mark.parametrize(
    ("to", "account"),
    [
        ("actor", "ann"),
        ("reporter", "rita"),
        ("default", "-1"),
        ("nobody", None),
        ("5b10:ac-8d", "5b10:ac-8d"),
    ],
)
def test_assign(world: World, to: str, account: str | None) -> None:
    planned = AssignIssue(to=to).plan(world.context)

    assert (planned.method, planned.path) == ("PUT", f"{ISSUE}/assignee")
    assert planned.body == {"accountId": account}
    assert world.http.writes == []
    assert "assign" in AssignIssue(to=to).describe()


def test_assign_to_somebody_unknown_is_an_error(world: World) -> None:
    world.actor, world.fields["reporter"] = None, None

    for to in ("actor", "reporter"):
        with pytest.raises(StepError):
            AssignIssue(to=to).plan(world.context)


def test_an_assignee_is_no_template() -> None:
    with pytest.raises(ValidationError):
        AssignIssue(to="{{ actor.accountId }}")


@pytest.mark.parametrize(
    ("to", "assignee", "expected"),
    [
        ("ann", {"accountId": "ann"}, Looked.DONE),
        ("ann", {"accountId": "bob"}, Looked.NOT_DONE),
        ("ann", None, Looked.NOT_DONE),
        ("nobody", None, Looked.DONE),
        ("nobody", {"accountId": "ann"}, Looked.NOT_DONE),
        ("default", {"accountId": "ann"}, Looked.NOT_DONE),
    ],
)
def test_look_at_the_assignee(
    world: World, to: str, assignee: dict[str, str] | None, expected: Looked
) -> None:
    world.fields["assignee"] = assignee
    act = AssignIssue(to=to).plan(world.context)

    assert AssignIssue(to=to).look(world.context, act) is expected


def test_label(world: World) -> None:
    planned = AddLabel(label="by-{{ transition.name }}").plan(world.context)

    assert (planned.method, planned.path) == ("PUT", ISSUE)
    assert planned.body == {"update": {"labels": [{"add": "by-Ship"}]}}
    assert AddLabel(label="x").describe() == "add the label “x”"


@pytest.mark.parametrize("label", ["{{ issue.summary }}", "{{ issue.empty_one }}"])
def test_what_is_no_label_is_an_error_that_does_not_quote_it(
    world: World, label: str
) -> None:
    world.fields["empty_one"] = " "

    with pytest.raises(StepError, match="makes no label") as caught:
        AddLabel(label=label).plan(world.context)

    assert "Ship it" not in str(caught.value)


@pytest.mark.parametrize(
    ("label", "expected"), [("release", Looked.DONE), ("new", Looked.NOT_DONE)]
)
def test_look_at_the_labels(world: World, label: str, expected: Looked) -> None:
    step = AddLabel(label=label)

    assert step.look(world.context, step.plan(world.context)) is expected


def test_property_texts_are_rendered_each_in_its_place(world: World) -> None:
    world.fields["summary"] = '", "admin": true, "x": "'
    value: Any = {
        "s": "{{ issue.summary }}",
        "list": ["{{ issue.key }}", 1, None, True],
    }

    planned = SetProperty(key="deploy", value=value).plan(world.context)

    assert (planned.method, planned.path) == ("PUT", PROPERTY)
    assert planned.body == {
        "s": world.fields["summary"],
        "list": ["DEMO-1", 1, None, True],
    }


@pytest.mark.parametrize("key", ["run", "A", "a b", "", "../x", "x" * 101])
def test_t6_only_properties_under_our_prefix_and_never_our_mark(key: str) -> None:
    with pytest.raises(ValidationError):
        SetProperty(key=key, value=1)


def test_a_property_larger_than_jira_takes_is_an_error(world: World) -> None:
    world.fields["long"] = "x" * 20_000

    with pytest.raises(StepError, match="32768"):
        SetProperty(key="x", value=["{{ issue.long }}"] * 2).plan(world.context)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, Looked.NOT_DONE),
        ({"key": "countersign.deploy", "value": {"a": "DEMO-1"}}, Looked.DONE),
        ({"key": "countersign.deploy", "value": {"a": "DEMO-2"}}, Looked.NOT_DONE),
    ],
)
def test_look_at_the_property(
    world: World, answer: dict[str, Any] | None, expected: Looked
) -> None:
    world.answer("GET", PROPERTY, answer)
    step = SetProperty(key="deploy", value={"a": "{{ issue.key }}"})

    assert step.look(world.context, step.plan(world.context)) is expected


def test_a_look_that_jira_does_not_answer_decides_nothing(world: World) -> None:
    world.answer("GET", PROPERTY, Response(status=503))
    step = SetProperty(key="deploy", value=1)

    with pytest.raises(JiraError):
        step.look(world.context, step.plan(world.context))
    assert step.describe() == "set the issue property “countersign.deploy”"
