from typing import Any

import pytest

from app.http import Response
from app.jira import JiraError
from app.steps.base import Act, Looked, StepError
from app.steps.create_issue import MAX_SUBTASKS, CreateIssue, _quoted
from tests.unit.steps.conftest import RUN_ID, STEP_ID, Sent, World

MARK = {"run": str(RUN_ID), "step": str(STEP_ID)}


def create(**more: Any) -> CreateIssue:
    return CreateIssue(issuetype="Task", summary="After {{ issue.key }}", **more)


def test_plan_creates_in_the_issues_own_project_and_marks_it(world: World) -> None:
    step = create(
        description="See **{{ issue.key }}**", labels=["a", "{{ issue.none }}"]
    )
    world.fields["none"] = None

    planned = step.plan(world.context)

    fields = planned.body["fields"]
    assert (planned.method, planned.path) == ("POST", "/rest/api/3/issue")
    assert fields["project"] == {"id": "10000"}
    assert fields["issuetype"] == {"name": "Task"}
    assert fields["summary"] == "After DEMO-1"
    assert fields["labels"] == ["a"]
    assert fields["description"]["content"][0]["content"][1]["text"] == "DEMO-1"
    assert "parent" not in fields
    assert planned.body["properties"] == [{"key": "countersign.run", "value": MARK}]
    assert world.http.sent == []


def test_t6_no_field_of_a_rule_names_another_project_or_parent() -> None:
    assert set(CreateIssue.model_fields) == {
        "do",
        "issuetype",
        "summary",
        "description",
        "labels",
        "subtask",
    }


def test_a_subtask_hangs_below_the_issue(world: World) -> None:
    planned = create(subtask=True).plan(world.context)

    assert planned.body["fields"]["parent"] == {"id": "10001"}


def test_a_summary_is_one_line_that_jira_takes(world: World) -> None:
    world.fields["summary"] = "a\nb " + "x" * 300

    step = CreateIssue(issuetype="Task", summary="{{ issue.summary }}")

    summary = step.plan(world.context).body["fields"]["summary"]
    assert summary.startswith("a b x")
    assert len(summary) == 255


def test_what_jira_would_refuse_is_an_error(world: World) -> None:
    world.fields["none"] = None

    with pytest.raises(StepError, match="summary"):
        CreateIssue(issuetype="Task", summary="{{ issue.none }}").plan(world.context)
    with pytest.raises(StepError, match="labels"):
        create(labels=["{{ issue.summary }}"]).plan(world.context)


def subtasks(world: World, count: int, *, ours: str = "") -> None:
    world.fields["subtasks"] = [{"id": str(n)} for n in range(20_000, 20_000 + count)]
    for n in range(20_000, 20_000 + count):
        path = f"/rest/api/3/issue/{n}/properties/countersign.run"
        value = MARK if str(n) == ours else {"run": str(RUN_ID), "step": "another"}
        world.answer("GET", path, {"value": value} if n % 2 or str(n) == ours else None)


@pytest.mark.parametrize(
    ("count", "ours", "expected"),
    [
        (0, "", Looked.NOT_DONE),
        (3, "", Looked.NOT_DONE),
        (3, "20000", Looked.DONE),
        (MAX_SUBTASKS + 1, "20100", Looked.DONE),
        (MAX_SUBTASKS + 1, "20000", Looked.UNDECIDED),
    ],
)
def test_look_finds_our_subtask_by_its_mark(
    world: World, count: int, ours: str, expected: Looked
) -> None:
    step = create(subtask=True)
    act = step.plan(world.context)
    subtasks(world, count, ours=ours)

    assert step.look(world.context, act) is expected


def test_a_look_that_jira_does_not_answer_decides_nothing(world: World) -> None:
    step = create(subtask=True)
    world.fields["subtasks"] = [{"id": "20001"}]
    path = "/rest/api/3/issue/20001/properties/countersign.run"
    world.answer("GET", path, Response(status=500))

    with pytest.raises(JiraError):
        step.look(world.context, step.plan(world.context))


@pytest.mark.parametrize(
    ("found", "expected"), [([{"id": "1"}], Looked.DONE), ([], Looked.UNDECIDED)]
)
def test_look_searches_in_the_project_and_knows_that_search_lags(
    world: World, found: list[dict[str, str]], expected: Looked
) -> None:
    asked: list[Sent] = []

    def search(sent: Sent) -> dict[str, Any]:
        asked.append(sent)
        return {"issues": found}

    world.answer("GET", "/rest/api/3/search/jql", search)
    act: Act = create().plan(world.context)

    assert create().look(world.context, act) is expected
    assert asked[0].query["jql"] == (
        f'project = "10000" AND issue.property[countersign.run].step = "{STEP_ID}"'
    )


def test_a_jql_string_ends_where_we_end_it() -> None:
    assert _quoted('a" OR project = "B\\') == '"a\\" OR project = \\"B\\\\"'


def test_describe() -> None:
    assert create().describe() == "create an issue of the type “Task”"
    assert create(subtask=True).describe().endswith("as a sub-task")
