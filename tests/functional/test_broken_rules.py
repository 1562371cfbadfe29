"""A rule that nobody can read: the ticket says so, once, whatever the rule holds."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import failing
from app.audit import AuditEvent
from app.http import Response
from app.jira import Issue
from app.runs import Run, RunState, Why
from app.settings import Settings
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import START

Runs = Callable[[], list[Run]]
BROKEN = rule({"do": "teleport"})


def fire(site: Jira) -> None:
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()


def comments(site: Jira) -> list[Any]:
    return [c for c in site.issue("DEMO-1").comments if c.get("properties")]


def text_of(node: Any) -> str:
    if isinstance(node, list):
        return "".join(map(text_of, node))
    return str(node.get("text", "")) + text_of(node.get("content", []))


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("", "nothing was ever saved: open it in the workflow editor and save it"),
        ("{", "it is no JSON from line 1, column 2 on"),
        (BROKEN, "steps[0].do: “teleport” is unknown"),
    ],
)
def test_ticket_says_that_the_rule_cannot_be_read(
    site: Jira, worker: Worker, all_runs: Runs, stored: str, why: str
) -> None:
    site.add_post_function(START, stored)

    fire(site)
    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.BROKEN_RULE)
    [comment] = comments(site)
    said = text_of(comment["body"])
    begin = (
        "Countersign could not carry out the rule of the transition “Start progress”"
    )
    assert said.startswith(f"{begin}: {why}")
    assert said.endswith(f" Run {run.id}.")


def test_t15_nothing_of_a_broken_rule_comes_alive_in_the_comment(
    site: Jira, worker: Worker
) -> None:
    evil = "[x](https://e) {{ issue.key }} [~accountid:1] **b**"
    site.add_post_function(START, rule(**{evil: 1}))

    fire(site)
    worker.drain()

    [comment] = comments(site)
    assert evil.replace("{{", "{ {") in text_of(comment["body"])
    written = json.dumps(comment["body"])
    assert not any(f'"{kind}"' in written for kind in ("link", "mention", "strong"))


def test_comment_survives_trouble_and_is_written_once(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function(START, BROKEN)
    fire(site)
    wire.before = [None, None, Response(status=503)]  # issue and inventory are read

    worker.drain()
    assert (all_runs()[0].state, comments(site)) == (RunState.FAILING, [])
    clock.advance(timedelta(seconds=3))
    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.BROKEN_RULE)
    assert len(comments(site)) == 1


def test_t1_unconfirmed_broken_rule_changes_nothing(
    site: Jira, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    site.add_post_function(START, BROKEN)
    fire(site)
    wire.before = [None, Response(status=200, body=b'{"values": []}')]  # no rule

    worker.drain()

    assert all_runs()[0].state is RunState.UNCONFIRMED
    assert wire.writes() == []


def test_t12_broken_rule_in_a_loop_says_so_at_its_first_run_only(
    site: Jira, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    circle = (START, "Send to review", "Deployment failed", "Reopen", START)
    for number in range(4):
        move = {"do": "transition-issue", "transition": circle[number + 1]}
        site.add_post_function(circle[number], rule(move, id=f"r_{number}"))
    site.add_post_function(START, BROKEN)
    fire(site)

    for _ in range(10):
        site.deliver_pending()
        worker.drain()
        clock.advance(timedelta(seconds=1))

    whys = [run.why for run in all_runs()]
    assert (whys.count(Why.BROKEN_RULE), whys.count(Why.LOOP)) == (1, 2)
    assert len(comments(site)) == 1


class TestBudget:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"runs_per_hour": 2})

    def test_t12_broken_rule_beyond_the_budget_is_silent_on_the_ticket(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        site.add_post_function(START, BROKEN)
        for _ in range(4):
            fire(site)
            worker.drain()
            clock.advance(timedelta(seconds=1))

        assert [run.why for run in all_runs()][2:] == [Why.OVER_BUDGET] * 2
        assert len(comments(site)) == 2


@pytest.mark.parametrize(
    ("kind", "internal"), [("service_desk", True), ("software", False)]
)
def test_comment_in_a_service_project_is_internal(kind: str, *, internal: bool) -> None:
    fields = {"project": {"id": "1", "projectTypeKey": kind}}
    issue = Issue(id="1", key="A-1", fields=fields, changes=(), properties={})

    [planned] = failing.after_broken_rule(
        issue, transition="Deploy", run_id=uuid.uuid4(), problem="x" * 9000
    )

    assert planned.config["internal"] is internal
    assert len(planned.config["body"]) < 1000


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (BROKEN, Why.BROKEN_RULE),
        (rule({"do": "transition-issue", "transition": "Fly"}), Why.STEP_FAILED),
    ],
)
def test_end_of_a_failed_run_is_in_the_audit_with_its_reason(
    site: Jira, worker: Worker, sessions: sessionmaker[Session], stored: str, why: Why
) -> None:
    site.add_post_function(START, stored)

    fire(site)
    worker.drain()

    ended = sa.select(AuditEvent).where(AuditEvent.kind == "run-failed")
    with sessions.begin() as session:
        assert [event.facts["why"] for event in session.scalars(ended)] == [why]
