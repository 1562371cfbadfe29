from typing import Any

import pytest

from app.steps.add_comment import PAGE, AddComment
from app.steps.base import Act, Looked, StepError
from tests.unit.steps.conftest import ISSUE, RUN_ID, STEP_ID, FakeHttp, Sent, World

MARK = {
    "key": "countersign.run",
    "value": {"run": str(RUN_ID), "step": str(STEP_ID)},
}


def act(since: str = "2026-11-23T09:59:00.000+0000") -> Act:
    notes = {"since": since}
    return Act(method="POST", path=f"{ISSUE}/comment", body={}, notes=notes)


def comments(world: World, count: int, *, marked: int | None = None) -> None:
    """Put comments on the issue, one a second, the newest with the highest id."""

    def page(sent: Sent) -> dict[str, Any]:
        assert sent.query["orderBy"] == "-created"
        start = int(sent.query["startAt"])
        numbers = range(count - 1 - start, -1, -1)[: int(sent.query["maxResults"])]
        return {
            "comments": [
                {
                    "id": str(n),
                    "created": f"2026-11-23T10:{n // 60:02}:{n % 60:02}.000+0000",
                }
                for n in numbers
            ]
        }

    def by_id(sent: Sent) -> dict[str, Any]:
        assert sent.query == {"expand": "properties"}
        return {
            "values": [
                {"id": str(n), "properties": [MARK] if n == marked else []}
                for n in sent.body["ids"]
            ]
        }

    world.answer("GET", f"{ISSUE}/comment", page)
    world.answer("POST", "/rest/api/3/comment/list", by_id)


def test_plan_writes_to_the_issues_number_and_marks_the_comment(world: World) -> None:
    planned = AddComment(body="**{{ issue.key }}**").plan(world.context)

    assert (planned.method, planned.path) == ("POST", f"{ISSUE}/comment")
    assert planned.body["properties"] == [MARK]
    assert planned.body["body"]["content"][0]["content"][0]["text"] == "DEMO-1"
    assert world.http.sent == []


def test_t15_a_summary_cannot_mention_anybody(world: World) -> None:
    world.fields["summary"] = "[~accountid:evil] [x](https://evil.example)"

    body = AddComment(body="{{ issue.summary }}").plan(world.context).body["body"]

    assert body["content"] == [
        {
            "type": "paragraph",
            "content": [{"type": "text", "text": world.fields["summary"]}],
        }
    ]


def test_an_internal_comment_is_hidden_from_customers(world: World) -> None:
    world.fields["project"]["projectTypeKey"] = "service_desk"

    planned = AddComment(body="x", internal=True).plan(world.context)

    assert planned.body["properties"][1] == {
        "key": "sd.public.comment",
        "value": {"internal": True},
    }


def test_an_internal_comment_elsewhere_would_be_public_and_is_refused(
    world: World,
) -> None:
    world.fields["project"]["projectTypeKey"] = "software"

    with pytest.raises(StepError, match="service project"):
        AddComment(body="x", internal=True).plan(world.context)


def test_an_empty_comment_is_refused(world: World) -> None:
    world.fields["summary"] = ""

    with pytest.raises(StepError, match="empty"):
        AddComment(body="{{ issue.summary }}").plan(world.context)


@pytest.mark.parametrize(
    ("count", "marked", "expected"),
    [
        (0, None, Looked.NOT_DONE),
        (3, None, Looked.NOT_DONE),
        (3, 1, Looked.DONE),
        (PAGE + 1, 0, Looked.DONE),
        (PAGE + 1, None, Looked.NOT_DONE),
        (3 * PAGE, None, Looked.UNDECIDED),
    ],
)
def test_look_finds_our_mark_among_the_newest(
    world: World, count: int, marked: int | None, expected: Looked
) -> None:
    comments(world, count, marked=marked)

    assert AddComment(body="x").look(world.context, act()) is expected
    assert world.http.writes == []


def test_look_stops_where_comments_are_older_than_the_act(
    world: World, http: FakeHttp
) -> None:
    comments(world, 3 * PAGE)
    late = act(since="2026-11-23T10:04:00.000+0000")

    assert AddComment(body="x").look(world.context, late) is Looked.NOT_DONE
    assert len(http.sent) == 2


def test_look_takes_no_comment_of_another_step(world: World) -> None:
    comments(world, 1, marked=0)
    MARK_OF_OTHER = {**MARK, "value": {"run": str(RUN_ID), "step": "another"}}  # noqa: N806
    world.answer(
        "POST",
        "/rest/api/3/comment/list",
        {"values": [{"id": "0", "properties": [MARK_OF_OTHER]}, {"id": "1"}]},
    )

    assert AddComment(body="x").look(world.context, act("")) is Looked.NOT_DONE


def test_describe() -> None:
    assert AddComment(body="x").describe() == "add a comment"
    assert AddComment(body="x", internal=True).describe() == "add an internal comment"
