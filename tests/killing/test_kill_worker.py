"""A worker is killed, anywhere: nothing is lost and nothing is done twice."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from app import runs
from app.runs import Run, RunState, RunStep, StepState, Why
from app.steps import STEPS
from sandbox import world
from tests.killing.conftest import Stage

KILLED = -9
MOST_PLACES = 100

ALL_STEPS: list[dict[str, Any]] = [
    {"do": "add-comment", "body": "Carried out by {{ run.id }}"},
    {"do": "set-field", "field": "customfield_10010", "value": "{{ issue.key }}-rc"},
    {"do": "assign-issue", "to": "reporter"},
    {"do": "add-label", "label": "carried-out"},
    {"do": "create-issue", "issuetype": "Task", "summary": "After {{ issue.key }}"},
    {
        "do": "create-issue",
        "issuetype": "Sub-task",
        "summary": "Below {{ issue.key }}",
        "subtask": True,
    },
    {"do": "link-issue", "type": "Blocks", "target": "DEMO-1"},
    {"do": "set-property", "key": "release", "value": {"issue": "{{ issue.key }}"}},
    {"do": "transition-issue", "transition": "Send to review"},
]
PLAIN_CREATE = 4
"""The step whose look cannot always decide: Jira's search is late."""

FULL = {
    "v": 1,
    "id": "r_full",
    "name": "Every kind of step",
    "steps": ALL_STEPS,
    "on_success": {"transition": "Deploy"},
}
FAILING = {
    "v": 1,
    "id": "r_failing",
    "name": "Fails at its second step",
    "steps": [ALL_STEPS[0], {"do": "transition-issue", "transition": "Nowhere"}],
    "on_failure": {
        "mode": "compensate",
        "transition": "Deployment failed",
        "comment": True,
    },
}
# To die before a commit leaves every state there is, and after a send those that are
# hardest; what is left of the four is the same again.
WORST = [("before", "commit"), ("after", "send")]
EVERYWHERE = pytest.mark.parametrize(("when", "what"), WORST)
PLACES = pytest.mark.parametrize(
    ("stage", "when", "what"),
    [("sqlite", *each) for each in WORST] + [("postgresql", "before", "commit")],
    indirect=["stage"],
)


@dataclass(frozen=True)
class Seen:
    """What became of a run: in our tables, and in Jira."""

    run: Run
    steps: list[RunStep]
    issue: world.Issue
    created: list[world.Issue]
    links: int
    writes: Counter[tuple[str, str]]
    """Calls that changed something, by method and path."""


def test_the_rule_has_every_kind_of_step() -> None:
    """But for deliveries, which `test_kill_delivery.py` kills."""
    assert {step["do"] for step in ALL_STEPS} == set(STEPS) - {"deliver"}


@PLACES
def test_killed_worker_leaves_nothing_undone_or_done_twice(
    clean: Stage, when: str, what: str
) -> None:
    clean.jira.add_post_function("Start progress", json.dumps(FULL))

    def check(place: str) -> None:
        seen = look(clean)
        if seen.run.state is RunState.AMBIGUOUS:
            seen = resolve(clean, seen, place)
        assert_carried_out(seen, place)

    assert kill_everywhere(clean, {"what": what, "when": when}, check) > len(ALL_STEPS)


@PLACES
def test_killed_worker_compensates_once(clean: Stage, when: str, what: str) -> None:
    clean.jira.add_post_function("Start progress", json.dumps(FAILING))

    def check(place: str) -> None:
        seen = look(clean)
        assert (seen.run.state, seen.run.why) == (
            RunState.FAILED,
            Why.STEP_FAILED,
        ), place
        assert [step.state for step in seen.steps] == [
            StepState.DONE,
            StepState.FAILED,
            StepState.DONE,
            StepState.DONE,
        ], place
        assert moves(seen.issue) == ["In Progress", "Deployment failed"], place
        assert len(seen.issue.comments) == 2, place
        path = f"/rest/api/3/issue/{seen.issue.id}"
        assert seen.writes == {
            ("POST", f"{path}/comment"): 2,
            ("POST", f"{path}/transitions"): 1,
        }, place

    assert kill_everywhere(clean, {"what": what, "when": when}, check) > 5


@EVERYWHERE
def test_workers_killed_one_after_the_other(clean: Stage, when: str, what: str) -> None:
    """Each gets one thing further and dies; the last one finds all of it done."""
    clean.jira.add_post_function("Start progress", json.dumps(FULL))
    fire(clean)
    kill = {"what": what, "when": when, "n": 6}

    for _ in range(MOST_PLACES):
        code = clean.launcher.run("carry-on", kill=kill)
        assert code in {0, KILLED}
        seen = look(clean)
        if seen.run.state is RunState.AMBIGUOUS:
            resolve(clean, seen, "in a row", finish=False)
        elif code == 0:
            break
    else:
        pytest.fail("the run never ends")

    assert_carried_out(seen, "in a row")


def test_search_that_never_catches_up_leaves_it_to_a_person(clean: Stage) -> None:
    """A created issue that no search finds is not created again: a person says."""
    clean.jira.add_post_function("Start progress", json.dumps(FULL))
    clean.jira.world.lag *= 1000
    fire(clean)

    try:
        kill = {"what": "POST /rest/api/3/issue", "when": "after", "n": 1}
        assert clean.launcher.run("carry-once", kill=kill) == KILLED
        assert clean.launcher.run("carry-on") == 0
    finally:
        clean.jira.world.lag /= 1000

    seen = look(clean)
    assert (seen.run.state, seen.run.why) == (RunState.AMBIGUOUS, Why.CANNOT_TELL)
    assert "step 5 (Create an issue)" in str(seen.run.message)
    assert len(seen.created) == 1
    assert_carried_out(resolve(clean, seen, "late search"), "late search")


def kill_everywhere(
    stage: Stage, kill: Mapping[str, str], check: Any, *, do: str = "carry-once"
) -> int:
    """Kill at the n-th place for every n, let another worker finish, and check.

    Return how many places there were.
    """
    for n in range(1, MOST_PLACES):
        fire(stage)
        place = f"{kill['when']} {kill['what']} {n}"
        code = stage.launcher.run(do, kill={**kill, "n": n})
        if code != KILLED:
            assert code == 0, place
            check(f"{place}: not reached")
            return n - 1
        assert stage.launcher.run("carry-on") == 0, place
        check(place)
    pytest.fail("a run never ends")


def fire(stage: Stage) -> None:
    """Record one run for a new issue, through the door."""
    with stage.runtime.sessions.begin() as session:
        session.execute(sa.delete(Run))
    stage.jira.traffic.clear()
    issue = stage.jira.create_issue(user="dee", summary="To be carried out")
    stage.jira.transition(issue.key, "Start progress")
    assert stage.jira.deliver_pending() == 1


def look(stage: Stage) -> Seen:
    with stage.runtime.sessions.begin() as session:
        [run] = session.scalars(sa.select(Run)).all()
        steps = session.scalars(sa.select(RunStep)).all()
        session.expunge_all()
    mark = {"run": str(run.id)}
    issues = stage.jira.world.state.issues
    return Seen(
        run=run,
        steps=sorted(steps, key=lambda step: (step.role != "step", step.position)),
        issue=issues[run.issue_id],
        created=[
            issue
            for issue in issues.values()
            if mark.items() <= issue.properties.get("countersign.run", {}).items()
        ],
        links=sum(
            run.issue_id in {link["inward"], link["outward"]}
            for link in stage.jira.world.state.links
        ),
        writes=Counter(
            (entry.method, entry.url)
            for entry in stage.jira.traffic.newest()
            if entry.method != "GET"
            and entry.direction == "to Jira"
            and "/comment/list" not in entry.url
        ),
    )


def resolve(stage: Stage, seen: Seen, place: str, *, finish: bool = True) -> Seen:
    """Say, truly, whether the step that nobody could tell has happened."""
    [step] = [step for step in seen.steps if step.state is StepState.AMBIGUOUS]
    assert (step.position, seen.run.why) == (PLAIN_CREATE, Why.CANNOT_TELL), place
    assert "step 5 (Create an issue)" in str(seen.run.message), place
    happened = any(issue.fields["parent"] is None for issue in seen.created)
    with stage.runtime.sessions.begin() as session:
        assert runs.resolve(
            session,
            seen.run.tenant_id,
            seen.run.id,
            step.id,
            happened=happened,
            now=stage.runtime.now(),
        )
    if finish:
        assert stage.launcher.run("carry-on") == 0, place
    return look(stage)


def assert_carried_out(seen: Seen, place: str) -> None:
    """Everything the rule says has happened, each of it once."""
    assert seen.run.state is RunState.SUCCEEDED, (place, seen.run.message)
    assert {step.state for step in seen.steps} == {StepState.DONE}, place
    assert len(seen.steps) == len(ALL_STEPS) + 1, place
    issue, path = seen.issue, f"/rest/api/3/issue/{seen.issue.id}"
    assert len(issue.comments) == 1, place
    assert sorted(i.fields["parent"] or "" for i in seen.created) == ["", issue.id]
    assert seen.links == 1, place
    assert issue.fields["labels"] == ["carried-out"], place
    assert issue.fields["customfield_10010"] == f"{issue.key}-rc", place
    assert issue.properties["countersign.release"] == {"issue": issue.key}, place
    assert moves(issue) == ["In Progress", "In Review", "Done"], place
    assert seen.writes == {
        ("POST", f"{path}/comment"): 1,
        ("PUT", path): 2,  # the field, and the label
        ("PUT", f"{path}/assignee"): 1,
        ("POST", "/rest/api/3/issue"): 2,
        ("POST", "/rest/api/3/issueLink"): 1,
        ("PUT", f"{path}/properties/countersign.release"): 1,
        ("POST", f"{path}/transitions"): 2,
    }, place


def moves(issue: world.Issue) -> list[str]:
    """Return the statuses that the issue came to, in their order."""
    return [
        item["toString"]
        for entry in issue.history
        for item in entry["items"]
        if item["field"] == "status"
    ]
