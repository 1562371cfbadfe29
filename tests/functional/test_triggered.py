"""What an unsigned body is worth: confirmation, dedupe, loops (rules T1, T2, T12)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit, runs
from app.audit import AuditEvent
from app.http import Response
from app.runs import Run, RunState, Why
from app.runtime import Runtime
from app.settings import Settings
from app.tokens.checks import LEEWAY
from app.worker import Prover, Worker
from sandbox import Jira, mishaps
from tests.functional.callers import Caller
from tests.functional.conftest import Heard, rule
from tests.functional.fakes import Clock, Wire

PATH = "/post-function/triggered"
START = "Start progress"
Runs = Callable[[], list[Run]]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def move(site: Jira, key: str = "DEMO-1", transition: str = START) -> None:
    site.set_status(key, "To Do")
    site.transition(key, transition)


def body(site: Jira, key: str = "DEMO-1", **transition: Any) -> dict[str, Any]:
    """Return what Jira posts for Start progress, with changes."""
    told = {
        "workflowName": "DEMO: Delivery workflow",
        "transitionId": 11,
        "transitionName": START,
        "from_status": "To Do",
        "to_status": "In Progress",
    }
    return {
        "issue": {"id": site.issue(key).id, "key": key},
        "transition": told | transition,
        "configuration": {"value": rule()},
    }


def post(caller: Caller, sent: dict[str, Any], **headers: str) -> int:
    token = caller.url_bound("POST", PATH)
    return caller.send("POST", PATH, token=token, body=sent, **headers).status


def changed(wire: Wire) -> list[str]:
    return [urlsplit(request.url).path for request in wire.writes()]


@pytest.fixture
def rules_at_start(site: Jira) -> None:
    site.add_post_function(START, rule())


@pytest.mark.usefixtures("rules_at_start")
class TestConfirmation:
    def test_t1_genuine_call_is_confirmed(
        self, caller: Caller, site: Jira, worker: Worker, all_runs: Runs
    ) -> None:
        move(site)
        assert post(caller, body(site)) == 204

        worker.drain()

        [run] = all_runs()
        assert run.state is RunState.SUCCEEDED
        assert run.facts is not None
        assert run.facts["from"] == "To Do"
        assert run.facts["to"] == "In Progress"
        assert run.facts["actor"].startswith("712020:")
        assert run.facts["transition"] == START

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"from_status": "In Review"}, Why.NO_SUCH_CHANGE),
            ({"to_status": "Done"}, Why.NO_SUCH_CHANGE),
            ({"from_status": ""}, Why.NO_SUCH_CHANGE),
            ({"workflowName": "Another workflow"}, Why.NO_SUCH_RULE),
            ({"transitionId": 31}, Why.NO_SUCH_RULE),
            ({"transitionId": None}, Why.NO_SUCH_RULE),
            ({"from_status": "Done", "to_status": "Done"}, Why.NO_SUCH_CHANGE),
        ],
    )
    def test_t1_changed_body_is_unconfirmed(
        self,
        caller: Caller,
        site: Jira,
        worker: Worker,
        wire: Wire,
        clock: Clock,
        all_runs: Runs,
        change: dict[str, Any],
        why: Why,
    ) -> None:
        site.issue("DEMO-1").created = "2026-01-01T00:00:00.000+0000"
        move(site)
        assert post(caller, body(site, **change)) == 204

        worker.drain()
        clock.advance(timedelta(seconds=11))
        worker.drain()

        [run] = all_runs()
        assert (run.state, run.why) == (RunState.UNCONFIRMED, why)
        assert changed(wire) == []

    def test_t1_swapped_body_changes_nothing_and_is_audited(
        self,
        site: Jira,
        worker: Worker,
        wire: Wire,
        runtime: Runtime,
        all_runs: Runs,
    ) -> None:
        move(site)
        site.deliver_pending()
        worker.drain()
        wire.sent.clear()

        mishaps.swapped_body(site, {"issue": "DEMO-1"})
        worker.drain()

        run = all_runs()[-1]
        assert run.state is RunState.UNCONFIRMED
        assert changed(wire) == []
        with runtime.sessions.begin() as session:
            kinds = session.scalars(sa.select(AuditEvent.kind)).all()
        assert "run-unconfirmed" in kinds

    def test_t1_rule_of_the_callers_own_is_not_carried_out(
        self,
        caller: Caller,
        site: Jira,
        worker: Worker,
        wire: Wire,
        clock: Clock,
        all_runs: Runs,
    ) -> None:
        move(site)
        invented = rule({"do": "add-label", "label": "mine"})
        post(caller, body(site) | {"configuration": {"value": invented}})

        worker.drain()
        clock.advance(timedelta(seconds=11))
        worker.drain()

        [run] = all_runs()
        assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_RULE)
        assert changed(wire) == []

    def test_t1_rule_is_known_by_its_meaning_not_its_bytes(
        self, caller: Caller, site: Jira, worker: Worker, all_runs: Runs
    ) -> None:
        move(site)
        spaced = json.dumps(json.loads(rule()), indent=3, sort_keys=True)
        post(caller, body(site) | {"configuration": {"value": spaced}})

        worker.drain()

        assert all_runs()[0].state is RunState.SUCCEEDED

    def test_t1_call_that_a_wrong_clock_lets_in_is_confirmed(
        self, site: Jira, worker: Worker, all_runs: Runs
    ) -> None:
        """A token tells whole seconds, and Jira's history tells parts of them."""
        site.world.offset = LEEWAY + timedelta(seconds=0.9)
        move(site)
        assert site.deliver_pending() == 1

        worker.drain()

        assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]

    def test_t1_change_of_more_than_an_hour_ago_confirms_nothing(
        self,
        caller: Caller,
        site: Jira,
        worker: Worker,
        wire: Wire,
        clock: Clock,
        all_runs: Runs,
    ) -> None:
        move(site)
        clock.advance(timedelta(minutes=61))
        post(caller, body(site))

        worker.drain()

        [run] = all_runs()
        assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_CHANGE)
        assert changed(wire) == []

    def test_t1_issue_that_moved_on_meanwhile_is_confirmed_by_its_history(
        self, caller: Caller, site: Jira, worker: Worker, all_runs: Runs
    ) -> None:
        move(site)
        site.transition("DEMO-1", "Send to review")
        post(caller, body(site))

        worker.drain()

        assert all_runs()[0].state is RunState.SUCCEEDED

    def test_t1_unknown_issue_is_unconfirmed(
        self, caller: Caller, site: Jira, worker: Worker, all_runs: Runs
    ) -> None:
        post(caller, body(site) | {"issue": {"id": "999999"}})

        worker.drain()

        [run] = all_runs()
        assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_ISSUE)

    def test_t1_template_reads_what_jira_said_not_the_body(
        self, caller: Caller, site: Jira, worker: Worker
    ) -> None:
        site.add_post_function(
            START,
            text := rule({"do": "add-label", "label": "{{ issue.priority.name }}"}),
        )
        move(site)
        sent = body(site) | {"configuration": {"value": text}}
        sent["issue"]["fields"] = {"priority": {"name": "Forged"}}
        post(caller, sent)

        worker.drain()

        assert "Forged" not in site.issue("DEMO-1").fields["labels"]


def test_t1_looped_transition_needs_the_status_and_names_no_actor(
    caller: Caller, site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Touch", rule())
    site.set_status("DEMO-1", "In Review")
    site.transition("DEMO-1", "Touch")
    site.deliver_pending()
    del caller

    worker.drain()

    [run] = all_runs()
    assert run.state is RunState.SUCCEEDED
    assert run.facts is not None
    assert run.facts["actor"] is None


def test_t1_one_token_is_one_looped_transition_whatever_its_bodies_say(
    caller: Caller, site: Jira, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    site.add_post_function("Touch", rule())
    site.set_status("DEMO-1", "In Review")
    touch: dict[str, Any] = {
        "transitionId": 61,
        "from_status": "In Review",
        "to_status": "In Review",
    }
    token = caller.url_bound("POST", PATH)
    for number in range(4):
        sent = body(site, **touch) | {"unused": number}
        assert caller.send("POST", PATH, token=token, body=sent).status == 204

    worker.drain()

    states = [run.state for run in all_runs()]
    assert states == [RunState.SUCCEEDED, *[RunState.DUPLICATE] * 3]
    assert len(changed(wire)) == 1


def test_t1_creation_is_confirmed_in_the_status_it_led_to_only(
    caller: Caller, site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Create", rule())
    issue = site.create_issue(summary="Made by hand")
    told: dict[str, Any] = {"transitionId": 1, "from_status": "", "to_status": "Done"}
    post(caller, body(site, issue.key, **told))

    worker.drain()

    assert all_runs()[0].why is Why.NO_SUCH_CHANGE


def test_t1_created_issue_is_confirmed_by_its_creation(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function("Create", rule())
    site.create_issue(summary="Made by hand")
    site.deliver_pending()

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.history_id) == (RunState.SUCCEEDED, "created")


def test_never_saved_and_broken_rules_are_failed_runs_that_say_so(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    site.add_post_function(START, "")
    site.add_post_function(START, rule({"do": "fly", "to": "the moon"}))
    move(site)
    site.deliver_pending()

    worker.drain()

    failed = all_runs()
    assert {(run.state, run.why) for run in failed} == {
        (RunState.FAILED, Why.BROKEN_RULE)
    }
    assert any("steps[0].do" in str(run.message) for run in failed)


def test_conditions_that_do_not_hold_skip_the_run(
    site: Jira, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    when = {"all": [{"field": "labels", "op": "contains", "value": "never-there"}]}
    site.add_post_function(START, rule(when=when))
    move(site)
    site.deliver_pending()

    worker.drain()

    assert all_runs()[0].state is RunState.SKIPPED
    assert changed(wire) == []


def test_condition_that_errors_is_a_failure_not_a_skip(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    when = {"all": [{"field": "summary", "op": "greater", "value": "7"}]}
    failure = {"mode": "compensate", "transition": "Deployment failed"}
    site.add_post_function(START, rule(when=when, on_failure=failure))
    move(site)
    site.deliver_pending()

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.CONDITION_ERROR)
    assert site.status_of("DEMO-1") == "Deployment failed"


class TestDedupe:
    def test_t2_forty_calls_of_one_frozen_second_are_forty_runs_once(
        self,
        site: Jira,
        worker: Worker,
        wire: Wire,
        all_runs: Runs,
        heard: list[Heard],
    ) -> None:
        site.add_post_function(START, rule(id="r_one"))
        site.add_post_function(START, rule(id="r_two"))
        keys = [site.create_issue(summary=f"Number {n}").key for n in range(20)]
        for key in keys:
            site.transition(key, START)
        site.deliver_pending()
        assert len(all_runs()) == 40
        calls = [sent for sent in heard if sent[1].endswith(PATH)]
        assert len(calls) == 40

        worker.drain()
        assert {run.state for run in all_runs()} == {RunState.SUCCEEDED}
        before = len(changed(wire))
        for sent in calls:
            assert site.transport(*sent)[0] == 204
        worker.drain()

        assert len(all_runs()) == 40
        assert len(changed(wire)) == before == 40

    def test_t2_replay_byte_for_byte_is_answered_and_counted(
        self, site: Jira, worker: Worker, runtime: Runtime, all_runs: Runs
    ) -> None:
        site.add_post_function(START, rule())
        move(site)
        site.deliver_pending()
        worker.drain()

        assert mishaps.replay(site, {}).status == 204
        worker.drain()

        assert len(all_runs()) == 1
        with runtime.sessions.begin() as session:
            kinds = list(session.scalars(sa.select(AuditEvent.kind)))
        assert kinds.count("verification-duplicate") == 1

    def test_t2_retry_of_jira_with_a_fresh_token_is_one_run(
        self, caller: Caller, site: Jira, all_runs: Runs
    ) -> None:
        site.add_post_function(START, rule())
        move(site)
        identifier = {"X_Atlassian_Webhook_Identifier": "wh-1"}
        post(caller, body(site), **identifier)
        caller.later(seconds=5)
        post(caller, body(site), **identifier)

        assert len(all_runs()) == 1

    def test_t2_unsigned_identifier_cannot_hide_another_rule(
        self, caller: Caller, site: Jira, all_runs: Runs
    ) -> None:
        """Attack: the header is not signed, so it may be reused to swallow a call."""
        identifier = {"X_Atlassian_Webhook_Identifier": "wh-1"}
        post(caller, body(site), **identifier)
        other = {"configuration": {"value": rule(id="r_other")}}
        post(caller, body(site) | other, **identifier)

        assert len(all_runs()) == 2

    def test_t2_retry_without_an_identifier_ends_as_duplicate(
        self, caller: Caller, site: Jira, worker: Worker, wire: Wire, all_runs: Runs
    ) -> None:
        site.add_post_function(START, rule())
        move(site)
        post(caller, body(site))
        caller.later(seconds=5)
        post(caller, body(site))

        worker.drain()

        assert [run.state for run in all_runs()] == [
            RunState.SUCCEEDED,
            RunState.DUPLICATE,
        ]
        assert len(changed(wire)) == 1

    def test_t2_two_calls_confirmed_in_one_moment_are_one_run(
        self,
        caller: Caller,
        site: Jira,
        worker: Worker,
        wire: Wire,
        all_runs: Runs,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Both workers looked before either had noted its change: the key decides."""
        site.add_post_function(START, rule())
        move(site)
        post(caller, body(site))
        caller.later(seconds=5)
        post(caller, body(site))
        looks = iter([frozenset[str](), frozenset[str]()])
        look = runs.taken_changes
        monkeypatch.setattr(
            runs, "taken_changes", lambda *args: next(looks, None) or look(*args)
        )

        worker.drain()

        assert [run.state for run in all_runs()] == [
            RunState.SUCCEEDED,
            RunState.DUPLICATE,
        ]
        assert len(changed(wire)) == 1

    def test_t2_retry_is_not_booked_on_an_older_change(
        self, caller: Caller, site: Jira, worker: Worker, wire: Wire, all_runs: Runs
    ) -> None:
        move(site)
        caller.later(minutes=10)
        site.add_post_function(START, rule())
        move(site)
        post(caller, body(site))
        caller.later(seconds=5)
        post(caller, body(site))

        worker.drain()

        assert [run.state for run in all_runs()] == [
            RunState.SUCCEEDED,
            RunState.DUPLICATE,
        ]
        assert len(changed(wire)) == 1

    def test_t2_two_real_transitions_alike_are_two_runs(
        self, caller: Caller, site: Jira, worker: Worker, wire: Wire, all_runs: Runs
    ) -> None:
        site.add_post_function(START, rule())
        for _ in range(2):
            move(site)
            caller.later(seconds=1)
            post(caller, body(site))

        worker.drain()

        assert [run.state for run in all_runs()] == [RunState.SUCCEEDED] * 2
        assert len({run.history_id for run in all_runs()}) == 2
        assert len(changed(wire)) == 2


class TestLoops:
    def test_t12_rules_that_set_each_other_off_are_stopped(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        to_review = {"do": "transition-issue", "transition": "Send to review"}
        to_failed = {"do": "transition-issue", "transition": "Deployment failed"}
        to_todo = {"do": "transition-issue", "transition": "Reopen"}
        to_start = {"do": "transition-issue", "transition": START}
        site.add_post_function(START, rule(to_review, id="r_1"))
        site.add_post_function("Send to review", rule(to_failed, id="r_2"))
        site.add_post_function("Deployment failed", rule(to_todo, id="r_3"))
        site.add_post_function("Reopen", rule(to_start, id="r_4"))
        move(site)

        for _ in range(10):
            site.deliver_pending()
            worker.drain()
            clock.advance(timedelta(seconds=1))

        chain = all_runs()
        assert [run.depth for run in chain] == [0, 1, 2, 3, 4]
        assert [run.state for run in chain[:4]] == [RunState.SUCCEEDED] * 4
        assert (chain[4].state, chain[4].why) == (RunState.FAILED, Why.LOOP)
        assert [run.caused_by for run in chain[1:]] == [run.id for run in chain[:-1]]

    def test_t12_rule_that_creates_issues_on_create_is_stopped(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        create = {"do": "create-issue", "issuetype": "Task", "summary": "And another"}
        site.add_post_function("Create", rule(create))
        site.create_issue(summary="The first")

        for _ in range(10):
            site.deliver_pending()
            worker.drain()
            clock.advance(timedelta(seconds=1))

        assert [run.depth for run in all_runs()] == [0, 1, 2, 3, 4]
        assert all_runs()[-1].why is Why.LOOP

    def test_t12_a_person_who_moves_it_later_is_no_loop(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        to_review = {"do": "transition-issue", "transition": "Send to review"}
        site.add_post_function(START, rule(to_review))
        for _ in range(6):
            move(site)
            site.deliver_pending()
            worker.drain()
            clock.advance(timedelta(seconds=61))

        assert [run.depth for run in all_runs()] == [0] * 6

    def test_t12_echo_that_comes_late_is_still_an_echo(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        to_review = {"do": "transition-issue", "transition": "Send to review"}
        site.add_post_function(START, rule(to_review, id="r_1"))
        site.add_post_function("Send to review", rule(id="r_2"))
        move(site)
        site.deliver_pending()
        worker.drain()

        clock.advance(timedelta(minutes=5))
        site.deliver_pending()
        worker.drain()

        assert [run.depth for run in all_runs()] == [0, 1]


class TestBudget:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"runs_per_hour": 3})

    def test_t12_tenant_has_a_budget_of_runs(
        self, site: Jira, worker: Worker, clock: Clock, all_runs: Runs
    ) -> None:
        site.add_post_function("Touch", rule())
        site.set_status("DEMO-1", "In Review")
        for _ in range(5):
            site.transition("DEMO-1", "Touch")
            site.deliver_pending()
            worker.drain()
            clock.advance(timedelta(seconds=1))

        assert [run.why for run in all_runs()] == [
            None,
            None,
            None,
            Why.OVER_BUDGET,
            Why.OVER_BUDGET,
        ]


def test_t6_other_projects_are_out_of_reach(
    site: Jira, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    link = {
        "do": "link-issue",
        "type": "Relates",
        "direction": "outward",
        "target": "OPS-1",
    }
    site.add_post_function(START, rule(link))
    move(site)
    site.deliver_pending()

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert changed(wire) == []


def test_t15_failure_comment_quotes_no_answer(
    site: Jira, worker: Worker, wire: Wire
) -> None:
    setting = {"do": "set-field", "field": "summary", "value": " {{ issue.summary }}"}
    failure = {"mode": "report", "comment": True}
    site.add_post_function(START, rule(setting, on_failure=failure, name="R [x](//e)"))
    move(site)
    site.deliver_pending()
    answer = Response(status=400, body=b'{"errorMessages":["internal-host.example"]}')
    wire.before = [None, None, None, answer]

    worker.drain()

    [comment] = [c for c in site.issue("DEMO-1").comments if c.get("properties")]
    assert "could not carry out" in json.dumps(comment)
    assert "internal-host.example" not in json.dumps(comment)


def test_newest_secret_signs_and_the_one_before_once_more_on_401(
    site: Jira, worker: Worker, clock: Clock, wire: Wire, all_runs: Runs
) -> None:
    """Jira has many machines: one may not know yet what another has proven."""
    site.add_post_function(START, rule())
    old = site.site.shared_secret
    clock.advance(timedelta(seconds=1))
    mishaps.rotate_secret(site, {})
    Prover(runtime=worker.runtime).prove()
    move(site)
    site.deliver_pending()
    site.site.shared_secret = old

    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    statuses = [e.status for e in site.traffic.newest() if e.direction == "to Jira"]
    assert statuses.count(401) == 3
    del wire


def test_audit_says_which_call_was_verified(
    site: Jira, worker: Worker, runtime: Runtime
) -> None:
    site.add_post_function(START, rule())
    move(site)
    site.deliver_pending()
    worker.drain()

    with runtime.sessions.begin() as session:
        events = session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
        kinds = [event.kind for event in events]
        accepted = next(e for e in events if e.kind == "verification-accepted")
        assert accepted.facts["secret_generation"] == 1
        assert accepted.detail == audit.canonical(accepted.facts)
    assert kinds[-2:] == ["verification-accepted", "run-succeeded"]
