"""Our pages in Forge's Custom UI: what is so through that door only, or might not be.

The main job, the story of the gate and the issue panel are played through both doors
where they are told.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import FORGE, Stack
from tests.browser.test_preview import RULE as PREVIEWED
from tests.browser.test_preview import try_on

pytestmark = pytest.mark.parametrize("stack", [FORGE], indirect=True)

RULE = {
    "v": 1,
    "id": "r_forge",
    "name": "Label it",
    "steps": [{"do": "add-label", "label": "seen"}],
    "on_failure": {"mode": "report", "comment": True},
}
STORED = json.dumps(RULE)


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.cut_wire(on=False)
    desk.ask("clock", {"offset_seconds": 0})
    desk.forget_rules()
    desk.sign_in("Ada Admin")


@pytest.fixture
def switch(desk: Desk) -> Iterator[Callable[[str], None]]:
    """Let Forge be as one of its documents says and the other does not."""
    used: list[str] = []

    def on(name: str) -> None:
        used.append(name)
        desk.ask("forge/settings", {name: True})

    yield on
    desk.ask("forge/settings", dict.fromkeys(used, False))


def kept(desk: Desk) -> list[str]:
    """Return what the published workflows keep of our post functions."""
    workflows = desk.ask("state")["workflows"].values()
    placed = [rules for flow in workflows for rules in flow["live"].values()]
    return [rule["value"] for rules in placed for rule in rules]


def test_nothing_of_connect_is_there(desk: Desk) -> None:
    answer = desk.page.request.get(f"{desk.stack.addon}/atlassian-connect.json")
    assert answer.status == 404
    assert not desk.ask("state")["installed"]

    desk.open_config()
    assert desk.ours().url.startswith(desk.stack.jira.replace("localhost", "127.0.0.1"))
    assert desk.hash() == "#/overview"
    assert desk.faults == []


def test_stored_rule_comes_back_to_be_edited_and_read(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")
    expect(desk.frame.get_by_label("Name")).to_have_value("Label it")
    desk.frame.get_by_role("textbox", name="Label").fill("two")
    expect(desk.frame.locator("#sentence")).to_contain_text("add the label “two”")
    desk.push("Update")
    desk.page.get_by_role("button", name="Publish draft").click()
    expect(desk.page.get_by_text("The workflow is published.")).to_be_visible()

    [value] = kept(desk)
    assert json.loads(value)["steps"] == [{"do": "add-label", "label": "two"}]
    desk.page.get_by_role("link", name="View", exact=True).first.click()
    expect(desk.frame.locator(".sentence")).to_contain_text("add the label “two”")
    assert desk.faults == []


def test_form_that_is_not_complete_is_not_kept(desk: Desk) -> None:
    desk.open_editor("Deploy")
    desk.frame.get_by_label("Name").fill("Comment")
    desk.push("Add")

    expect(desk.frame.locator("#not-saved")).to_contain_text("Not saved yet")
    problems = desk.frame.locator("#other-problems li")
    expect(problems).to_have_text("Add at least one step.")
    assert "/add/" in desk.page.url
    assert kept(desk) == []

    desk.add_step("Add a comment")
    desk.frame.get_by_role("textbox", name="Comment").fill("Hello")
    expect(desk.frame.locator("#sentence")).to_have_attribute("data-state", "complete")
    desk.push("Add")
    expect(desk.page.get_by_text("The post function is on the draft")).to_be_visible()
    desk.page.get_by_role("button", name="Discard").click()
    assert desk.faults == []


def test_jiras_fields_are_offered_by_name(desk: Desk) -> None:
    desk.open_editor("Deploy")

    offered = desk.frame.locator('#jira-fields option[value="customfield_10010"]')
    expect(offered).to_have_attribute("label", "Version")
    assert desk.faults == []


def test_t9_rule_is_tried_on_an_issue_that_the_viewer_sees(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", json.dumps(PREVIEWED)), "/edit")
    before = desk.issues()

    try_on(desk, "DEMO-2")

    result = desk.frame.locator("#try-result")
    expect(result).to_contain_text("The rule would be carried out.")
    expect(result).to_contain_text("Tried on DEMO-2")
    assert desk.issues() == before
    assert desk.faults == []
    try_on(desk, "NOPE-1")
    says = desk.frame.locator("#try-says")
    expect(says).to_contain_text("Jira shows you no such issue")


@pytest.mark.parametrize("reading", ["as built", "hides_status"])
def test_page_is_refused_to_others_in_words(
    desk: Desk, switch: Callable[[str], None], reading: str
) -> None:
    if reading != "as built":
        switch(reading)
    desk.sign_in("Vic Viewer")
    desk.open("/apps/")
    desk.page.get_by_role("link", name="Configure").click()

    heading = desk.frame.get_by_role("heading", name="This page is for Jira admin")
    expect(heading).to_be_visible()
    assert desk.faults == []


def test_page_says_that_we_do_not_answer_and_tries_again(desk: Desk) -> None:
    desk.cut_wire(on=True)
    desk.open("/apps/")
    desk.page.get_by_role("link", name="Configure").click()
    state = desk.frame.get_by_role("heading", name="Countersign does not answer")
    expect(state).to_be_visible()

    desk.cut_wire(on=False)
    desk.frame.get_by_role("button", name="Try again").click()
    expect(desk.frame.get_by_role("heading", name="Connection to Jira")).to_be_visible()
    assert desk.faults == []


def test_page_whose_token_is_refused_says_so(desk: Desk) -> None:
    desk.ask("clock", {"offset_seconds": -600})
    desk.open("/apps/")
    desk.page.get_by_role("link", name="Configure").click()
    ended = desk.frame.get_by_role("heading", name="Your session with Jira has ended")
    expect(ended).to_be_visible()

    desk.ask("clock", {"offset_seconds": 0})
    desk.frame.get_by_role("button", name="Try again").click()
    expect(desk.frame.get_by_role("heading", name="Connection to Jira")).to_be_visible()
    assert desk.faults == []


def test_event_for_another_endpoint_is_told_with_its_reason(desk: Desk) -> None:
    desk.add_rule("Reopen", STORED)
    desk.press("Another endpoint", "DEMO-4")

    desk.open_config()

    refused = desk.frame.get_by_role("region", name="Last refused call")
    expect(refused).to_contain_text("Its token was made for another endpoint")
    expect(refused).to_contain_text("By Atlassian, for Forge; nothing was done")
    assert desk.faults == []


def test_expired_event_is_shown_as_what_somebody_claimed(desk: Desk) -> None:
    desk.add_rule("Reopen", STORED)
    desk.press("Expired invocation", "DEMO-4")

    desk.open_config()

    refused = desk.frame.get_by_role("region", name="Last refused call")
    refused.get_by_text("claimed to be from this site").click()
    expired = refused.get_by_text("Its token had expired.").first
    expect(expired).to_be_visible()
    assert desk.faults == []


@pytest.mark.parametrize("reading", ["as built", "hides_status", "names_page_module"])
def test_problem_of_a_form_stands_at_its_field(
    desk: Desk, switch: Callable[[str], None], reading: str
) -> None:
    if reading != "as built":
        switch(reading)
    desk.open_config("Destinations")
    desk.frame.get_by_role("link", name="Add destination").first.click()
    desk.frame.get_by_label("Name").fill("Nowhere")
    desk.frame.get_by_label("Address").fill("https://nowhere.invalid/x")
    desk.frame.get_by_label("Demo").first.check()
    desk.frame.get_by_role("button", name="Add destination").click()

    problem = desk.frame.locator("#url-problem")
    expect(problem).to_contain_text("The name nowhere.invalid was not found.")
    assert desk.faults == []


def test_log_is_downloaded_in_a_window_of_its_own(desk: Desk, tmp_path: Path) -> None:
    desk.open_config("Verification log")

    with desk.page.context.expect_event("download") as downloading:
        desk.frame.get_by_role("button", name="Download CSV").press("Enter")

    downloading.value.save_as(tmp_path / "log.csv")
    assert "forge-installed" in (tmp_path / "log.csv").read_text()
    assert desk.faults == []
