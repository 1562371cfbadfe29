"""The rule editor and the rule's view: what they check, show and say."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from app import rules, templating
from app.http import Response
from app.web import bodies
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock
from tests.functional.opening import CHECK, EDITOR, NEW, VIEW, post, text

NASTY = "<script>alert('x')</script>\"'&"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def test_check_returns_what_jira_is_to_store(caller: Caller) -> None:
    answer = post(caller, CHECK, {"rule": NEW})

    assert answer.status == 200
    checked = json.loads(answer.body)
    assert checked["value"] == rules.canonical(rules.parse(json.dumps(NEW)))
    assert checked["summary"] == "It will add a comment. If that fails, it comments."


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": ""}, "name"),
        ({"mood": "good"}, "mood"),
        ({"steps": []}, "steps"),
        ({"steps": [{"do": "teleport"}]}, "steps[0].do"),
        ({"steps": [{"do": "add-comment", "body": "{{ secret }}"}]}, "steps[0].body"),
        ({"on_failure": {"mode": "compensate"}}, "on_failure.transition"),
        ({"when": {"all": [{"field": "x", "op": "like"}]}}, "when.all[0].op"),
    ],
)
def test_check_names_the_key_at_fault(
    caller: Caller, changes: dict[str, Any], key: str
) -> None:
    answer = post(caller, CHECK, {"rule": NEW | changes})

    assert answer.status == 422
    assert key in {p["key"] for p in json.loads(answer.body)["problems"]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHECK, {}, 422),
        (CHECK, {"rule": "text"}, 422),
        (CHECK, ["rule"], 400),
        (EDITOR, {}, 400),
        (EDITOR, {"value": 7}, 400),
        (VIEW, {"value": "x" * 100_001}, 400),
    ],
)
def test_malformed_question_is_the_callers_fault(
    caller: Caller, path: str, body: object, status: int
) -> None:
    assert post(caller, path, body).status == status


@pytest.mark.parametrize("levels", [bodies.DEEP, bodies.DEEP + 1, 900, 3000])
def test_check_survives_deep_nesting(caller: Caller, levels: int) -> None:
    body = b'{"rule": ' + b"[" * levels + b"]" * levels + b"}"

    answer = caller.send("POST", CHECK, token=caller.context(), body=body)

    assert answer.status == (422 if levels <= bodies.DEEP else 400)


def test_new_rule_gets_an_id_of_its_own(caller: Caller) -> None:
    found = {_rule_id(post(caller, EDITOR, {"value": ""})) for _ in range(2)}

    assert len(found) == 2
    assert all(re.fullmatch(r"r_[A-Za-z0-9]{10}", rule_id) for rule_id in found)


def _rule_id(answer: Response) -> str:
    found = re.search(r'data-rule-id="([^"]*)"', text(answer))
    assert found
    return found[1]


def test_editor_is_filled_with_the_stored_rule(caller: Caller) -> None:
    stored = rule(
        {"do": "add-comment", "body": "Hello {{ issue.key }}", "internal": True},
        {"do": "set-field", "field": "labels", "value": ["one", "two"]},
        {"do": "set-property", "key": "state", "value": {"done": True}},
        {"do": "set-property", "key": "word", "value": "7"},
        {"do": "set-property", "key": "words", "value": "just words"},
        {"do": "create-issue", "issuetype": "Task", "summary": "S", "labels": ["a"]},
        id="r_kept",
        when={"none": [{"field": "labels", "op": "contains", "value": "wip"}]},
        on_failure={"mode": "compensate", "transition": "Back", "comment": True},
    )

    page = text(post(caller, EDITOR, {"value": stored}))

    assert 'data-rule-id="r_kept"' in page
    assert "The stored rule is broken" not in page
    assert "Hello {{ issue.key }}</textarea>" in page
    assert "[&#34;one&#34;, &#34;two&#34;]" in page
    assert "{&#34;done&#34;: true}</textarea>" in page
    assert "&#34;7&#34;</textarea>" in page  # stays text when read back as JSON
    assert "\njust words</textarea>" in page
    assert 'value="wip"' in page
    assert 'value="Back"' in page


def test_editor_suggests_what_a_step_names(caller: Caller) -> None:
    page = text(post(caller, EDITOR, {"value": ""}))

    assert 'list="for-assign-issue-to"' in page
    assert '<datalist id="for-assign-issue-to">' in page
    assert '<option value="reporter">' in page


def test_editor_says_what_is_wrong_with_a_broken_rule_and_keeps_the_rest(
    caller: Caller,
) -> None:
    stored = json.dumps(
        {"v": 9, "name": "Old", "steps": [{"do": "teleport"}, {"do": "add-label"}]}
    )

    page = text(post(caller, EDITOR, {"value": stored}))

    assert "The stored rule is broken" in page
    for key in ("v", "id", "steps[0].do", "steps[1].label"):
        assert f"<code>{key}</code>" in page
    assert "teleport&#34;}" in page  # the raw text, in its box
    assert 'value="Old"' in page
    assert page.count('<li class="step card" data-step="add-label"') == 2  # + template


@pytest.mark.parametrize(
    "stored",
    [
        "not JSON",
        "[]",
        "[" * 9000,
        '{"name": ' + "[" * 900 + "]" * 900 + "}",
        r'{"name": "half a \ud83d character", "name": 2}',
        r'{"name": "half a \ud83d character"}',
        '{"steps": 3, "when": [], "on_failure": "x", "id": {}}',
        '{"when": {"all": [4, {"op": [], "field": 1}]}, "steps": [{"do": []}, null]}',
        '{"steps": [{"do": "create-issue", "labels": 3, "description": {}}]}',
    ],
)
def test_editor_shows_whatever_is_stored(caller: Caller, stored: str) -> None:
    answer = post(caller, EDITOR, {"value": stored})

    assert answer.status == 200
    assert "The stored rule is broken" in text(answer)
    assert 'value="[[' not in text(answer)


def test_t15_nothing_of_a_rule_becomes_markup(caller: Caller) -> None:
    stored = rule(
        {"do": "add-comment", "body": NASTY},
        {"do": "transition-issue", "transition": NASTY},
        name=NASTY,
        when={"any": [{"field": "summary", "op": "equals", "value": NASTY}]},
        on_success={"transition": NASTY},
    )
    for path in (EDITOR, VIEW):
        for value in (stored, stored.replace('"v": 1', '"v": 2'), NASTY):
            page = text(post(caller, path, {"value": value}))
            assert "<script" not in page
            assert "alert(&#39;x&#39;)" in page


def test_view_says_in_one_sentence_what_the_rule_does(caller: Caller) -> None:
    stored = rule(
        {"do": "add-label", "label": "done"}, on_success={"transition": "Deploy"}
    )

    page = text(post(caller, VIEW, {"value": stored}))

    assert "It will add the label “done”, then move the issue by “Deploy”." in page
    assert "<h1>Test rule</h1>" in page


def test_view_of_a_broken_rule_names_the_key(caller: Caller) -> None:
    page = text(post(caller, VIEW, {"value": rule({"do": "teleport"})}))

    assert "This rule is broken" in page
    assert "<code>steps[0].do</code>" in page


def test_view_of_a_rule_that_was_never_saved_says_so(caller: Caller) -> None:
    assert "has not been saved yet" in text(post(caller, VIEW, {"value": ""}))


def test_view_shows_what_was_written_into_each_step(caller: Caller) -> None:
    long = "word " * 100 + "the end"
    stored = rule(
        {"do": "add-comment", "body": long},
        {"do": "set-field", "field": "summary", "value": ""},
        {"do": "set-property", "key": "state", "value": {"done": [1]}},
        {"do": "create-issue", "issuetype": "X", "summary": "S", "subtask": True},
    )

    page = re.sub(r"\s+", " ", text(post(caller, VIEW, {"value": stored})))

    assert "<dt>Comment</dt> <dd><details> <summary>word word" in page
    assert " …</summary> <pre>" + long + "</pre>" in page
    assert "<dt>Field</dt> <dd>summary</dd> <dt>Value</dt> <dd>(empty)</dd>" in page
    assert "<dt>Value</dt> <dd>{&#34;done&#34;: [1]}</dd>" in page
    assert "<dt>Sub-task</dt> <dd>yes</dd>" in page
    assert "<dt>Description</dt>" not in page  # nothing was written there


def test_view_shows_the_conditions_whole(caller: Caller) -> None:
    value = "x" * 100
    when = {
        "all": [{"field": "summary", "op": "contains", "value": value}],
        "none": [{"field": "duedate", "op": "is-empty"}],
    }

    page = re.sub(r"\s+", " ", text(post(caller, VIEW, {"value": rule(when=when)})))

    assert "All of these hold" in page
    assert f"<li>summary contains “{value}”</li>" in page
    assert "None of these holds" in page
    assert "<li>duedate is empty</li>" in page
    assert "At least one of these holds" not in page


@pytest.mark.parametrize(
    ("step", "key", "is_starred"),
    [
        ("set-property", "key", True),
        ("set-property", "value", False),
        ("set-field", "field", True),
        ("set-field", "value", False),
        ("add-label", "label", True),
        ("create-issue", "summary", True),
        ("create-issue", "description", False),
    ],
)
def test_editor_marks_what_may_not_be_empty(
    caller: Caller, step: str, key: str, *, is_starred: bool
) -> None:
    page = text(post(caller, EDITOR, {"value": ""}))

    blank = page.partition(f'<template id="new-{step}">')[2].partition("</template>")[0]
    field = blank.partition(f'data-key="{key}"')[2].partition('class="field"')[0]
    assert ("required" in field) is is_starred


def test_text_that_only_starts_like_json_is_shown_in_quotes(caller: Caller) -> None:
    stored = rule(
        {"do": "set-property", "key": "a", "value": "[x] done"},
        {"do": "set-property", "key": "b", "value": "{{ issue.key }} done"},
    )

    page = text(post(caller, EDITOR, {"value": stored}))

    assert "\n&#34;[x] done&#34;</textarea>" in page
    assert "\n{{ issue.key }} done</textarea>" in page


def test_editor_says_what_a_missing_value_does_and_that_rules_have_no_order(
    caller: Caller,
) -> None:
    page = text(post(caller, EDITOR, {"value": ""}))

    assert "A field that is empty is filled in as nothing" in page
    assert "makes the step fail" in page
    assert "run in no fixed order" in page


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("[{{ issue.duedate }}]", "[]"),
        ("{{ issue.duedate | default: 'no date' }}", "no date"),
        ("{{ issue.customfield_99999 }}", None),
        ("{{ issue.assignee.displayName }}", None),
    ],
)
def test_what_the_help_says_of_missing_values_is_so(
    template: str, expected: str | None
) -> None:
    view = {"issue": {"duedate": None, "assignee": None}}
    try:
        rendered: str | None = templating.render(template, view)
    except templating.TemplateError:
        rendered = None

    assert rendered == expected
