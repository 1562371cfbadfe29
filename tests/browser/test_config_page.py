"""The configuration page in Jira's frame: it stays current, and keeps one's place."""

import json
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visits
from tests.browser.desk import Desk

RULE = {
    "v": 1,
    "id": "r_config",
    "name": "Label <b>it</b>",
    "steps": [{"do": "add-label", "label": "seen"}],
}


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    desk.add_rule("Reopen", json.dumps(RULE))
    yield desk
    desk.forget_rules()


def make_a_run(desk: Desk, key: str = "DEMO-2") -> None:
    desk.ask(f"issues/{key}/status", {"status": "Done"})
    desk.ask(f"issues/{key}/transition", {"name": "Reopen"})


def test_new_run_appears_and_what_is_open_stays_open(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config()
    runs = desk.frame.locator("tbody[data-run]")
    expect(runs.first.get_by_text("Succeeded")).to_be_visible()
    known = runs.count()
    opener = runs.first.get_by_role("button")
    opener_id = opener.get_attribute("id")
    opener.click()

    make_a_run(desk)

    expect(runs).to_have_count(known + 1)
    expect(desk.frame.locator("#announcer")).to_have_text("One new run.")
    opener = desk.frame.locator(f'[id="{opener_id}"]')
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(opener).to_be_focused()
    expect(runs.nth(1).get_by_text("Attempt 1")).to_be_visible()
    expect(runs.first).to_contain_text("Label <b>it</b>")
    assert desk.faults == []


def test_attempts_are_told_in_one_line_and_stay_open(desk: Desk, stack: Stack) -> None:
    make_a_run(desk, "DEMO-3")
    desk.open_config()
    run = desk.frame.locator("tbody[data-run]").first
    expect(run.get_by_text("Succeeded")).to_be_visible()
    run_id = run.get_attribute("data-run") or ""
    add_an_attempt(stack, run_id)
    run = desk.frame.locator(f'[data-run="{run_id}"]').first
    run.get_by_role("button").click()
    expect(run.get_by_text("Attempt 1")).to_be_hidden()
    run.get_by_text("2 attempts, the last at").click()
    expect(run.get_by_text("did not happen this time, HTTP 429")).to_be_visible()

    make_a_run(desk)

    expect(desk.frame.locator("#announcer")).to_have_text("One new run.")
    expect(run.get_by_text("did not happen this time, HTTP 429")).to_be_visible()
    assert desk.faults == []


def test_times_are_the_viewers_with_utc_at_hand(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config()

    time = desk.frame.locator("time").first
    expect(time).to_have_attribute("title", re.compile(r"^20\d\d-.* UTC$"))
    expect(time).not_to_contain_text("UTC")


def test_page_says_that_it_is_out_of_date_and_recovers(desk: Desk) -> None:
    desk.open_config()
    pattern = "**/api/v1/pages/config"
    desk.page.route(pattern, lambda route: route.abort())
    expect(desk.frame.locator("#trouble")).to_be_visible()

    desk.page.unroute(pattern)
    expect(desk.frame.locator("#trouble")).to_be_hidden()


def test_person_answers_for_a_step_that_nobody_can_tell_of(
    desk: Desk, stack: Stack
) -> None:
    make_a_run(desk, "DEMO-3")
    desk.open_config()
    run = desk.frame.locator("tbody[data-run]").filter(has_text="DEMO-3").first
    expect(run.get_by_text("Succeeded")).to_be_visible()
    run_id = run.get_attribute("data-run") or ""
    make_unclear(stack, run_id)

    run = desk.frame.locator(f'[data-run="{run_id}"]').first
    expect(run.get_by_text("Needs your answer")).to_be_visible()
    run.get_by_role("button", name="It happened").click()

    expect(desk.frame.locator("#announcer")).to_contain_text("Noted")
    expect(run.get_by_text("Succeeded")).to_be_visible()
    assert desk.faults == []


def make_unclear(stack: Stack, run_id: str) -> None:
    """Leave the run as a worker leaves it whose look decided nothing."""
    database = stack.processes[0].log.parent / "countersign.sqlite"
    key = run_id.replace("-", "")
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.execute(
            "UPDATE run SET state = 'ambiguous', why = 'cannot-tell' WHERE id = ?",
            (key,),
        )
        connection.execute(
            "UPDATE run_step SET state = 'ambiguous' WHERE run_id = ?", (key,)
        )


def add_an_attempt(stack: Stack, run_id: str) -> None:
    """Let the run's step have been tried in vain before."""
    database = stack.processes[0].log.parent / "countersign.sqlite"
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.execute(
            "INSERT INTO attempt (id, tenant_id, run_step_id, begun_at, settled_at,"
            " outcome, status, message, issue_id)"
            " SELECT ?, tenant_id, run_step_id, datetime(begun_at, '-2 seconds'),"
            " settled_at, 'retry', 429, 'Jira answered 429: Later.', issue_id"
            " FROM attempt WHERE run_step_id IN"
            " (SELECT id FROM run_step WHERE run_id = ?)",
            (uuid.uuid4().hex, run_id.replace("-", "")),
        )


def test_page_is_refused_to_others_in_words(desk: Desk) -> None:
    desk.open("/")
    desk.page.get_by_label("Signed in as").select_option(label="Vic Viewer")
    expect(desk.page.get_by_label("Signed in as")).to_have_value(re.compile("."))
    desk.open("/apps/")
    desk.page.get_by_role("link", name="Configure").click()

    heading = desk.frame.get_by_role("heading", name="This page is for Jira admin")
    expect(heading).to_be_visible()
