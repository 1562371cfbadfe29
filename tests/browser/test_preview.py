"""Trying a rule on an issue, and having a run carried out again, in Jira's frame."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import Desk
from tests.browser.stacks import Stack

RULE = {
    "v": 1,
    "id": "r_preview",
    "name": "Try me",
    "when": {"all": [{"field": "summary", "op": "is-not-empty"}]},
    "steps": [
        {"do": "add-comment", "body": "Tried on {{ issue.key }}"},
        {"do": "set-field", "field": "summary", "value": "{{ issue.key }} tried"},
    ],
    "on_failure": {"mode": "report", "comment": True},
}


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.forget_rules()


def try_on(desk: Desk, key: str) -> None:
    issue = desk.frame.get_by_label("Key of an issue")
    issue.fill(key)
    issue.press("Enter")


def test_t9_rule_in_the_making_is_tried_on_a_real_issue(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", json.dumps(RULE)), "/edit")
    before = desk.issues()

    try_on(desk, "DEMO-2")

    result = desk.frame.locator("#try-result")
    expect(result.get_by_role("heading", level=3)).to_be_focused()
    expect(result).to_contain_text("The rule would be carried out.")
    expect(result.get_by_text("Holds", exact=True)).to_be_visible()
    expect(result).to_contain_text("Tried on DEMO-2")
    put = re.compile(r"^PUT /rest/api/3/issue/\d+$")
    expect(result.get_by_text(put)).to_be_visible()
    desk.visit.photograph("preview")
    assert desk.issues() == before

    label = desk.frame.get_by_label("Name")
    label.fill("Another")
    expect(desk.frame.locator("#try-says")).to_contain_text("was changed since")
    assert desk.faults == []


def test_preview_says_what_hinders_it(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", json.dumps(RULE)), "/edit")
    says = desk.frame.locator("#try-says")

    try_on(desk, "")
    expect(says).to_contain_text("Write the key")
    try_on(desk, "DEMO-2")
    expect(says).to_be_hidden()
    desk.frame.get_by_label("Name").fill("")
    try_on(desk, "DEMO-2")
    expect(says).to_contain_text("not complete yet")
    assert desk.faults == []

    desk.frame.get_by_label("Name").fill("Back")
    try_on(desk, "NOPE-1")
    expect(says).to_contain_text("Jira shows you no such issue")


def test_very_large_issue_is_cut_down_and_says_so(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", json.dumps(RULE)), "/edit")

    def with_long_comments(route: Route) -> None:
        answer = route.fetch()
        issue = answer.json()
        issue["fields"]["comment"] = {"comments": [{"body": "x" * 1_200_000}]}
        route.fulfill(response=answer, json=issue)

    desk.page.route(re.compile(r"/issue/DEMO-2\?fields="), with_long_comments)
    try_on(desk, "DEMO-2")

    expect(desk.frame.locator("#try-says")).to_contain_text("were left out")
    expect(desk.frame.locator("#try-result")).to_contain_text("Tried on DEMO-2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_preview_is_accessible_and_fits_a_narrow_page(
    open_page: Visits, stack: Stack, scheme: str
) -> None:
    desk = Desk(open_page(viewport=(420, 900)), stack)
    broken = RULE | {"steps": [{"do": "transition-issue", "transition": "Fly"}]}
    desk.open_rule(desk.add_rule("Deploy", json.dumps(broken)), "/edit")
    if scheme == "dark":
        desk.go_dark()

    try_on(desk, "DEMO-2")
    expect(desk.frame.locator("#try-result")).to_contain_text("Would fail")
    desk.visit.photograph(f"preview-{scheme}")

    frame = desk.page.frames[-1]
    assert accessibility_faults(frame) == []
    assert not frame.evaluate("document.body.scrollWidth > window.innerWidth")
    desk.forget_rules()


def test_failed_run_is_carried_out_again_once_somebody_says_so(desk: Desk) -> None:
    broken = RULE | {
        "id": "r_again",
        "name": "Run me again",
        "steps": [{"do": "transition-issue", "transition": "Fly"}],
    }
    desk.add_rule("Reopen", json.dumps(broken))
    desk.ask("issues/DEMO-3/status", {"status": "Done"})
    desk.ask("issues/DEMO-3/transition", {"name": "Reopen"})
    timeline = desk.open_run("Run me again")
    expect(timeline).to_contain_text("It turned to what the rule does on failure")
    old = desk.hash()

    frame = desk.frame
    frame.get_by_role("button", name="Run again …").press("Enter")
    expect(frame.get_by_text("all of this is to be done")).to_be_visible()
    expect(frame.get_by_role("button", name="Run again now")).to_be_visible()
    desk.visit.photograph("run-again")
    assert accessibility_faults(desk.page.frames[-1]) == []
    frame.get_by_role("button", name="Run again now").press("Enter")

    expect(frame.locator("h1").get_by_text("Run me again")).to_be_visible()
    original = frame.locator(f'a[href="{old}"]').first
    expect(original).to_be_visible()
    expect(frame.get_by_text("Failed", exact=True).first).to_be_visible()
    assert desk.hash() != old
    assert desk.faults == []
