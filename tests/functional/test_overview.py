"""The overview: how the site is, what to do next, and what it all came to."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import figures
from app.destinations import Destination, DestinationHealth, DestinationState
from app.http import Response
from app.rules import KnownRule
from app.runs import Run, RunState, Why
from app.runtime import Runtime
from app.tenants import Tenant
from app.tokens.checks import Reason
from app.watchdog import Watchdog
from app.web import words
from app.worker import Worker
from sandbox import Jira, mishaps
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import dispatch, gate, lost
from tests.functional.old_runs import OldRuns, tenant
from tests.functional.opening import START, carried_out, listed, page_at, shown

Sessions = sessionmaker[Session]
TRIGGERED = "/post-function/triggered"
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def watchdog(runtime: Runtime) -> Watchdog:
    return Watchdog(runtime=runtime)


@pytest.fixture
def own(sessions: Sessions, caller: Caller) -> OldRuns:
    """Return what adds runs to the site that looks."""
    del caller
    with sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
    return OldRuns(sessions=sessions, tenant_id=tenant_id)


def health(page: str) -> str:
    """Return the sentence that says how the site is."""
    [found] = re.findall(r'<h2 id="health">(.*?)</h2>', page)
    return str(found).replace("&#39;", "'")


def next_thing(page: str) -> str | None:
    found = re.findall(r'id="next"[^>]* href="([^"]*)"', page)
    return found[0].replace("&amp;", "&") if found else None


def summaries(page: str) -> list[str]:
    """Return what the charts say to who does not see them."""
    return re.findall(r'role="img" aria-label="([^"]*)"', page)


def table(page: str, chart: str) -> list[list[str]]:
    """Return the numbers of a chart's table, its totals last."""
    part = page.split(f'id="table-{chart}"')[1].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", part)[1:]
    return [re.findall(r"<td>(.*?)</td>", line) for line in lines]


# --- the first steps


def test_new_site_is_told_the_three_steps_instead_of_empty_charts(
    caller: Caller,
) -> None:
    page = shown(caller)

    assert health(page).startswith("Countersign is installed, and no workflow has")
    assert "Three steps to begin with" in page
    assert page.count(">Done<") == 0
    assert '<svg class="plot"' not in page
    assert "Not proven yet" in page
    assert "Number 1, in use since" in page
    assert "None. A refused call changes nothing" in page


def test_steps_that_are_done_are_ticked(
    caller: Caller, watchdog: Watchdog, own: OldRuns, clock: Clock
) -> None:
    caller.jira.add_post_function(START, rule())
    watchdog.watch()
    with own.sessions.begin() as session:
        session.add_all(destination(own.tenant_id, "Deployer", clock))

    page = shown(caller)

    assert health(page).startswith("A rule is in place, and no issue has gone")
    assert page.count(">Done<") == 2


def test_first_run_ends_the_steps_and_brings_the_charts(
    caller: Caller, worker: Worker
) -> None:
    carried_out(caller, worker, rule({"do": "add-label", "label": "started"}))

    page = shown(caller)

    assert "Three steps" not in page
    assert ">Connected<" in page
    assert "1 call was verified and 1 run succeeded" in health(page)
    assert "verified 1, seen before 0, refused 0." in summaries(page)[0]
    assert (
        "succeeded 1, nothing to do 0, unconfirmed 0, failed 0." in summaries(page)[1]
    )
    assert table(page, "calls") == [["1", "0", "0"], ["1", "0", "0"]]


# --- how the site is, each from what really happens


def test_jira_that_refuses_us_comes_first_and_leads_to_the_re_install(
    caller: Caller, watchdog: Watchdog, own: OldRuns, clock: Clock
) -> None:
    own.add(clock(), state=RunState.FAILED)
    caller.jira.refuses_addon = True
    watchdog.watch()
    caller.jira.refuses_addon = False

    page = shown(caller)
    assert health(page) == "Jira accepts no call of Countersign's."
    assert next_thing(page) == "https://acme.atlassian.net/plugins/servlet/upm"
    assert "Jira has refused them since" in page

    caller.later(minutes=5)
    watchdog.watch()
    assert "accepts no call" not in shown(caller)


def test_watchdog_that_does_not_look_is_said(
    caller: Caller, watchdog: Watchdog
) -> None:
    watchdog.watch()
    assert "not looked" not in shown(caller)

    caller.later(hours=1)

    assert health(shown(caller)) == (
        "The watchdog has not looked after held issues lately."
    )


def known_gate(caller: Caller, watchdog: Watchdog) -> None:
    caller.jira.add_post_function("Dispatch", gate())
    watchdog.watch()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"overdue": 7}, "7 issues are past the deadline of their hold."),
        (
            {"watch_stopped_because": "too many"},
            "The watchdog has stopped for “Deploy”.",
        ),
        (
            {"unsound_because": "“Deployed” (81) is open to others"},
            "The gate of “Deploy” is open.",
        ),
    ],
)
def test_rule_in_trouble_is_named_with_why(
    caller: Caller,
    watchdog: Watchdog,
    own: OldRuns,
    clock: Clock,
    values: dict[str, object],
    sentence: str,
) -> None:
    known_gate(caller, watchdog)
    own.add(clock())
    if "watch_stopped_because" in values:
        values = values | {"watch_stopped_at": clock()}
    with own.sessions.begin() as session:
        session.execute(sa.update(KnownRule).values(**values))

    page = shown(caller)

    assert health(page) == sentence
    assert next_thing(page) == "#/rules"
    because = values.get("watch_stopped_because", values.get("unsound_because", "7"))
    assert str(because)[1:] in page.partition('id="watch-head"')[2]


def test_open_gate_is_found_by_the_watchdog_and_named(
    caller: Caller, watchdog: Watchdog
) -> None:
    known_gate(caller, watchdog)
    lost(caller.jira)
    caller.later(minutes=1)
    watchdog.watch()

    page = shown(caller)

    assert "Gate is open" in page
    assert "“Deployed” (81)" in page


def test_rescue_is_told_with_a_link_to_its_run(
    caller: Caller,
    watchdog: Watchdog,
    worker: Worker,
    all_runs: Callable[[], list[Run]],
) -> None:
    known_gate(caller, watchdog)
    lost(caller.jira)
    watchdog.watch()
    for _ in range(7):
        caller.later(minutes=5)
        watchdog.watch()
    worker.drain()

    page = shown(caller)

    [run] = all_runs()
    assert f'href="#/runs/{run.id}">DEMO-1, by “Deploy”</a>' in page
    assert "<dd>1 in the last 24 hours</dd>" in page


def test_run_that_needs_an_answer_is_the_next_thing_to_do(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    own.add(clock(), state=RunState.AMBIGUOUS)

    page = shown(caller)

    assert health(page) == "One run needs your answer."
    assert next_thing(page) == "#/runs?state=ambiguous"


def destination(
    tenant_id: uuid.UUID, name: str, clock: Clock, **health: object
) -> list[object]:
    """Return the rows of a destination; what is not said of it is as when new."""
    id_ = uuid.uuid4()
    state = health.pop("state", DestinationState.ACTIVE)
    values: dict[str, object] = {
        "name": name,
        "kind": "webhook",
        "state": state,
        "url": "https://deployer.example/hook",
        "signing": "key-set",
        "audience": "a",
        "header_names": [],
        "project_ids": ["10000"],
        "environment": "",
        "pace": "notify",
        "honours_delivery_id": True,
        "per_minute": 60,
        "is_protected": False,
        "created_at": clock(),
        "changed_at": clock(),
    }
    of_it = {"tokens": 1.0, "filled_at": clock()} | health
    return [
        Destination(id=id_, tenant_id=tenant_id, **values),
        DestinationHealth(destination_id=id_, tenant_id=tenant_id, **of_it),
    ]


@pytest.mark.parametrize(
    ("member", "sentence", "lozenge"),
    [
        ("state", "“Deployer” was disabled.", ">Disabled<"),
        ("open_until", "“Deployer” is not reached now.", ">Not reached now<"),
        ("failing_since", "“Deployer” is failing.", ">Failing<"),
    ],
)
def test_destination_in_trouble_is_named_and_stands_first(
    caller: Caller,
    own: OldRuns,
    clock: Clock,
    member: str,
    sentence: str,
    lozenge: str,
) -> None:
    ahead = clock() + timedelta(minutes=1)
    values = {
        "state": DestinationState.DISABLED,
        "open_until": ahead,
        "failing_since": clock(),
    }
    own.add(clock())
    with own.sessions.begin() as session:
        for name, trouble in (("Archive", {}), ("Deployer", {member: values[member]})):
            session.add_all(destination(own.tenant_id, name, clock, **trouble))

    page = shown(caller)

    assert health(page) == sentence
    assert re.search(r"^#/destinations/[0-9a-f-]{36}$", next_thing(page) or "")
    assert lozenge in page
    assert page.index(">Deployer<") < page.index(">Archive<")


def test_paused_destination_is_no_trouble(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    own.add(clock())
    paused = {"state": DestinationState.PAUSED, "failing_since": clock()}
    with own.sessions.begin() as session:
        session.add_all(destination(own.tenant_id, "Deployer", clock, **paused))

    assert "Deployer" not in health(shown(caller))


def test_t13_proven_refusal_is_shown_as_a_fact(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    own.add(clock())
    token = caller.url_bound("POST", TRIGGERED)
    caller.later(minutes=10)
    assert caller.send("POST", TRIGGERED, token=token, body={}).status == 401

    page = shown(caller)

    assert health(page).startswith("One call of this site was refused")
    assert next_thing(page) == "#/log?what=refused&period=24h"
    assert words.REASONS[Reason.EXPIRED] in page
    assert "check the clocks" in page
    assert "claimed to be from this site" not in page
    assert "refused 1." in summaries(page)[0]


def test_t13_unproven_refusals_are_counted_and_marked_as_claimed(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    own.add(clock())
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
    assert "refused 0." in summaries(page)[0]
    assert "refused" not in health(page)


def test_failed_runs_are_said_when_nothing_worse_is_wrong(
    caller: Caller, worker: Worker
) -> None:
    carried_out(caller, worker, rule({"do": "transition-issue", "transition": "Fly"}))

    page = shown(caller)

    assert health(page).startswith("One run failed in the last 24 hours")
    assert next_thing(page) == "#/runs?state=failed&period=24h"
    assert ">Failed<" in page
    assert words.WHYS[Why.STEP_FAILED] in page


# --- charts


def test_charts_have_the_same_numbers_before_and_after_they_are_counted(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    for hour, state in enumerate((RunState.SUCCEEDED, RunState.FAILED) * 2):
        own.add(clock() + timedelta(hours=hour), state=state)
    caller.later(hours=4)
    before = shown(caller)
    assert table(before, "ends")[-1] == ["2", "0", "0", "2"]
    assert len(table(before, "ends")) == 5

    with own.sessions.begin() as session:
        assert not figures.count_up(session, own.tenant_id, now=clock())

    assert shown(caller) == before


def test_week_adds_six_hours_to_a_bar(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    for days in (0, 3, 6, 8):
        for hours in (0, 1):
            own.add(clock() - timedelta(days=days, hours=hours))

    day = page_at(caller, "overview?span=24h")
    week = page_at(caller, "overview?span=7d")

    assert day == shown(caller) == page_at(caller, "overview?span=forever")
    assert table(day, "ends")[-1] == ["2", "0", "0", "0"]
    assert table(week, "ends")[-1] == ["6", "0", "0", "0"]
    assert re.search(r'id="span-7d"[^>]* aria-current="true"', week)
    assert "from=2026-11-23T12%3A00%3A00Z&amp;to=" in week


def test_quiet_site_has_flat_charts_with_a_sentence(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    own.add(clock() - timedelta(days=9))

    page = shown(caller)

    assert health(page) == (
        "Nothing is wrong, and nothing happened in the last 24 hours."
    )
    assert page.count("There is nothing to draw in the last 24 hours.") == 3
    assert page.count('<svg class="plot"') == 3


# --- the page as a whole


def test_latest_five_runs_are_shown_with_links_to_all_of_them(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    added = [own.add(clock() + timedelta(seconds=n)) for n in range(7)]

    page = shown(caller)

    assert listed(page) == added[:1:-1]
    assert f'href="#/runs/{added[-1]}"' in page


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


def test_waiting_run_says_when_its_next_try_is(
    caller: Caller, worker: Worker, wire: Wire
) -> None:
    wire.before = [Response(status=503)]

    carried_out(caller, worker, rule())

    assert re.search(r"Next try at <time datetime=", shown(caller))


def test_disabled_app_is_shown_as_such(caller: Caller, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        session.scalars(sa.select(Tenant)).one().enabled = False

    assert "Disabled in Jira" in shown(caller)


def test_t15_names_are_text_and_never_markup(
    caller: Caller, worker: Worker, watchdog: Watchdog, sessions: Sessions
) -> None:
    caller.jira.add_post_function("Dispatch", gate(name=NASTY))
    watchdog.watch()
    dispatch(caller.jira)
    caller.jira.deliver_pending()
    worker.drain()
    with sessions.begin() as session:
        session.execute(sa.update(KnownRule).values(unsound_because=NASTY))

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


def test_t5_nothing_of_another_site_is_on_the_page(
    caller: Caller, own: OldRuns, clock: Clock
) -> None:
    bare = shown(caller)
    with own.sessions.begin() as session:
        other = OldRuns(sessions=own.sessions, tenant_id=tenant(session, clock()))
        failing = destination(
            other.tenant_id, "Theirs", clock, state=DestinationState.DISABLED
        )
        session.add_all(failing)
    for state in (RunState.FAILED, RunState.AMBIGUOUS):
        other.add(clock(), state=state)

    assert shown(caller) == bare


def test_t10_overview_is_for_jira_administrators(caller: Caller) -> None:
    path = "/api/v1/pages/overview"

    for user in ("dee", "vic"):
        assert caller.send("GET", path, token=caller.context(user)).status == 403
    assert caller.send("GET", path).status == 401
