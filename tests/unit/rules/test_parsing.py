"""A rule's JSON: what is one, every reason why a text is none, and its one form."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app import rules
from app.rules import InvalidRuleError, OnFailure
from app.steps import STEPS

Data = dict[str, Any]

RULE: Data = {
    "v": 1,
    "id": "r_4f2c",
    "name": "Deploy to production",
    "when": {"all": [{"field": "labels", "op": "contains", "value": "release"}]},
    "steps": [{"do": "add-comment", "body": "Deployed {{ issue.key }}"}],
    "on_success": {"transition": "Deployed"},
    "on_failure": {
        "mode": "compensate",
        "transition": "Deployment failed",
        "comment": True,
    },
}
GATE: Data = RULE | {
    "hold": {"status": "10031", "deadline": "30m"},
    "on_failure": {"mode": "gate", "transition": "Deployment failed"},
}
SMALLEST: Data = {
    "v": 1,
    "id": "r_1",
    "name": "n",
    "steps": [{"do": "assign-issue", "to": "nobody"}],
}


def problems(text: str) -> dict[str, str]:
    with pytest.raises(InvalidRuleError) as caught:
        rules.parse(text)
    found = {problem.key: problem.message for problem in caught.value.problems}
    assert found
    assert all(found.values())
    return found


def changed(**changes: object) -> str:
    return json.dumps(RULE | changes)


def test_a_rule_is_read() -> None:
    rule = rules.parse(json.dumps(RULE))

    assert (rule.id, rule.name) == ("r_4f2c", "Deploy to production")
    assert isinstance(rule.steps[0], STEPS["add-comment"])
    assert rule.on_success is not None
    assert rule.on_success.transition == "Deployed"
    assert rule.on_failure == OnFailure(
        mode="compensate", transition="Deployment failed", comment=True
    )


def test_what_is_left_out_has_a_default() -> None:
    rule = rules.parse(json.dumps(SMALLEST))

    assert rule.when == rules.When()
    assert rule.on_success is None
    assert rule.on_failure == OnFailure(mode="report")


def test_all_problems_are_named_at_once_each_by_its_key() -> None:
    found = problems(
        changed(
            v=2,
            id="x",
            name="",
            hold={"status": "In Review", "deadline": "9s", "until": 1},
            when={
                "all": [{"field": "a", "op": "is"}, {"field": "a", "op": "equals"}],
                "some": [],
            },
            steps=[
                {"do": "add-comment", "body": "{{ now }}", "shout": True},
                {"do": "launch", "rocket": 1},
                {"do": ["add-comment"]},
                {"body": "x"},
                {"do": "transition-issue"},
                {"do": "set-field", "field": "security", "value": [1]},
                "add-comment",
            ],
            on_success={"transition": ""},
            on_failure={"mode": "hold", "transition": "x"},
        )
    )

    assert set(found) == {
        "v",
        "id",
        "name",
        "hold",
        "hold.status",
        "hold.deadline",
        "hold.until",
        "when.all[0].op",
        "when.all[0].value",
        "when.all[1].value",
        "when.some",
        "steps[0].body",
        "steps[0].shout",
        "steps[1].do",
        "steps[2].do",
        "steps[3].do",
        "steps[4].transition",
        "steps[5].field",
        "steps[5].value",
        "steps[6]",
        "on_success.transition",
        "on_failure.mode",
    }
    assert found["hold.until"] == "this key is unknown"
    assert "“launch” is unknown" in found["steps[1].do"]
    assert "“hold” is unknown" in found["on_failure.mode"]
    assert found["steps[4].transition"] == "it is missing"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"v": True}, "v"),
        ({"v": 1.0}, "v"),
        ({"v": "1"}, "v"),
        ({"id": "r_"}, "id"),
        ({"id": "r_1\nx"}, "id"),
        ({"id": "r_é"}, "id"),
        ({"name": "x" * 121}, "name"),
        ({"when": None}, "when"),
        ({"when": {"any": [{"field": "a", "op": "is-empty"}] * 21}}, "when.any"),
        ({"steps": []}, "steps"),
        ({"steps": {}}, "steps"),
        ({"steps": None}, "steps"),
        ({"steps": [{"do": "assign-issue", "to": "x"}] * 21}, "steps"),
        ({"on_failure": None}, "on_failure"),
        ({"on_failure": {}}, "on_failure.mode"),
        ({"on_failure": {"mode": "compensate"}}, "on_failure.transition"),
        (
            {"on_failure": {"mode": "report", "transition": "x"}},
            "on_failure.transition",
        ),
        ({"on_failure": {"mode": "report", "comment": "yes"}}, "on_failure.comment"),
        ({"name": "a\0"}, "name"),
        ({"name": "a\ud800"}, "name"),
        ({"a\ud800": 1}, ""),
    ],
)
def test_what_is_wrong_is_named_by_its_key(changes: Data, key: str) -> None:
    assert set(problems(changed(**changes))) == {key}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": []}, "add at least one step"),
        ({"steps": [{"do": "assign-issue", "to": "x"}] * 21}, "at most 20 steps"),
        ({"on_failure": {"mode": "compensate"}}, "by which transition"),
        ({"on_failure": {"mode": "report", "transition": "x"}}, "left where it is"),
    ],
)
def test_problems_use_the_words_of_the_form(changes: Data, words: str) -> None:
    [message] = problems(changed(**changes)).values()

    assert words in message
    assert not any(code in message for code in ("compensate", "report", "list of"))


NO_JSON, OBJECT = "it is no JSON from line 1, column {} on", "a rule is a JSON object"
DEEP = "it is nested too deeply"
TOO_LONG = (
    "Exceeds the limit (4300 digits) for integer string conversion: value has 5000"
    " digits"
)
"""Python's own words."""


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("", "", "nothing was ever saved: open it in the workflow editor and save it"),
        (
            " \n",
            "",
            "nothing was ever saved: open it in the workflow editor and save it",
        ),
        ("null", "", OBJECT),
        ("[]", "", OBJECT),
        ("1", "", OBJECT),
        ("{", "", NO_JSON.format(2)),
        ("{} {}", "", NO_JSON.format(4)),
        ("NaN", "", "NaN is no JSON"),
        ('{"v": Infinity}', "", "Infinity is no JSON"),
        ('{"v": 1e999}', "", "1e999 is too large a number"),
        ('{"v": 1' + "0" * 400 + ".0}", "", f"1{'0' * 19} is too large a number"),
        ('{"v": 1, "v": 1}', "", "the key “v” stands twice in one object"),
        (
            f'{{"{"v" * 90}": 1, "{"v" * 90}": 1}}',
            "",
            f"the key “{'v' * 80}” stands twice in one object",
        ),
        (
            '{"v": ' + "9" * 5000 + "}",
            "",
            TOO_LONG,
        ),
        ("[" * 8000, "", DEEP),
        ('{"a":' * 1000 + "1" + "}" * 1000, "", DEEP),
        ('{"a":' * 40 + "1" + "}" * 40, "a.a.a", DEEP),
        ('{"a":[' + "[" * 40 + "]" * 40 + "]}", "a[0][0]", DEEP),
        ('{"a":' * 33 + "1" + "}" * 33, "a.a.a", DEEP),
        ("\ufeff{}", "", NO_JSON.format(1)),
        (json.dumps(RULE) + " " * 8192, "", "a rule has at most 8192 bytes"),
        ("\ud800", "", NO_JSON.format(1)),
        ('{"a": ["\\u0000"]}', "a[0]", "it holds a character that is no text"),
        ('{"a": "\\udfff"}', "a", "it holds a character that is no text"),
        ('{"a": {"\\ud800": 1}}', "a", "a key holds a character that is no text"),
    ],
    ids=range(25),
)
def test_what_is_no_usable_json_is_refused_without_a_traceback(
    text: str, key: str, words: str
) -> None:
    assert problems(text) == {key: words}


def test_limits_are_what_is_still_taken() -> None:
    text = json.dumps(RULE)
    rules.parse(text + " " * (8192 - len(text)))
    assert len(rules.parse(changed(steps=SMALLEST["steps"] * 20)).steps) == 20

    deep: Any = 1
    for _ in range(31):
        deep = {"a": deep}
    assert problems(changed(deep=deep)) == {"deep": "this key is unknown"}


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"v": 2}, "v", "this app knows version 1 only"),
        ({"name": ""}, "name", "it is empty"),
        ({"name": " "}, "name", "it is empty"),
        ({"id": ""}, "id", "it is empty"),
        ({"id": "x"}, "id", "it is not of the kind that the help under the field"),
        ({"when": 1}, "when", "it must be an object"),
        ({"on_failure": {"mode": 7}}, "on_failure.mode", "this is unknown; known: rep"),
        (
            {"on_failure": {"mode": "x" * 50}},
            "on_failure.mode",
            f"“{'x' * 40}” is unknown; known: report, compensate or gate",
        ),
        ({"steps": [1]}, "steps[0]", "a step is an object"),
        ({"steps": [{}]}, "steps[0].do", "it is missing; a step does one of add-co"),
        ({"steps": [{"do": 7}]}, "steps[0].do", "this is unknown; a step does one of"),
        (
            {"steps": [{"do": "y" * 50}]},
            "steps[0].do",
            f"“{'y' * 40}” is unknown; a step does one of {', '.join(STEPS)}",
        ),
        (
            {"when": {"all": [{"field": "a", "op": "is", "value": "x"}]}},
            "when.all[0].op",
            "“is” is unknown; known: equals, not-equals, ",
        ),
        ({"z" * 90: 1}, "z" * 80, "this key is unknown"),
    ],
)
def test_problem_says_what_is_wrong(changes: Data, key: str, words: str) -> None:
    [(found, message)] = problems(changed(**changes)).items()

    assert found == key
    assert message.startswith(words)


def test_the_error_says_everything_in_one_line() -> None:
    with pytest.raises(InvalidRuleError, match="v: this app knows version 1 only"):
        rules.parse(changed(v=2))
    both = "v: this app knows version 1 only; name: it is empty"
    with pytest.raises(InvalidRuleError, match=both):
        rules.parse(changed(v=2, name=""))
    with pytest.raises(InvalidRuleError, match=r"^a rule is a JSON object$"):
        rules.parse("[]")


def test_canonical_is_compact_and_leaves_defaults_out() -> None:
    text = json.dumps(SMALLEST | {"when": {}, "on_failure": {"mode": "report"}})

    assert rules.canonical(rules.parse(text)) == (
        '{"id":"r_1","name":"n","steps":[{"do":"assign-issue","to":"nobody"}],"v":1}'
    )


def test_canonical_leaves_a_steps_defaults_out_and_letters_as_they_are() -> None:
    deliver = {
        "do": "deliver",
        "destination": f"d_{'0' * 32}",
        "wait": "",
        "inputs": {},
    }
    text = json.dumps(SMALLEST | {"name": "Größe", "steps": [deliver]})

    written = rules.canonical(rules.parse(text))

    assert written == (
        f'{{"id":"r_1","name":"Größe","steps":[{{"destination":"d_{"0" * 32}",'
        '"do":"deliver"}],"v":1}'
    )


def test_numbers_are_read_as_they_are() -> None:
    assert rules.read_json("[1.5, 2, -0.25e1]") == [1.5, 2, -2.5]


def test_rule_that_was_never_saved_has_one_hash() -> None:
    for text in ("{}", " {}\n"):
        assert rules.rule_hash(text) == rules.rule_hash("")
    assert rules.rule_hash("") != rules.rule_hash("[]")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":2}', '{ "b": 2,\n "a": 1 }', True),
        ('"\\u00e9"', '"é"', True),
        ('{"a":1}', '{"a":2}', False),
        ('{"a":1}', '{"a":"1"}', False),
        ('{"a":1}', '{"a":true}', False),
        ('{"a":1}', '{"a":1.0}', False),
        ('{"a":1}', '{"a":1,"a":1}', False),
        ("not json", "not  json", False),
    ],
)
def test_t1_one_rule_has_one_hash(one: str, other: str, *, same: bool) -> None:
    assert (rules.rule_hash(one) == rules.rule_hash(other)) is same


@pytest.mark.parametrize("text", ["", "[" * 9000, "\ud800", "9" * 5000, "NaN"])
def test_every_text_has_a_hash(text: str) -> None:
    assert len(rules.rule_hash(text)) == 64


def test_a_rule_larger_than_we_take_is_still_known_by_its_content() -> None:
    long = {"x": "y" * 9000}

    assert rules.rule_hash(json.dumps(long)) == rules.rule_hash(
        json.dumps(long, indent=1)
    )


def test_gate_is_read() -> None:
    rule = rules.parse(json.dumps(GATE))

    assert rule.hold is not None
    assert (rule.hold.status, rule.hold.wait) == ("10031", timedelta(minutes=30))
    assert json.loads(rules.canonical(rule))["hold"] == GATE["hold"]


@pytest.mark.parametrize(
    ("deadline", "wait"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("4h", timedelta(hours=4)),
        ("2d", timedelta(days=2)),
        ("7d", timedelta(days=7)),
        ("168h", timedelta(days=7)),
    ],
)
def test_deadline_is_minutes_hours_or_days(deadline: str, wait: timedelta) -> None:
    hold = GATE["hold"] | {"deadline": deadline}

    parsed = rules.parse(json.dumps(GATE | {"hold": hold})).hold

    assert parsed is not None
    assert parsed.wait == wait


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"hold": None}, {"hold.status"}),
        ({"on_success": None}, {"on_success.transition"}),
        ({"hold": None, "on_success": None}, {"hold.status", "on_success.transition"}),
        ({"on_failure": {"mode": "gate"}}, {"on_failure.transition"}),
        ({"on_failure": {"mode": "report"}}, {"hold"}),
        ({"hold": {"status": "10031"}}, {"hold.deadline"}),
        ({"hold": {"status": "", "deadline": "30m"}}, {"hold.status"}),
        ({"hold": {"status": "Held", "deadline": "30m"}}, {"hold.status"}),
        ({"hold": {"status": 10031, "deadline": "30m"}}, {"hold.status"}),
        ({"hold": {"status": "\u0661\u0660", "deadline": "30m"}}, {"hold.status"}),
        *(
            ({"hold": {"status": "1", "deadline": deadline}}, {"hold.deadline"})
            for deadline in (
                "",
                "30",
                "m",
                "29s",
                "8d",
                "0m",
                "1w",
                "\u0663\u0660m",
                "1.5h",
                30,
            )
        ),
    ],
)
def test_what_a_gate_lacks_is_named_by_its_key(changes: Data, found: set[str]) -> None:
    kept = {key: value for key, value in (GATE | changes).items() if value is not None}

    assert set(problems(json.dumps(kept))) == found


@pytest.mark.parametrize(
    ("wait", "found"),
    [
        (None, {}),
        ("30m", {}),
        (
            "31m",
            {"steps[1].wait": "the issue is held for 30 minutes only: wait no longer"},
        ),
    ],
)
def test_no_answer_is_awaited_longer_than_the_issue_is_held(
    wait: str | None, found: dict[str, str]
) -> None:
    deliver = {"do": "deliver", "destination": f"d_{'0' * 32}", "wait": wait}
    text = json.dumps(GATE | {"steps": [*RULE["steps"], deliver]})

    if found:
        assert problems(text) == found
    else:
        assert len(rules.parse(text).steps) == 2
    rules.parse(json.dumps(SMALLEST | {"steps": [deliver]}))
