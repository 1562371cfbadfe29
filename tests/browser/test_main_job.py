"""The main job, by hand in a browser: from the workflow editor to the moved issue."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import CONNECT, FORGE, Stack, both_doors

SIGNED = {
    CONNECT: "With shared secret number 1",
    FORGE: "By Atlassian, for Forge",
}


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.forget_rules()


def save_rule_with_two_steps(desk: Desk) -> None:
    desk.open_editor("Start progress")
    desk.frame.get_by_label("Name").fill("Greet and pass on")
    desk.add_step("Add a comment")
    comment = desk.frame.get_by_role("textbox", name="Comment")
    comment.fill("Countersigned {{ issue.key }}")
    desk.add_step("Move the issue")
    step = desk.frame.locator('[data-step="transition-issue"]')
    step.get_by_role("textbox", name="Transition").fill("Send to review")
    expect(desk.frame.locator("#sentence")).to_have_text(
        "It will add a comment, then move the issue by “Send to review”."
        " If that fails, it comments."
    )
    desk.push("Add")
    desk.page.get_by_role("button", name="Publish draft").click()
    expect(desk.page.get_by_text("The workflow is published.")).to_be_visible()


def move_an_issue(desk: Desk) -> str:
    """Press a transition on the board; return the key of the issue that moves."""
    desk.open("/")
    button = desk.page.get_by_role("button", name=re.compile("^Start progress: ")).first
    key = (button.get_attribute("aria-label") or "").rpartition(" ")[2]
    button.click()
    column = desk.page.get_by_role("region", name="In Review")
    expect(column.get_by_text(key, exact=True)).to_be_visible()
    return key


@both_doors
def test_rule_made_in_the_editor_moves_the_issue_and_is_shown(desk: Desk) -> None:
    save_rule_with_two_steps(desk)
    key = move_an_issue(desk)

    desk.open(f"/browse/{key}")
    expect(desk.page.get_by_text(f"Countersigned {key}")).to_be_visible()

    desk.open_config("Runs")
    run = desk.runs("Greet and pass on").filter(has_text=key)
    expect(run.get_by_text("Succeeded", exact=True)).to_be_visible()
    timeline = desk.open_run("Greet and pass on")
    expect(timeline).to_contain_text("Jira called, and the call was verified")
    expect(timeline).to_contain_text(SIGNED[desk.stack.doors[0]])
    expect(timeline).to_contain_text("Jira confirmed the change")
    expect(timeline).to_contain_text("Move the issue by “Send to review”")

    desk.open_config()
    verified = desk.frame.get_by_role("region", name="Last verified call")
    expect(verified.get_by_text("A transition's call")).to_be_visible()
    expect(desk.frame.get_by_text("Connected")).to_be_visible()
    assert desk.faults == []


RULE = {
    "v": 1,
    "id": "r_pass",
    "name": "Pass on",
    "steps": [{"do": "transition-issue", "transition": "Send to review"}],
}


def test_mishaps_change_nothing(desk: Desk) -> None:
    """Three of them; each is refused or unconfirmed, with its reason."""
    desk.add_rule("Start progress", json.dumps(RULE))
    key = move_an_issue(desk)
    desk.open_config("Runs")
    run = desk.runs("Pass on").filter(has_text=key)
    expect(run.get_by_text("Succeeded", exact=True)).to_be_visible()
    before = desk.issues()

    expired_is_refused(desk, key)
    swapped_is_unconfirmed(desk, key)
    replay_is_seen(desk)

    assert desk.issues() == before
    assert desk.faults == []


def expired_is_refused(desk: Desk, key: str) -> None:
    desk.press("Expired token", key)
    desk.open_config()
    refused = desk.frame.get_by_role("region", name="Last refused call")
    expect(refused.get_by_text("Its token had expired.")).to_be_visible()
    expect(refused.get_by_text("check the clocks")).to_be_visible()


def swapped_is_unconfirmed(desk: Desk, key: str) -> None:
    desk.press("Swapped body", key)
    desk.open_config("Runs")
    run = desk.runs("Unconfirmed")
    expect(run.get_by_text("Jira's history has no such change")).to_be_visible()
    expect(run.get_by_text("claimed")).to_be_visible()


def replay_is_seen(desk: Desk) -> None:
    desk.open_config("Runs")
    expect(desk.runs("").first).to_be_visible()
    known = desk.runs("").count()
    desk.press("Replay", "DEMO-1")
    desk.open_config()
    verified = desk.frame.get_by_role("region", name="Last verified call")
    expect(verified.get_by_text("seen before")).to_be_visible()
    desk.open_config("Runs")
    expect(desk.runs("")).to_have_count(known)
