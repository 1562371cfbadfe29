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


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


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
    "year_one": "0001-01-01T00:00:00+23:00",
    "nested": nested(5000),
    "zoneless": "2026-01-31T10:00:00",
    "parent": {"key": "DEMO-2", "fields": {"name": "x"}, "id": None},
    "pair": ("one", {"value": "two"}),
    "spaces": DOCUMENT | {"content": [{"type": "text", "text": "  "}]},
    "no_pair": (),
    "no_members": {},
    "huge": 10**5000,
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
        ("parent", "equals", "demo-2", True),
        ("parent", "equals", "x", False),
        ("parent", "equals", "none", False),
        ("pair", "contains", "TWO", True),
        ("pair", "contains", "tw", False),
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
        ("spaces", True),
        ("no_pair", True),
        ("no_members", True),
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
        ("parent", "^$", False),
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


NO_FIELD, NO_NUMBER = "the issue has no such field", "the field is not a number"
NEITHER = "the field is neither a number nor a date"
A_DATE = "a date is 2026-01-31 or 2026-01-31T10:00:00Z"


@pytest.mark.parametrize(
    ("field", "op", "value", "why"),
    [
        ("no_such_field", "equals", "x", NO_FIELD),
        ("no_such_field", "is-empty", None, NO_FIELD),
        ("summary", "greater", "2026-01-31", A_DATE),
        ("summary", "less", 5, NO_NUMBER),
        ("points", "greater", "2026-01-31", "the field is a number, the value is not"),
        ("nothing", "greater", 5, "the field is empty"),
        ("priority", "less", 5, NEITHER),
        ("flag", "greater", 0, NEITHER),
        ("due", "greater", 5, NO_NUMBER),
        ("due", "greater", "5.5", A_DATE),
        ("year_one", "less", "2026-01-31", "the field's value cannot be judged"),
        ("nested", "equals", "x", "the field's value cannot be judged"),
        ("huge", "equals", "x", "the field's value cannot be judged"),
        ("zoneless", "less", "2026-01-31", "a time needs its zone, as in"),
    ],
)
def test_what_cannot_be_decided_is_an_error_that_names_the_row(
    field: str, op: str, value: object, why: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        judge(field, op, value)

    words = f"the condition “{field} {op}” cannot be decided: {why}"
    assert str(caught.value).startswith(words)


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


WRONG, LONG = "the pattern is wrong: ", "the pattern is longer than 500 characters"


@pytest.mark.parametrize(
    ("op", "value", "words"),
    [
        ("equals", None, "“equals” needs a value"),
        ("equals", "", "“equals” needs a value"),
        ("equals", True, "a value is text or a number"),
        ("equals", ["x"], "a value is text or a number"),
        ("is-empty", "x", "“is-empty” takes no value"),
        ("is-not-empty", 0, "“is-not-empty” takes no value"),
        ("matches", "(", f"{WRONG}missing ): ("),
        ("matches", "(?=a)", f"{WRONG}invalid perl operator: (?="),
        ("matches", 5, "a pattern is text"),
        ("matches", "a" * 501, LONG),
        ("matches", "((a{100}){100}){100}", WRONG),
        ("matches", r"\pL{100}", f"{WRONG}pattern too large - compile failed"),
        ("greater", "soon", A_DATE),
        ("less", "soon", A_DATE),
        ("less", "2026-01-31T10:00:00", "a time needs its zone, as in"),
    ],
)
def test_a_wrong_value_is_refused_when_saved(
    op: str, value: object, words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        row("a", op, value)

    [error] = caught.value.errors()
    assert error["loc"] == ("value",)
    assert error["msg"].startswith(f"Value error, {words}")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"field": "a", "op": "is", "value": "x"}, ["op"]),
        ({"field": "a", "op": "is"}, ["op", "value"]),
        ({"field": "a b", "op": "equals", "value": "x"}, ["field"]),
        ({"field": "a", "op": "is-empty", "not": True}, ["not"]),
    ],
)
def test_a_wrong_row_is_refused_by_name_when_saved(
    data: dict[str, Any], keys: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        Row.model_validate(data)

    errors = caught.value.errors()
    assert [error["loc"] for error in errors] == [(key,) for key in keys]
    if "value" in keys:
        assert errors[1]["msg"] == "Value error, a value is needed"


def test_t13_wrong_pattern_writes_no_line_of_its_own(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValidationError):
        row("a", "matches", "(")

    assert capfd.readouterr() == ("", "")


def test_pattern_of_the_greatest_length_is_taken() -> None:
    assert not judge("summary", "matches", "a" * 500)


@pytest.mark.parametrize(
    "kind",
    [
        *("array", "user", "group", "priority", "resolution", "option", "status"),
        *("issuetype", "project", "component", "version", "issuelink"),
    ],
)
def test_field_of_several_parts_has_no_order(kind: str) -> None:
    for op in ("greater", "less"):
        assert misfit(row("x", op, "5"), kind) == NEITHER
