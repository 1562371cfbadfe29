"""Rules nobody thought of: each is one, or says why not, and never anything else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import rules
from app.rules import InvalidRuleError
from app.steps import STEPS

Data = dict[str, Any]

STEP = st.sampled_from(
    [
        {"do": "add-comment", "body": "Ünï **{{ issue.key }}**", "internal": True},
        {"do": "add-comment", "body": "x", "internal": False},
        {"do": "set-field", "field": "labels", "value": ["a", "{{ issue.key }}"]},
        {"do": "set-field", "field": "summary", "value": ""},
        {"do": "create-issue", "issuetype": "T", "summary": "s", "labels": ["x"]},
        {"do": "link-issue", "type": "b", "target": "A-1", "direction": "outward"},
        {"do": "set-property", "key": "x", "value": {"b": [1, None, 1.5], "a": "x"}},
    ]
)
ROW = st.sampled_from(
    [
        {"field": "a", "op": "is-empty", "value": None},
        {"field": "a", "op": "equals", "value": 1},
        {"field": "a", "op": "less", "value": 1.5},
        {"field": "a", "op": "matches", "value": "a+"},
    ]
)
RULES = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "id": st.just("r_1"),
        "name": st.text("aü “x", min_size=1).filter(lambda name: name.strip()),
        "steps": st.lists(STEP, min_size=1, max_size=5),
    },
    optional={
        "when": st.fixed_dictionaries({}, optional={"all": st.lists(ROW, max_size=3)}),
        "on_success": st.sampled_from([None, {"transition": "x"}]),
        "on_failure": st.sampled_from(
            [{"mode": "report"}, {"mode": "compensate", "transition": "x"}]
        ),
    },
)


@settings(deadline=None)
@given(RULES)
def test_canonical_is_stable_and_says_the_same(data: Data) -> None:
    rule = rules.parse(json.dumps(data))
    text = rules.canonical(rule)

    assert rules.parse(text) == rule
    assert rules.canonical(rules.parse(text)) == text
    assert rules.rule_hash(json.dumps(json.loads(text), indent=2)) == rules.rule_hash(
        text
    )
    assert rules.describe(rule)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=10,
)
ALMOST = st.fixed_dictionaries(
    {},
    optional={
        "v": st.just(1) | JSON,
        "id": st.just("r_1") | JSON,
        "name": st.just("n") | JSON,
        "when": st.fixed_dictionaries(
            {"all": st.lists(ROW | JSON, max_size=3) | JSON}, optional={"any": JSON}
        )
        | JSON,
        "steps": st.lists(
            STEP
            | JSON
            | st.fixed_dictionaries(
                {"do": st.sampled_from(sorted(STEPS))},
                optional={
                    name: JSON
                    for step in STEPS.values()
                    for name in step.model_fields
                    if name != "do"
                },
            ),
            max_size=4,
        )
        | JSON,
        "on_failure": JSON | st.fixed_dictionaries({"mode": st.just("report") | JSON}),
        "on_success": JSON,
    },
)


@settings(deadline=None)
@given(ALMOST | JSON)
def test_whatever_the_json_it_is_a_rule_or_says_why_not(data: object) -> None:
    try:
        rules.parse(json.dumps(data))
    except InvalidRuleError as error:
        assert error.problems  # noqa: PT017 -- it may also be a rule


@settings(deadline=None)
@given(st.text())
def test_whatever_the_text_it_is_a_rule_or_says_why_not(text: str) -> None:
    with pytest.raises(InvalidRuleError):
        rules.parse(text)
    assert len(rules.rule_hash(text)) == 64
