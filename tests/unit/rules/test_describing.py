import json
from typing import Any

import pytest

from app import rules

RELEASE = {"field": "labels", "op": "contains", "value": "release"}
HIGH = {"field": "priority", "op": "equals", "value": "High"}
EMPTY = {"field": "duedate", "op": "is-empty"}
MOVES = {"mode": "compensate", "transition": "Deployment failed"}


def describe(**changes: Any) -> str:
    steps = [{"do": "add-comment", "body": "x"}]
    data = {"v": 1, "id": "r_1", "name": "n", "steps": steps, **changes}
    return rules.describe(rules.parse(json.dumps(data)))


def test_a_whole_rule_is_one_sentence_and_what_if_it_fails() -> None:
    described = describe(
        when={"all": [RELEASE]},
        on_success={"transition": "Deployed"},
        on_failure=MOVES | {"comment": True},
    )

    assert described == (
        "When labels contain “release”, it will add a comment, then move the issue by"
        " “Deployed”. If that fails, it comments and moves the issue by “Deployment"
        " failed”."
    )


def test_a_failure_that_nobody_would_see_on_the_issue_is_said_to_be_so() -> None:
    assert describe() == (
        "It will add a comment. If that fails, only Countersign's own page shows it."
    )


def test_other_failures() -> None:
    commented = describe(on_failure={"mode": "report", "comment": True})
    moved = describe(on_failure=MOVES)

    assert commented.endswith("If that fails, it comments.")
    assert moved.endswith("If that fails, it moves the issue by “Deployment failed”.")


def test_conditions_of_every_sort() -> None:
    when = {"all": [HIGH], "any": [RELEASE, EMPTY], "none": [HIGH, EMPTY]}

    assert describe(when=when).startswith(
        "When priority is “High” and either labels contain “release” or duedate is"
        " empty and it is not so that priority is “High” or duedate is empty, it will"
    )
    assert describe(when={"any": [HIGH]}).startswith("When priority is “High”, it will")


def test_a_long_value_is_cut() -> None:
    row = {"field": "a", "op": "less", "value": "2026-01-31"}
    long = {"field": "a", "op": "equals", "value": "x" * 99}

    described = describe(when={"all": [row, long]})

    assert f"a is less than “2026-01-31” and a is “{'x' * 59}…”" in described
    whole = {"field": "a", "op": "equals", "value": "x" * 60}
    assert f"a is “{'x' * 60}”" in describe(when={"all": [whole]})


@pytest.mark.parametrize(
    ("op", "one", "several"),
    [
        ("equals", "is “5”", "are “5”"),
        ("not-equals", "is not “5”", "are not “5”"),
        ("contains", "contains “5”", "contain “5”"),
        ("not-contains", "does not contain “5”", "do not contain “5”"),
        ("is-empty", "is empty", "are empty"),
        ("is-not-empty", "is not empty", "are not empty"),
        ("greater", "is greater than “5”", "are greater than “5”"),
        ("less", "is less than “5”", "are less than “5”"),
        ("matches", "matches “5”", "match “5”"),
    ],
)
def test_one_field_is_and_several_are(op: str, one: str, several: str) -> None:
    value = {} if "empty" in op else {"value": "5"}

    for field, words in (("summary", one), ("labels", several)):
        row = {"field": field, "op": op, **value}
        said = describe(when={"all": [row]})
        assert said.startswith(f"When {field} {words}, it will add a comment.")


@pytest.mark.parametrize(
    "field",
    ["labels", "components", "fixVersions", "versions", "subtasks", "issuelinks"],
)
def test_fields_that_are_several(field: str) -> None:
    row = {"field": field, "op": "is-empty"}

    assert f"{field} are empty" in describe(when={"all": [row]})


def test_who_knows_more_of_a_step_may_say_it() -> None:
    steps = [{"do": "add-comment", "body": "x"}]
    rule = rules.parse(json.dumps({"v": 1, "id": "r_1", "name": "n", "steps": steps}))

    said = rules.describe(rule, lambda step: f"do {step.do}")

    assert said.startswith("It will do add-comment. If")


def test_the_person_who_made_the_transition_is_named_as_such() -> None:
    described = describe(steps=[{"do": "assign-issue", "to": "actor"}])

    assert "assign the issue to the person who made the transition" in described


def test_a_gate_says_how_long_the_issue_waits() -> None:
    described = describe(
        hold={"status": "10031", "deadline": "30m"},
        on_success={"transition": "Deployed"},
        on_failure={"mode": "gate", "transition": "Deployment failed"},
    )

    assert described.endswith(
        "If that fails, it moves the issue by “Deployment failed”. The issue waits in"
        " its hold until then, at most 30 minutes."
    )


def test_one_hour_is_no_plural() -> None:
    described = describe(
        hold={"status": "1", "deadline": "1h"},
        on_success={"transition": "Deployed"},
        on_failure={"mode": "gate", "transition": "Failed"},
    )

    assert described.endswith("at most 1 hour.")
