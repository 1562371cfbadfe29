"""The views of the configuration page in Jira's frame: what a person does on each."""

import json
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.answers import answered, silent
from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import Stack

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


def test_new_run_appears_and_the_persons_place_is_kept(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config("Runs")
    rows = desk.runs("")
    expect(rows.first.get_by_text("Succeeded")).to_be_visible()
    known = rows.count()
    link = rows.first.locator(".row-link")
    link.focus()
    link_id = link.get_attribute("id")

    make_a_run(desk)

    expect(rows).to_have_count(known + 1)
    expect(desk.frame.locator("#announcer")).to_have_text("One new run.")
    expect(desk.frame.locator(f'[id="{link_id}"]')).to_be_focused()
    expect(rows.first).to_contain_text("Label <b>it</b>")
    assert desk.faults == []


def test_runs_are_filtered_and_the_filter_stands_in_the_address(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config("Runs")
    state = desk.frame.get_by_label("State")
    state.select_option("succeeded")

    expect(desk.frame.get_by_label("State")).to_be_focused()
    expect(desk.frame.get_by_role("link", name="Clear all filters")).to_be_visible()
    assert desk.hash() == "#/runs?state=succeeded"
    issue = desk.frame.get_by_label("Issue", exact=True)
    issue.fill("demo-2")
    issue.press("Enter")
    expect(desk.frame.get_by_label("Issue", exact=True)).to_be_focused()
    expect(desk.runs("DEMO-2").first).to_be_visible()
    expect(desk.runs("").filter(has_not_text="DEMO-2")).to_have_count(0)
    issue.fill("NONE-1")
    issue.press("Enter")
    expect(desk.frame.get_by_text("No run matches")).to_be_visible()

    desk.frame.get_by_role("link", name="Clear all filters").first.click()
    expect(desk.frame.get_by_label("State")).to_have_value("")
    expect(desk.runs("").first).to_be_visible()
    assert desk.faults == []


def test_each_attempt_of_a_step_is_told(desk: Desk, stack: Stack) -> None:
    make_a_run(desk, "DEMO-3")
    desk.open_config("Runs")
    row = desk.runs("DEMO-3").first
    expect(row.get_by_text("Succeeded")).to_be_visible()
    add_an_attempt(stack, row.get_attribute("data-item") or "")

    timeline = desk.open_run("DEMO-3")

    expect(timeline.get_by_text("2 attempts, the last at")).to_be_visible()
    expect(timeline.get_by_text("did not happen this time, HTTP 429")).to_be_visible()
    assert desk.faults == []


def test_person_answers_for_a_step_that_nobody_can_tell_of(
    desk: Desk, stack: Stack
) -> None:
    make_a_run(desk, "DEMO-3")
    desk.open_config("Runs")
    row = desk.runs("DEMO-3").first
    expect(row.get_by_text("Succeeded")).to_be_visible()
    make_unclear(stack, row.get_attribute("data-item") or "")
    expect(row.get_by_text("Needs your answer")).to_be_visible()
    desk.open_run("DEMO-3")

    desk.frame.get_by_role("button", name="It happened").press("Enter")

    expect(desk.frame.locator("#announcer")).to_contain_text("Noted")
    head = desk.frame.locator(".page-head")
    expect(head.get_by_text("Succeeded")).to_be_visible()
    assert desk.faults == []


def test_details_and_answers_stay_while_the_log_grows(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config("Verification log")
    rows = desk.frame.locator("tr[data-item]")
    row = rows.filter(has_text="verified").first
    event = row.get_attribute("data-item")
    row.get_by_text("Facts").click()
    facts = desk.frame.locator(f'[data-item="{event}"] details dl')
    expect(facts).to_be_visible()
    desk.frame.get_by_role("button", name="Verify the log").press("Enter")
    answer = desk.frame.locator("#test-result")
    expect(answer).to_contain_text(re.compile("whole|to verify yet"))
    newest = rows.first.get_attribute("data-item") or ""

    make_a_run(desk)

    expect(desk.frame.locator("#announcer")).to_have_text(re.compile("new event"))
    expect(rows.first).not_to_have_attribute("data-item", newest)
    expect(facts).to_be_visible()
    expect(answer).to_contain_text(re.compile("whole|to verify yet"))
    assert desk.faults == []


def test_log_is_filtered_and_downloaded_as_it_is_filtered(
    desk: Desk, tmp_path: Path
) -> None:
    desk.ask("mishaps/expired-token", {"issue": "DEMO-4"})
    desk.open_config("Verification log")
    desk.frame.get_by_label("What").select_option(label="Refused calls")
    expect(desk.frame.get_by_label("What")).to_be_focused()
    rows = desk.frame.locator("tr[data-item]")
    expect(rows.filter(has_not_text="Refused")).to_have_count(0)
    expect(rows.first).to_contain_text("Its token had expired.")

    with desk.page.expect_download() as downloading:
        desk.frame.get_by_role("button", name="Download CSV").press("Enter")
    file = tmp_path / "log.csv"
    downloading.value.save_as(file)

    lines = file.read_text().splitlines()
    assert len(lines) == 1 + rows.count()
    assert all("verification-refused" in line for line in lines[1:])
    assert desk.faults == []


def test_rule_is_paused_and_goes_on(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config("Rules")
    card = desk.frame.locator(".card").filter(has_text="Label <b>it</b>")
    expect(card).to_contain_text("add the label “seen”")
    pause = re.compile("^Pause")
    card.get_by_role("button", name=pause).press("Enter")
    expect(card.locator(".lozenge", has_text="Paused")).to_be_visible()

    card.get_by_role("button", name=re.compile("^Resume")).press("Enter")
    expect(card.locator(".lozenge", has_text="Paused")).to_have_count(0)
    card.get_by_text("Rule as JSON").click()
    shown = card.locator("textarea, input[readonly]").first
    assert json.loads(shown.input_value())["name"] == "Label <b>it</b>"
    assert desk.faults == []


def test_rule_of_another_site_is_pasted_into_the_editor(desk: Desk) -> None:
    desk.open_editor("Touch")
    desk.frame.get_by_text("Paste a rule from elsewhere").click()
    desk.frame.locator("#pasted").fill(json.dumps(RULE | {"name": "From elsewhere"}))
    desk.frame.get_by_role("button", name="Fill the form").press("Enter")

    name = desk.frame.get_by_label("Name").first
    expect(name).to_have_value("From elsewhere")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_contain_text("It will add the label “seen”.")
    desk.push("Add")
    expect(desk.page.get_by_role("button", name="Publish draft")).to_be_visible()
    assert desk.faults == []


def test_settings_are_judged_saved_and_kept(desk: Desk) -> None:
    desk.open_config("Settings")
    days = desk.frame.get_by_label("Runs, in days")
    days.fill("3")
    desk.frame.get_by_role("button", name="Save changes").press("Enter")
    expect(days).to_have_attribute("aria-invalid", "true")
    expect(days).to_be_focused()

    days.fill("60")
    desk.frame.get_by_role("button", name="Save changes").press("Enter")
    expect(desk.frame.locator("#announcer")).to_have_text("Saved.")
    desk.open_config("Settings")
    expect(desk.frame.get_by_label("Runs, in days")).to_have_value("60")
    assert desk.faults == []


def test_overview_leads_to_what_it_counts(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config()
    desk.frame.get_by_role("link", name="7 days").click()
    expect(desk.frame.locator(".plot").first).to_be_visible()
    assert desk.hash() == "#/overview?span=7d"
    expect(desk.frame.locator("#views a").first).to_have_attribute(
        "aria-current", "page"
    )
    assert desk.faults == []


def test_times_are_the_viewers_with_utc_at_hand(desk: Desk) -> None:
    make_a_run(desk)
    desk.open_config("Runs")

    time = desk.runs("").first.locator("time")
    expect(time).to_have_attribute("title", re.compile(r"^20\d\d-.* UTC$"))
    expect(time).not_to_contain_text("UTC")


def test_page_says_that_it_is_out_of_date_and_recovers(desk: Desk) -> None:
    desk.open_config("Runs")
    with answered(desk.page, "**/api/v1/pages/runs", silent):
        expect(desk.frame.locator("#trouble")).to_be_visible()

    expect(desk.frame.locator("#trouble")).to_be_hidden()


def test_address_of_anybodys_making_opens_no_other_page(desk: Desk) -> None:
    """Attack: a link to our page whose hash names another address of ours."""
    desk.open_config("Runs")
    ours = desk.page.frames[-1]
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))

    for made in ("#/../../downloads/x", "#/runs/../settings", "#//evil.example/x"):
        ours.evaluate("hash => { location.hash = hash; }", made)
        expect(desk.frame.locator("#views a").first).to_have_attribute(
            "aria-current", "page"
        )

    paths = [url.partition("/api/v1/")[2] for url in asked if "/api/v1/" in url]
    assert set(paths) <= {"pages/overview", "pages/runs"}
    assert not any("evil" in url for url in asked)


def test_page_is_refused_to_others_in_words(desk: Desk) -> None:
    desk.sign_in("Vic Viewer")
    desk.open("/apps/")
    desk.page.get_by_role("link", name="Configure").click()

    heading = desk.frame.get_by_role("heading", name="This page is for Jira admin")
    expect(heading).to_be_visible()


def make_unclear(stack: Stack, run_id: str) -> None:
    """Leave the run as a worker leaves it whose look decided nothing."""
    key = run_id.replace("-", "")
    with closing(sqlite3.connect(database(stack), timeout=10)) as file, file:
        file.execute(
            "UPDATE run SET state = 'ambiguous', why = 'cannot-tell' WHERE id = ?",
            (key,),
        )
        file.execute("UPDATE run_step SET state = 'ambiguous' WHERE run_id = ?", (key,))


def add_an_attempt(stack: Stack, run_id: str) -> None:
    """Let the run's step have been tried in vain before."""
    with closing(sqlite3.connect(database(stack), timeout=10)) as file, file:
        file.execute(
            "INSERT INTO attempt (id, tenant_id, run_step_id, begun_at, settled_at,"
            " outcome, status, message, issue_id)"
            " SELECT ?, tenant_id, run_step_id, datetime(begun_at, '-2 seconds'),"
            " settled_at, 'retry', 429, 'Jira answered 429: Later.', issue_id"
            " FROM attempt WHERE run_step_id IN"
            " (SELECT id FROM run_step WHERE run_id = ?)",
            (uuid.uuid4().hex, run_id.replace("-", "")),
        )


def database(stack: Stack) -> Path:
    return stack.processes[0].log.parent / "countersign.sqlite"
