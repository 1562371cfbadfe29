"""Rows of field, operator and value: what holds, and what cannot be decided."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from app.jira import Issue
from app.rules.conditions import ConditionError, Row, When, holds, misfit

DOCUMENT = {
    "type": "doc",
    "content": [
        {"type": "paragraph", "content": [{"type": "text", "text": "Ready to SHIP"}]}
    ],
}
FIELDS: dict[str, Any] = {
    "summary": "Ship the Straße",
    "labels": ["Release", "no-deploy"],
    "components": [{"id": "7", "name": "Web"}],
    "priority": {"id": "2", "name": "High"},
    "assignee": {"accountId": "5b10", "displayName": "Ann"},
    "select": {"id": "1", "value": "Red"},
    "description": DOCUMENT,
    "blank_document": {"type": "doc", "content": []},
    "points": 5.0,
    "flag": True,
    "due": "2026-01-31",
    "created": "2026-01-31T10:00:00.000+0000",
    "nothing": None,
    "blank": "  ",
    "none_of_them": [],
}


def issue(fields: dict[str, Any] = FIELDS) -> Issue:
    return Issue(id="1", key="DEMO-1", fields=fields, changes=(), properties={})


def row(field: str, op: str, value: object = None) -> Row:
    return Row.model_validate({"field": field, "op": op, "value": value})


YES, NO = row("labels", "is-not-empty"), row("labels", "is-empty")


def judge(field: str, op: str, value: object = None) -> bool:
    return holds(When(all=(row(field, op, value),)), issue())


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("summary", "equals", "ship the strasse", True),
        ("summary", "equals", "ship", False),
        ("summary", "contains", "THE", True),
        ("labels", "equals", "release", True),
        ("labels", "contains", "release", True),
        ("labels", "contains", "deploy", False),
        ("components", "contains", "web", True),
        ("components", "equals", "7", True),
        ("priority", "equals", "high", True),
        ("priority", "equals", 2, True),
        ("priority", "contains", "ig", True),
        ("assignee", "equals", "Ann", True),
        ("assignee", "equals", "5b10", True),
        ("select", "equals", "red", True),
        ("description", "contains", "to ship", True),
        ("points", "equals", 5, True),
        ("points", "equals", "5.0", False),
        ("flag", "equals", "true", True),
        ("nothing", "equals", "x", False),
        ("nothing", "contains", "x", False),
    ],
)
def test_equals_and_contains_and_their_opposites(
    field: str, op: str, value: object, *, expected: bool
) -> None:
    assert judge(field, op, value) is expected
    assert judge(field, f"not-{op}", value) is not expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("nothing", True),
        ("blank", True),
        ("none_of_them", True),
        ("blank_document", True),
        ("description", False),
        ("labels", False),
        ("priority", False),
        ("points", False),
    ],
)
def test_is_empty(field: str, *, expected: bool) -> None:
    assert judge(field, "is-empty") is expected
    assert judge(field, "is-not-empty") is not expected


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("points", "greater", 4, True),
        ("points", "greater", "4.5", True),
        ("points", "greater", 5, False),
        ("points", "less", 5.5, True),
        ("due", "greater", "2026-01-30", True),
        ("due", "less", "2026-01-31", False),
        ("due", "less", "2026-02-01T00:00:00Z", True),
        ("created", "greater", "2026-01-31", False),
        ("created", "greater", "2026-01-31T09:59:59Z", True),
        ("created", "less", "2026-01-31T10:00:00+01:00", False),
    ],
)
def test_greater_and_less(
    field: str, op: str, value: object, *, expected: bool
) -> None:
    assert judge(field, op, value) is expected


@pytest.mark.parametrize(
    ("field", "pattern", "expected"),
    [
        ("summary", "^Ship", True),
        ("summary", "^ship", False),
        ("summary", "(?i)^ship", True),
        ("labels", "^no-", True),
        ("priority", "^High$", True),
        ("nothing", ".*", False),
    ],
)
def test_matches(field: str, pattern: str, *, expected: bool) -> None:
    assert judge(field, "matches", pattern) is expected


def test_a_pattern_takes_linear_time() -> None:
    """Attack: `(a+)+$` on a reporter's text, which other engines never finish."""
    fields = {"summary": "a" * 32_000 + "b"}
    began = time.process_time()

    held = holds(When(all=(row("summary", "matches", "(a+)+$"),)), issue(fields))

    assert not held
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("no_such_field", "equals", "x"),
        ("no_such_field", "is-empty", None),
        ("summary", "greater", "2026-01-31"),
        ("summary", "less", 5),
        ("points", "greater", "2026-01-31"),
        ("nothing", "greater", 5),
        ("priority", "less", 5),
        ("flag", "greater", 0),
        ("due", "greater", 5),
        ("due", "greater", "5.5"),
    ],
)
def test_what_cannot_be_decided_is_an_error_that_names_the_row(
    field: str, op: str, value: object
) -> None:
    with pytest.raises(ConditionError, match=f"{field} {op}"):
        judge(field, op, value)


@pytest.mark.parametrize("field", ["nothing", "blank", "none_of_them"])
@pytest.mark.parametrize("value", [5, "2026-01-31"])
def test_greater_and_less_on_an_empty_field_say_that_it_is_empty(
    field: str, value: object
) -> None:
    with pytest.raises(ConditionError, match=r"cannot be decided: the field is empty$"):
        judge(field, "greater", value)


@pytest.mark.parametrize(
    ("kind", "op", "value", "said"),
    [
        ("date", "equals", "tomorrow", "a date is 2026-01-31"),
        ("datetime", "not-equals", "tomorrow", "a date is 2026-01-31"),
        ("date", "greater", "5", "a date is 2026-01-31"),
        ("number", "equals", "many", "the field is a number"),
        ("number", "less", "2026-01-31", "the field is a number"),
        ("array", "greater", "5", "neither a number nor a date"),
        ("priority", "less", "5", "neither a number nor a date"),
    ],
)
def test_misfit_says_why_a_row_could_never_hold(
    kind: str, op: str, value: str, said: str
) -> None:
    assert said in str(misfit(row("x", op, value), kind))


@pytest.mark.parametrize(
    ("kind", "op", "value"),
    [
        ("date", "equals", "2026-01-31"),
        ("datetime", "less", "2026-01-31T10:00:00Z"),
        ("date", "contains", "2026"),
        ("date", "is-empty", None),
        ("number", "equals", 5),
        ("number", "greater", "5.5"),
        ("string", "greater", "2026-01-31"),
        ("any", "less", "5"),
        ("array", "equals", "release"),
        ("priority", "matches", "^H"),
    ],
)
def test_no_misfit_where_a_row_may_hold(kind: str, op: str, value: object) -> None:
    assert misfit(row("x", op, value), kind) is None


def test_a_broken_row_is_an_error_also_where_others_decide() -> None:
    """A row that errors on the day it matters is worse than one that errors today."""
    no, broken = row("summary", "equals", "x"), row("gone", "is-empty")

    for when in (
        When(all=(no, broken)),
        When(any=(row("labels", "is-not-empty"), broken)),
    ):
        with pytest.raises(ConditionError, match="gone"):
            holds(when, issue())


def test_t15_an_error_never_quotes_the_field() -> None:
    with pytest.raises(ConditionError) as caught:
        judge("summary", "less", 5)

    assert "Straße" not in str(caught.value)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (When(), True),
        (When(all=(YES, YES)), True),
        (When(all=(YES, NO)), False),
        (When(any=(NO, YES)), True),
        (When(any=(NO, NO)), False),
        (When(none=(NO, NO)), True),
        (When(none=(NO, YES)), False),
        (When(all=(YES,), any=(NO, YES), none=(NO,)), True),
        (When(all=(NO,), any=(YES,)), False),
        (When(any=(YES,), none=(YES,)), False),
    ],
)
def test_all_any_none(when: When, *, expected: bool) -> None:
    assert holds(when, issue()) is expected


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"field": "a", "op": "equals"}, "value"),
        ({"field": "a", "op": "equals", "value": ""}, "value"),
        ({"field": "a", "op": "equals", "value": True}, "value"),
        ({"field": "a", "op": "equals", "value": ["x"]}, "value"),
        ({"field": "a", "op": "is-empty", "value": "x"}, "value"),
        ({"field": "a", "op": "matches", "value": "("}, "value"),
        ({"field": "a", "op": "matches", "value": "(?=a)"}, "value"),
        ({"field": "a", "op": "matches", "value": 5}, "value"),
        ({"field": "a", "op": "matches", "value": "a" * 501}, "value"),
        ({"field": "a", "op": "matches", "value": "((a{100}){100}){100}"}, "value"),
        ({"field": "a", "op": "greater", "value": "soon"}, "value"),
        ({"field": "a", "op": "less", "value": "2026-01-31T10:00:00"}, "value"),
        ({"field": "a", "op": "is", "value": "x"}, "op"),
        ({"field": "a b", "op": "equals", "value": "x"}, "field"),
        ({"field": "a", "op": "is-empty", "not": True}, "not"),
    ],
)
def test_a_wrong_row_is_refused_by_name_when_saved(
    data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Row.model_validate(data)

    assert caught.value.errors()[0]["loc"] == (key,)
