"""The rule held against its site: names that Jira has, values that it would take."""

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import NoResultFound

from app.http import Response, SendError
from app.runtime import Runtime
from app.tenants import Tenant
from app.web import site_names
from app.web.site_names import SiteNames, Sort
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import CHECK, NEW, post

Json = dict[str, Any]
FIELD = "/rest/api/3/field"
BELOW = {"subtask": True}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def problems(caller: Caller, *steps: Json, **changes: Any) -> dict[str, str]:
    """Return what the check says of a rule, by the keys; nothing for a good one."""
    rule = NEW | ({"steps": list(steps)} if steps else {}) | changes
    answer = post(caller, CHECK, {"rule": rule})
    assert answer.status in {200, 422}
    found = json.loads(answer.body).get("problems", [])
    return {problem["key"]: problem["message"] for problem in found}


def when(field: str, op: str, value: str) -> Json:
    return {"none": [{"field": field, "op": op, "value": value}]}


@pytest.mark.parametrize(
    ("field", "nearest"),
    [
        ("lables", "; did you mean labels?"),
        ("Version", "; did you mean customfield_10010 (Version)?"),
        ("zzzzz", ""),
    ],
)
def test_unknown_field_is_named_with_the_nearest(
    caller: Caller, field: str, nearest: str
) -> None:
    said = f"this site shows us no field “{field}”{nearest}"
    step = {"do": "set-field", "field": field, "value": "x"}

    assert problems(caller, step) == {"steps[0].field": said}
    assert problems(caller, when=when(field, "equals", "x")) == {
        "when.none[0].field": said
    }


@pytest.mark.parametrize(
    ("step", "key", "words"),
    [
        ({"issuetype": "Taks"}, "issuetype", "no issue type “Taks”; did you mean Task"),
        ({"issuetype": "Task", "subtask": True}, "subtask", "“Sub-task”"),
        ({"issuetype": "Sub-task"}, "subtask", "tick this box"),
        ({"issuetype": "Task", "labels": ["two words"]}, "labels", "one word"),
    ],
)
def test_issue_that_could_not_be_created_is_a_problem(
    caller: Caller, step: Json, key: str, words: str
) -> None:
    found = problems(caller, {"do": "create-issue", "summary": "S"} | step)

    assert list(found) == [f"steps[0].{key}"]
    assert words in found[f"steps[0].{key}"]


def test_unknown_link_type_is_named_with_the_nearest(caller: Caller) -> None:
    found = problems(caller, {"do": "link-issue", "type": "Block", "target": "DEMO-2"})

    assert found == {
        "steps[0].type": (
            "this site shows us no link type “Block”; did you mean Blocks?"
        )
    }


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("duedate", "tomorrow", "a date such as 2026-01-31"),
        ("customfield_10012", "five", "a number"),
        ("labels", ["two words"], "one word"),
        ("labels", '["one", two]', "it is no JSON from line 1, column 9 on"),
        ("summary", ["one", "two"], "one value"),
        ("subtasks", "x", "its type “issuelinks” is not supported"),
    ],
)
def test_value_that_jira_would_refuse_is_a_problem(
    caller: Caller, field: str, value: object, words: str
) -> None:
    step = {"do": "set-field", "field": field, "value": value}

    found = problems(caller, step)

    assert list(found) == ["steps[0].value"]
    assert words in found["steps[0].value"]


def test_condition_that_could_never_hold_is_a_problem(caller: Caller) -> None:
    found = problems(caller, when=when("duedate", "equals", "tomorrow"))

    assert found == {
        "when.none[0].value": "a date is 2026-01-31 or 2026-01-31T10:00:00Z"
    }


def test_label_of_two_words_is_a_problem(caller: Caller) -> None:
    found = problems(caller, {"do": "add-label", "label": "two words"})

    assert found == {"steps[0].label": "a label is one word"}


def test_what_the_site_has_is_no_problem(caller: Caller) -> None:
    steps: list[Json] = [
        {"do": "set-field", "field": "duedate", "value": "2026-01-31"},
        {"do": "set-field", "field": "duedate", "value": "{{ issue.created }} later"},
        {"do": "set-field", "field": "labels", "value": ["one", "{{ issue.key }}"]},
        {"do": "set-field", "field": "priority", "value": ""},
        {"do": "create-issue", "issuetype": "Task", "summary": "S", "labels": ["a"]},
        {"do": "create-issue", "issuetype": "Sub-task", "summary": "S"} | BELOW,
        {"do": "link-issue", "type": "blocks", "target": "{{ issue.key }}"},
        {"do": "add-label", "label": "for {{ issue.key }}"},
    ]

    assert problems(caller, *steps, when=when("parent", "equals", "DEMO-1")) == {}


@pytest.mark.parametrize(
    "answer",
    [
        SendError("no connection", sent=False),
        Response(status=503),
        Response(status=200, body=b"[]"),
        Response(status=200, body=b'{"odd": 1}'),
        Response(status=200, body=b'[{"odd": 1}]'),
    ],
)
def test_jira_that_gives_no_names_hinders_nobody(
    caller: Caller, wire: Wire, answer: Response | Exception
) -> None:
    step = {"do": "set-field", "field": "lables", "value": "x"}
    wire.before = [None, answer]  # the first call asks for the permission

    assert problems(caller, step) == {}

    caller.later(seconds=61)
    assert list(problems(caller, step)) == ["steps[0].field"]


def test_jira_is_asked_for_names_once_a_minute_and_only_if_needed(
    caller: Caller, wire: Wire
) -> None:
    problems(caller)
    assert not any(FIELD in request.url for request in wire.sent)
    step = {"do": "set-field", "field": "summary", "value": "x"}
    for _ in range(3):
        problems(caller, step, when=when("summary", "equals", "x"))
    assert sum(FIELD in request.url for request in wire.sent) == 1
    caller.later(seconds=61)

    problems(caller, step)

    assert sum(FIELD in request.url for request in wire.sent) == 2


def test_jira_that_is_away_is_left_alone_for_a_minute(
    caller: Caller, wire: Wire
) -> None:
    steps: list[Json] = [
        {"do": "set-field", "field": "summary", "value": "x"},
        {"do": "create-issue", "issuetype": "Task", "summary": "S"},
        {"do": "link-issue", "type": "Blocks", "target": "DEMO-2"},
    ]
    wire.before = [None, SendError("no connection", sent=False)]
    sent = len(wire.sent)

    for _ in range(3):
        assert problems(caller, *steps) == {}

    assert len(wire.sent) - sent == 2  # the permission, and one try for a name


@pytest.mark.usefixtures("site")
def test_t5_names_of_one_site_are_remembered_for_that_site_only(
    runtime: Runtime,
) -> None:
    names = SiteNames(runtime)
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()

    assert names.find(tenant_id, Sort.FIELDS)
    with pytest.raises(NoResultFound):  # another is not answered from memory
        names.find(uuid.uuid4(), Sort.FIELDS)


def test_names_of_so_many_sites_only_are_remembered(
    caller: Caller, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_names, "CACHED", 0)
    step = {"do": "set-field", "field": "summary", "value": "x"}

    problems(caller, step)

    assert sum(FIELD in request.url for request in wire.sent) > 1


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ('{"done": tru}', True),
        ('[1, "two', True),
        ("  {done: true}", True),
        ('{"a": 1, "a": 2}', True),
        ("[NaN]", True),
        ("released", False),
        ("", False),
        ('{"done": true}', False),
        ('"[x] done"', False),
        ("{{ issue.key }}", False),
        ("{% if issue.key %}x{% endif %}", False),
    ],
)
def test_malformed_json_is_a_problem_and_plain_words_stay_text(
    caller: Caller, text: str, *, is_wrong: bool
) -> None:
    step = {"do": "set-property", "key": "state", "value": "what the form made of it"}
    body = {"rule": NEW | {"steps": [step]}, "texts": {"steps[0].value": text}}

    answer = post(caller, CHECK, body)

    assert answer.status == (422 if is_wrong else 200)
    if is_wrong:
        [problem] = json.loads(answer.body)["problems"]
        assert problem["key"] == "steps[0].value"
        assert problem["message"].endswith("if it is meant as text, put it in quotes")


@pytest.mark.parametrize("texts", [[], "x", {"a": 1}, None])
def test_malformed_texts_are_the_callers_fault(caller: Caller, texts: object) -> None:
    assert post(caller, CHECK, {"rule": NEW, "texts": texts}).status == 400
