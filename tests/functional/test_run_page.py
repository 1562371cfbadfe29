"""A run's page: from Jira's call to the last step, every attempt, in words."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audit import AuditEvent
from app.http import Response
from app.runs import Attempt, Run, RunState, RunStep, StepState, Why
from app.runtime import Runtime
from app.watchdog import Watchdog
from app.web import words
from app.worker import Worker
from sandbox import Jira, mishaps, people
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import gate, lost, shut
from tests.functional.opening import (
    START,
    carried_out,
    fetched,
    listed,
    page_at,
    post,
    run_shown,
)

NASTY = "<img src=x onerror=alert(1)>"
FLY = {"do": "transition-issue", "transition": "Fly"}
LABEL = {"do": "add-label", "label": "later"}

Runs = Callable[[], list[Run]]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def headings(page: str) -> list[str]:
    """Return what happened, in the order in which the page tells it."""
    timeline = page.partition('<ol class="timeline"')[2].partition("</ol>")[0]
    return [text.strip() for text in re.findall(r"<h2>(.*?)</h2>", timeline)]


def standings(page: str) -> list[str]:
    """Return how the steps of a run stand."""
    steps = re.findall(r"<li [^>]*data-step=.*?</h2>(.*?)</span>", page)
    return [step.rpartition(">")[2] for step in steps]


def test_run_is_told_from_the_call_to_the_end(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule({"do": "add-label", "label": "started"}))

    page = run_shown(caller)

    assert headings(page) == [
        "Jira called, and the call was verified",
        "Jira confirmed the change",
        "The rule",
        "Add the label “started”",
        "The end",
    ]
    assert "https://acme.atlassian.net/browse/DEMO-1" in page
    assert "To Do → In Progress" in page
    assert "“Start progress” of the workflow “DEMO: Delivery workflow”" in page
    assert f"<code>{people.named('ada').account_id}</code>" in page
    assert "It will add the label “started”." in page
    assert "Attempt 1" in page
    assert 'id="live"' not in page  # nothing of it will change any more


def test_verification_is_told_as_the_audit_keeps_it(
    caller: Caller, worker: Worker, clock: Clock
) -> None:
    caller.jira.add_post_function(START, rule())
    caller.jira.set_status("DEMO-1", "To Do")
    caller.jira.transition("DEMO-1", START)
    clock.advance(timedelta(seconds=7))
    caller.jira.deliver_pending()
    worker.drain()

    page = run_shown(caller)

    assert "A transition&#39;s call" in page
    assert re.search(r"Issued <time datetime=\"2026-11-23T12:00:0\dZ\"", page)
    assert re.search(r"\d s old when it came, good until <time", page)
    assert "<code>qsh</code> matched" in page
    assert "With shared secret number 1" in page


def test_verification_that_the_audit_forgot_is_not_made_up(
    caller: Caller, worker: Worker, runtime: Runtime
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.execute(sa.delete(AuditEvent))

    page = run_shown(caller)

    assert "The record of its verification is no longer kept." in page
    assert "old when it came" not in page


def test_each_of_two_runs_of_one_moment_has_its_own_verification(
    caller: Caller, worker: Worker, runtime: Runtime
) -> None:
    caller.jira.add_post_function(START, rule(id="r_other"))
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        kinds = AuditEvent.kind == "verification-accepted"
        first = session.scalars(sa.select(AuditEvent).where(kinds)).first()
        assert first is not None
        session.delete(first)
        forgotten = uuid.UUID(str(first.facts["run"]))

    pages = {run: page_at(caller, f"runs/{run}") for run in listed_now(caller)}

    assert len(pages) == 2
    told = {run for run, page in pages.items() if "old when it came" in page}
    assert told == set(pages) - {forgotten}


def listed_now(caller: Caller) -> list[uuid.UUID]:
    return listed(page_at(caller, "runs"))


def test_time_it_took_is_counted_from_jiras_transition(
    caller: Caller, worker: Worker, clock: Clock
) -> None:
    caller.jira.add_post_function(START, rule())
    caller.jira.set_status("DEMO-1", "To Do")
    caller.jira.transition("DEMO-1", START)
    clock.advance(timedelta(minutes=2, seconds=5))
    caller.jira.deliver_pending()
    worker.drain()

    page = run_shown(caller)

    assert "It took <strong>2 min 5 s</strong> since Jira&#39;s transition." in page


def test_failed_run_says_why_and_what_the_rule_did_then(
    caller: Caller, worker: Worker
) -> None:
    shows = {"mode": "report", "comment": True}

    carried_out(caller, worker, rule(FLY, on_failure=shows))

    page = run_shown(caller)
    assert headings(page)[3:] == [
        "Move the issue by “Fly”",
        "It turned to what the rule does on failure",
        "Add a comment",
        "The end",
    ]
    assert standings(page) == ["Failed", "Done"]
    assert words.WHYS[Why.STEP_FAILED] in page
    assert "Step 1 (Move the issue) failed: the issue has no transition “Fly”" in page
    assert "did not happen:" not in page


def test_failure_that_could_not_be_shown_on_the_ticket_is_told_at_once(
    caller: Caller, worker: Worker
) -> None:
    nowhere = {"mode": "compensate", "transition": "Nowhere", "comment": False}

    carried_out(caller, worker, rule(FLY, on_failure=nowhere))

    for page in (run_shown(caller), page_at(caller, "runs")):
        assert "On failure, this did not happen: Move the issue by “Nowhere”." in page
        assert "The issue has no transition “Nowhere”" in page


def test_steps_that_a_failed_run_never_came_to_were_not_reached(
    caller: Caller, worker: Worker
) -> None:
    carried_out(caller, worker, rule(FLY, LABEL, on_success={"transition": "Done"}))

    assert standings(run_shown(caller)) == ["Failed", "Not reached", "Not reached"]


def test_steps_of_a_run_under_way_are_to_do_and_the_page_lives(
    caller: Caller, worker: Worker, runtime: Runtime
) -> None:
    carried_out(caller, worker, rule(LABEL, LABEL))
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=RunState.RUNNING))
        session.execute(
            sa.update(RunStep)
            .where(RunStep.position == 1)
            .values(state=StepState.PENDING)
        )

    page = run_shown(caller)

    assert standings(page) == ["Done", "To do"]
    assert headings(page)[-1] == "It is under way"
    assert 'id="live"' in page


@pytest.mark.parametrize(
    ("state", "tried", "said"),
    [
        (StepState.BEGUN, True, "Unclear"),
        (StepState.PENDING, True, "Failed"),
        (StepState.PENDING, False, "Not reached"),
    ],
)
def test_nothing_is_under_way_in_a_run_that_ended_failed(
    caller: Caller,
    worker: Worker,
    runtime: Runtime,
    state: StepState,
    *,
    tried: bool,
    said: str,
) -> None:
    """As when its site left, or its worker died again and again."""
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=RunState.FAILED))
        session.execute(sa.update(RunStep).values(state=state))
        if not tried:
            session.execute(sa.delete(Attempt))

    assert standings(run_shown(caller)) == [said]


def test_failed_tries_are_told_of_a_step_that_succeeded_in_the_end(
    caller: Caller, worker: Worker, wire: Wire, clock: Clock
) -> None:
    answer = Response(status=429, body=b'{"errorMessages": ["Later."]}')
    wire.before = [None, None, answer]
    carried_out(caller, worker, rule())
    clock.advance(timedelta(minutes=5))
    worker.drain()

    page = run_shown(caller)

    assert standings(page) == ["Done"]
    assert re.search(r"<summary>2 attempts, the last at <time[^<]*</time>: done<", page)
    assert "did not happen this time, HTTP 429" in page
    assert "Jira answered 429: Later." in page


def test_broken_rule_is_named_with_its_keys(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule(mood="good"))

    page = run_shown(caller)

    assert "mood: this key is unknown." in page
    assert "It cannot be read." in page


def test_waiting_run_says_until_when_and_why(
    caller: Caller, worker: Worker, wire: Wire
) -> None:
    wire.before = [Response(status=503)]

    carried_out(caller, worker, rule())

    page = run_shown(caller)
    assert headings(page)[1:] == [
        "Jira is asked whether it is so",
        "The rule, as the call carried it",
        "It rests",
    ]
    assert re.search(r"Next try <time [^>]*data-relative[^<]*</time>, at <time", page)
    assert "503" in page
    assert 'id="live"' in page


def test_t1_unconfirmed_run_shows_only_claims(caller: Caller, worker: Worker) -> None:
    caller.jira.add_post_function(START, rule())
    mishaps.cause(caller.jira, "swapped-body", {"issue": "DEMO-1"})
    worker.drain()

    page = run_shown(caller)

    assert "Jira did not confirm the change" in headings(page)
    assert "What the call said, which nothing proves:" in page
    assert re.search(r"Id \d+, claimed", page)
    assert "No step was begun." in page
    assert "/browse/" not in page


def test_rescue_begins_with_the_watchdogs_look(
    caller: Caller, runtime: Runtime, worker: Worker, clock: Clock
) -> None:
    watchdog = Watchdog(runtime=runtime)
    caller.jira.add_post_function("Dispatch", gate())
    shut(caller.jira)
    watchdog.watch()
    clock.advance(timedelta(minutes=1))
    lost(caller.jira)
    for _ in range(7):
        clock.advance(timedelta(minutes=5))
        watchdog.watch()
    worker.drain()

    page = run_shown(caller)

    assert headings(page)[0] == "The watchdog found the issue held"
    assert words.WHYS[Why.NEVER_HEARD].replace("'", "&#39;") in page
    assert "old when it came" not in page
    assert re.search(r"It took <strong>3\d min", page)
    assert "Move the issue by “Deploy failed”" in headings(page)
    assert "Run again" not in page


def test_replay_and_its_original_lead_to_each_other(
    caller: Caller, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    clock.advance(timedelta(hours=3))
    assert post(caller, f"/api/v1/runs/{all_runs()[0].id}/replay", {}).status == 202
    worker.drain()
    old, new = all_runs()

    page = page_at(caller, f"runs/{new.id}")

    assert headings(page)[0] == "A person wanted it carried out again"
    assert f"<code>{people.named('ada').account_id}</code>" in page
    assert f'href="#/runs/{old.id}"' in page
    assert "since it was wanted again" in page
    assert f'href="#/runs/{new.id}"' in page_at(caller, f"runs/{old.id}")


def test_run_and_the_one_that_set_it_off_lead_to_each_other(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    caller.jira.add_post_function("Send to review", rule(id="r_second"))
    moves = {"do": "transition-issue", "transition": "Send to review"}
    carried_out(caller, worker, rule(moves))
    caller.jira.deliver_pending()
    worker.drain()
    first, second = all_runs()
    assert second.caused_by == first.id

    assert f'href="#/runs/{first.id}"' in page_at(caller, f"runs/{second.id}")
    assert f'href="#/runs/{second.id}"' in page_at(caller, f"runs/{first.id}")


def test_unclear_step_is_put_to_a_person(
    caller: Caller, worker: Worker, runtime: Runtime
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        run = session.scalars(sa.select(Run)).one()
        step = session.scalars(sa.select(RunStep)).one()
        run.state, run.why = RunState.AMBIGUOUS, Why.CANNOT_TELL
        step.state = StepState.AMBIGUOUS
        path = f'data-path="runs/{run.id}/steps/{step.id}/resolve"'

    page = run_shown(caller)

    assert headings(page)[-1] == "It waits for your answer"
    assert page.count(path) == 2
    assert "Countersign asked Jira for this and cannot find out" in page
    assert 'class="needs-answer"' in page_at(caller, "runs")


def test_t15_names_are_text_and_never_markup(caller: Caller, worker: Worker) -> None:
    stored = rule({"do": "transition-issue", "transition": NASTY}, name=NASTY)

    carried_out(caller, worker, stored)

    for page in (run_shown(caller), page_at(caller, "runs")):
        assert "<img" not in page
        assert page.count("&lt;img src=x") >= 2


def test_t13_no_secret_and_no_token_is_on_the_page(
    caller: Caller, worker: Worker
) -> None:
    carried_out(caller, worker, rule())

    for page in (run_shown(caller), page_at(caller, "runs")):
        assert caller.jira.site.shared_secret not in page
        assert caller.jira.site.client_key not in page
        assert "eyJ" not in page


@pytest.mark.parametrize("config", [{"do": "teleport"}, {"do": "add-label"}])
def test_step_that_is_no_longer_understood_is_shown_by_its_name(
    caller: Caller, worker: Worker, runtime: Runtime, config: dict[str, str]
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.scalars(sa.select(RunStep)).one().config = config

    assert config["do"].capitalize() in headings(run_shown(caller))


def test_t5_run_that_is_not_the_sites_is_not_found(caller: Caller) -> None:
    assert fetched(caller, f"runs/{uuid.uuid4()}").status == 404


def test_t10_run_is_for_admins(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule())
    [run] = listed_now(caller)

    assert fetched(caller, f"runs/{run}", user="dee").status == 403
    assert fetched(caller, "runs", user="dee").status == 403
