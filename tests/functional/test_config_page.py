"""The configuration page: the site's connection, its calls and its runs, in words."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app import runs
from app.http import Response
from app.runs import Attempt, Run, RunState, RunStep, StepState, Why
from app.runtime import Runtime
from app.tenants import Tenant
from app.tokens.checks import Reason
from app.web import words
from app.worker import Worker
from sandbox import Jira, mishaps
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import START, call_about, carried_out, shown

TRIGGERED = "/post-function/triggered"
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def test_new_site_is_told_how_to_get_its_first_run(caller: Caller) -> None:
    page = shown(caller)

    assert "Three steps to the first one" in page
    assert "Not proven yet" in page
    assert "Number 1, received" in page
    assert "None yet" in page
    assert "None. A refused call changes nothing" in page


def test_run_is_shown_with_its_steps_and_attempts(
    caller: Caller, worker: Worker
) -> None:
    carried_out(caller, worker, rule({"do": "add-label", "label": "started"}))

    page = shown(caller)

    assert ">Connected<" in page
    assert "https://acme.atlassian.net/browse/DEMO-1" in page
    assert "Test rule" in page
    assert ">Succeeded<" in page
    assert "Add the label “started”" in page
    assert "Attempt 1" in page
    assert "To Do → In Progress by the transition “Start progress”" in page
    assert "A transition&#39;s call" in page
    assert "Three steps" not in page


def test_failed_run_says_why_in_words(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule({"do": "transition-issue", "transition": "Fly"}))

    page = shown(caller)

    assert ">Failed<" in page
    assert words.WHYS[Why.STEP_FAILED] in page
    assert "Step 1 (Move the issue) failed: the issue has no transition “Fly”" in page


def lozenges(page: str, run: int = 0) -> list[str]:
    """Return how the steps of a run stand, the newest run first."""
    trail = page.split('<ol class="trail">')[run + 1].partition("</ol>")[0]
    return re.findall(r'class="lozenge [^"]*">([^<]*)<', trail)


def test_steps_that_a_failed_run_never_came_to_were_not_reached(
    caller: Caller, worker: Worker
) -> None:
    label = {"do": "add-label", "label": "later"}
    broken = {"do": "transition-issue", "transition": "Fly"}
    goal = {"transition": "Done"}

    carried_out(caller, worker, rule(broken, label, on_success=goal))

    assert lozenges(shown(caller)) == ["Failed", "Not reached", "Not reached"]


def test_steps_of_a_run_under_way_are_to_do(
    caller: Caller, worker: Worker, runtime: Runtime
) -> None:
    label = {"do": "add-label", "label": "later"}
    carried_out(caller, worker, rule(label, label))
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=RunState.RUNNING))
        session.execute(
            sa.update(RunStep)
            .where(RunStep.position == 1)
            .values(state=StepState.PENDING)
        )

    assert lozenges(shown(caller)) == ["Done", "To do"]


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

    assert lozenges(shown(caller)) == [said]


def test_failed_tries_are_told_of_a_step_that_succeeded_in_the_end(
    caller: Caller, worker: Worker, wire: Wire, clock: Clock
) -> None:
    answer = Response(status=429, body=b'{"errorMessages": ["Later."]}')
    wire.before = [None, None, answer]
    carried_out(caller, worker, rule())
    clock.advance(timedelta(minutes=5))
    worker.drain()

    page = shown(caller)

    assert lozenges(page) == ["Done"]
    assert re.search(r"<summary>2 attempts, the last at <time[^<]*</time>: done<", page)
    assert "did not happen this time, HTTP 429" in page
    assert "Jira answered 429: Later." in page


def test_failure_that_could_not_be_shown_on_the_ticket_is_told_at_once(
    caller: Caller, worker: Worker
) -> None:
    broken = {"do": "transition-issue", "transition": "Fly"}
    nowhere = {"mode": "compensate", "transition": "Nowhere", "comment": False}

    carried_out(caller, worker, rule(broken, on_failure=nowhere))

    what = shown(caller).partition('class="what">')[2].partition("</td>")[0]
    assert words.WHYS[Why.STEP_FAILED] in what
    assert "On failure, this did not happen: Move the issue by “Nowhere”." in what
    assert "The issue has no transition “Nowhere”" in what


def test_failure_that_the_ticket_shows_is_not_said_to_be_missing(
    caller: Caller, worker: Worker
) -> None:
    broken = {"do": "transition-issue", "transition": "Fly"}
    shows = {"mode": "report", "comment": True}

    carried_out(caller, worker, rule(broken, on_failure=shows))

    page = shown(caller)
    assert lozenges(page) == ["Failed", "Done"]
    assert "did not happen" not in page


def test_broken_rule_is_named_with_its_keys(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule(mood="good"))

    assert "mood: this key is unknown." in shown(caller)


def test_waiting_run_says_when_its_next_try_is(
    caller: Caller, worker: Worker, wire: Wire
) -> None:
    wire.before = [Response(status=503)]

    carried_out(caller, worker, rule())

    page = shown(caller)
    assert ">Received<" in page
    assert re.search(r"Next try at <time datetime=", page)


def test_unconfirmed_run_shows_its_issue_as_a_claim(
    caller: Caller, worker: Worker
) -> None:
    caller.jira.add_post_function(START, rule())
    mishaps.cause(caller.jira, "swapped-body", {"issue": "DEMO-1"})
    worker.drain()

    page = shown(caller)

    assert ">Unconfirmed<" in page
    assert re.search(r"Id \d+, claimed", page)
    assert "/browse/" not in page


def test_t13_proven_refusal_is_shown_as_a_fact(caller: Caller) -> None:
    token = caller.url_bound("POST", TRIGGERED)
    caller.later(minutes=10)
    assert caller.send("POST", TRIGGERED, token=token, body={}).status == 401

    page = shown(caller)

    assert words.REASONS[Reason.EXPIRED] in page
    assert "check the clocks" in page
    assert "claimed to be from this site" not in page


def test_t13_unproven_refusals_are_counted_and_marked_as_claimed(
    caller: Caller,
) -> None:
    for number in range(7):
        token = caller.url_bound("POST", TRIGGERED, secret=f"wrong-{number}" * 8)
        caller.send("POST", TRIGGERED, token=token, body={})
    other = caller.url_bound("POST", TRIGGERED, iss="another-site")
    caller.send("POST", TRIGGERED, token=other, body={})

    page = shown(caller)

    assert "7 calls claimed to be from this site" in page
    assert page.count(">Claimed<") == 5
    assert words.REASONS[Reason.BAD_SIGNATURE].replace("'", "&#39;") in page
    assert "Last refused call</h2> </div> <p" in page  # none that is proven


def test_t15_names_are_text_and_never_markup(caller: Caller, worker: Worker) -> None:
    stored = rule({"do": "transition-issue", "transition": NASTY}, name=NASTY)

    carried_out(caller, worker, stored)

    page = shown(caller)
    assert "<img" not in page
    assert page.count("&lt;img src=x") >= 3


def test_no_secret_and_no_token_is_on_the_page(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule())
    mishaps.cause(caller.jira, "expired-token", {"issue": "DEMO-1"})

    page = shown(caller)

    assert caller.jira.site.shared_secret not in page
    assert caller.jira.site.client_key not in page
    assert "eyJ" not in page


def test_disabled_app_is_shown_as_such(caller: Caller, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        session.scalars(sa.select(Tenant)).one().enabled = False

    assert "Disabled in Jira" in shown(caller)


def test_only_the_last_fifty_runs_are_shown_the_newest_first(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        for number in range(52):
            now = clock() + timedelta(seconds=number)
            assert runs.record(session, call_about(tenant_id, number), now=now)

    found = re.findall(r"Id (\d+), claimed", shown(caller))

    assert found == [str(number) for number in range(51, 1, -1)]


@pytest.mark.parametrize("config", [{"do": "teleport"}, {"do": "add-label"}])
def test_step_that_is_no_longer_understood_is_shown_by_its_name(
    caller: Caller, worker: Worker, runtime: Runtime, config: dict[str, str]
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.scalars(sa.select(RunStep)).one().config = config

    assert f"<strong>{config['do'].capitalize()}</strong>" in shown(caller)
