"""Whether a hold holds: each way out of it carries our condition, or is named."""

import json
from typing import Any, cast

import pytest

from app.jira import Jira
from app.rules import soundness
from app.rules.soundness import Way
from tests.unit.rules.jira import ACCOUNT, KEY, FakeJira, condition, workflow

HOLD, OPEN = "10005", "10001"
ISSUE = "/rest/api/3/issue/10001"


def shut(*workflows: dict[str, Any]) -> soundness.Shut:
    return soundness.shut(cast("Jira", FakeJira(list(workflows))))


def config(**changes: Any) -> str:
    return json.dumps({"v": 1, "account": ACCOUNT, "role": None, **changes})


@pytest.mark.parametrize("key", [KEY, f"com.atlassian.x__{KEY}", f"ari:x/y/{KEY}"])
def test_way_with_our_condition_is_shut(key: str) -> None:
    found = shut(
        workflow(
            condition(key=key),
            condition(config(role=7), transition="51"),
            condition("{}", transition="61"),
        ),
        workflow(name="Other"),
    )

    assert found == {"W": {"41", "51"}, "Other": frozenset()}


@pytest.mark.parametrize(
    "other",
    [
        condition(key="somebody-elses"),
        condition(key=f"x{KEY}"),
        condition(disabled=True),
        condition(config(account="somebody-else")),
        condition(config(expression="true")),
        condition("[]"),
        condition("no JSON"),
        condition("[" * 100_000),
        condition(""),
        condition(7),
        {"key": KEY, "transition": {"id": 41}},
        {"key": KEY, "configuration": None, "transition": {"id": 41}},
        {"transition": {"id": 41}},
    ],
)
def test_condition_that_lets_others_by_shuts_nothing(other: dict[str, Any]) -> None:
    found = shut(workflow(other, condition(transition="51")))

    assert found == {"W": {"51"}}


def test_draft_shuts_nothing_and_hides_nothing() -> None:
    found = shut(
        workflow(condition(), draft=True), workflow(condition(transition="51"))
    )

    assert found == {"W": {"51"}}


def test_what_jira_leaves_out_shuts_nothing() -> None:
    bare = condition()
    del bare["transition"]

    assert shut({"workflowId": {"name": "W"}}, {"conditions": [condition()]}) == {
        "W": frozenset(),
        "None": {"41"},
    }
    assert shut(workflow(bare)) == {"W": {""}}


def jira(*transitions: dict[str, Any], status: str = HOLD) -> FakeJira:
    return FakeJira(
        answers={
            f"{ISSUE}/transitions": {"transitions": list(transitions)},
            ISSUE: {"fields": {"status": {"id": status}}},
        }
    )


def transition(number: int, to: str = OPEN, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": f"Way {number}", "to": {"id": to}, **more}


def test_ways_out_are_all_that_lead_elsewhere() -> None:
    site = jira(
        transition(41),
        transition(51, isGlobal=True),
        transition(61, isGlobal="yes"),
        transition(71, to=HOLD),
    )

    ways = soundness.ways_out(cast("Jira", site), "10001", hold=HOLD)

    assert ways == [
        Way(id="41", name="Way 41", is_global=False),
        Way(id="51", name="Way 51", is_global=True),
        Way(id="61", name="Way 61", is_global=False),
    ]
    # Also those that we may not go; and where the issue is, after them.
    assert site.asked == [
        (f"{ISSUE}/transitions", {"includeUnavailableTransitions": "true"}),
        (ISSUE, {"fields": "status"}),
    ]


def test_ways_of_an_issue_that_left_its_hold_judge_nothing() -> None:
    site = jira(transition(41), status=OPEN)

    assert soundness.ways_out(cast("Jira", site), "10001", hold=HOLD) is None


FIVE = "“Way 1” (1), “Way 3” (3), “Way 4” (4), “Way 5” (5), “Way 6” (6)"


def ways(count: int) -> list[Way]:
    return [
        Way(id=str(number), name=f"Way {number}", is_global=number == 2)
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("count", "shut_ids", "words"),
    [
        (1, "", "“Way 1” (1) leads out of the hold"),
        (
            3,
            "1",
            "the global transition “Way 2” (2), “Way 3” (3) lead out of the hold",
        ),
        (
            6,
            "2",
            f"{FIVE} lead out of the hold",
        ),
        (
            8,
            "2",
            f"{FIVE} and 2 more lead out of the hold",
        ),
    ],
)
def test_open_ways_are_named(count: int, shut_ids: str, words: str) -> None:
    said = soundness.complaint(ways(count), frozenset(shut_ids))

    assert said == f"{words} without our condition"


def test_hold_without_an_open_way_holds_but_one_without_any_is_odd() -> None:
    assert soundness.complaint(ways(2), frozenset("12")) is None
    assert str(soundness.complaint([], frozenset("1"))).startswith("Jira shows us no")


def test_condition_is_stored_as_its_expression_reads_it() -> None:
    assert soundness.config_of("a", 7) == '{"v":1,"account":"a","role":7}'
