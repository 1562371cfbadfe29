"""The rule editor in Jira's frame: what it checks, keeps, shows and refuses."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visits
from tests.browser.desk import Desk

RULE = {
    "v": 1,
    "id": "r_browser",
    "name": "Label it",
    "when": {"any": [{"field": "labels", "op": "is-empty"}]},
    "steps": [
        {"do": "add-label", "label": "one"},
        {"do": "set-field", "field": "labels", "value": ["a", "b"]},
    ],
    "on_failure": {"mode": "compensate", "transition": "Deployment failed"},
}
STORED = json.dumps(RULE)
BROKEN = json.dumps(RULE | {"mood": "bad", "steps": [{"do": "teleport"}]})


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.forget_rules()


def test_problem_stands_at_its_field_and_blocks_saving(desk: Desk) -> None:
    desk.open_editor("Deploy")
    desk.frame.get_by_label("Name").fill("Comment")
    desk.add_step("Add a label")
    desk.add_step("Add a comment")
    desk.frame.get_by_role("textbox", name="Label").fill("fine")
    body = desk.frame.get_by_role("textbox", name="Comment")
    body.fill("{{ secret.key }}")
    body.press("Tab")

    expect(body).to_have_attribute("aria-invalid", "true")
    problem = desk.frame.locator('[id="steps[1].body-problem"]')
    expect(problem).to_contain_text("secret")

    desk.push("Add")
    expect(desk.frame.locator("#not-saved")).to_contain_text("Not saved yet")
    expect(body).to_be_focused()
    assert "/add/" in desk.page.url

    body.fill("{{ issue.key }}")
    expect(problem).to_be_hidden()
    expect(desk.frame.locator("#sentence")).to_have_attribute("data-state", "complete")
    desk.push("Add")
    expect(desk.page.get_by_text("The post function is on the draft")).to_be_visible()
    desk.page.get_by_role("button", name="Discard").click()
    assert desk.faults == []


def test_new_form_shows_no_problem_before_somebody_tries(desk: Desk) -> None:
    desk.open_editor("Deploy")

    expect(desk.frame.locator("#sentence")).to_contain_text("Give the rule a name")
    expect(desk.frame.locator(".problem:visible")).to_have_count(0)

    desk.push("Add")
    expect(desk.frame.locator("#sentence")).to_have_text("2 things to fix.")
    expect(desk.frame.locator("#other-problems")).to_contain_text("steps")


def test_edit_is_filled_and_stores_exactly_what_the_server_wrote(desk: Desk) -> None:
    function = desk.add_rule("Deploy", STORED)
    desk.open_rule(function, "/edit")

    expect(desk.frame.get_by_label("Name")).to_have_value("Label it")
    row = desk.frame.locator("[data-row]")
    expect(row.get_by_label("Field")).to_have_value("labels")
    expect(row.get_by_label("Value")).to_be_hidden()
    expect(desk.frame.locator("[data-step]")).to_have_count(2)
    transition = desk.frame.get_by_role("textbox", name="Transition")
    expect(transition).to_have_value("Deployment failed")

    desk.frame.get_by_role("textbox", name="Label").fill("two")
    expect(desk.frame.locator("#sentence")).to_contain_text("add the label “two”")
    desk.push("Update")
    desk.page.get_by_role("button", name="Publish draft").click()

    [stored] = _stored(desk)
    assert json.loads(stored)["id"] == "r_browser"
    assert json.loads(stored)["steps"][0] == {"do": "add-label", "label": "two"}
    assert json.loads(stored)["steps"][1]["value"] == ["a", "b"]
    assert stored == json.dumps(
        json.loads(stored), sort_keys=True, separators=(",", ":")
    )
    assert desk.faults == []


def _stored(desk: Desk) -> list[str]:
    workflows = desk.ask("state")["workflows"].values()
    return [
        function["value"]
        for flow in workflows
        for functions in flow["live"].values()
        for function in functions
    ]


def test_steps_are_ordered_and_removed_by_keyboard_alone(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")
    titles = desk.frame.locator("[data-step] h3")
    expect(titles).to_have_text(["Add a label", "Set a field"])

    down = desk.frame.get_by_role("button", name="Move down: step 1, Add a label")
    down.focus()
    down.press("Enter")
    expect(titles).to_have_text(["Set a field", "Add a label"])
    expect(desk.frame.locator("#announcer")).to_contain_text("is now step 2 of 2")
    up = desk.frame.get_by_role("button", name="Move up: step 2, Add a label")
    expect(up).to_be_focused()

    up.press("Tab")
    desk.page.keyboard.press("Enter")  # "Move down" is disabled: this is "Remove"
    expect(titles).to_have_text(["Set a field"])
    expect(desk.frame.locator('[id="steps[0].field"]')).to_be_focused()
    desk.page.keyboard.type("x")
    expect(desk.frame.locator("#sentence")).to_contain_text("it will set the field")


def test_conditions_are_added_and_removed(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")
    group = desk.frame.get_by_label("New condition under")
    group.select_option(label="None of these holds")
    desk.frame.get_by_role("button", name="Add condition").click()
    row = desk.frame.locator('[data-group="none"] [data-row]')
    row.get_by_label("Field").fill("priority")
    row.get_by_label("Value").fill("Low")

    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_contain_text("it is not so that priority is “Low”")

    row.get_by_role("button", name="Remove").click()
    expect(sentence).not_to_contain_text("priority")
    expect(desk.frame.locator("#group-none")).to_be_hidden()


def test_jiras_fields_are_offered_by_name(desk: Desk) -> None:
    desk.open_editor("Deploy")

    offered = desk.frame.locator('#jira-fields option[value="customfield_10010"]')
    expect(offered).to_have_attribute("label", "Version")


def test_broken_rule_names_its_keys_and_keeps_its_text(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", BROKEN), "/edit")

    notice = desk.frame.get_by_role("region", name="The stored rule is broken")
    expect(notice).to_contain_text("mood")
    expect(notice).to_contain_text("steps[0].do")
    notice.get_by_text("The text that Jira keeps now").click()
    expect(notice.locator("pre")).to_have_text(BROKEN)
    expect(desk.frame.get_by_label("Name")).to_have_value("Label it")


def test_view_says_it_in_one_sentence(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED))

    expect(desk.frame.get_by_role("heading", name="Label it")).to_be_visible()
    expect(desk.frame.locator(".sentence")).to_have_text(
        re.compile("^When labels are empty, it will add the label “one”, then set")
    )
    assert desk.faults == []


def test_nothing_is_saved_while_the_server_does_not_answer(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_have_attribute("data-state", "complete")
    desk.page.route("**/api/v1/rules/check", lambda route: route.abort())

    desk.frame.get_by_label("Name").fill("Changed")
    expect(sentence).to_contain_text("Countersign does not answer")
    desk.push("Update")
    expect(desk.frame.locator("#not-saved")).to_contain_text("Still checking")

    desk.page.unroute("**/api/v1/rules/check")
    desk.frame.get_by_label("Name").fill("Changed again")
    expect(sentence).to_have_attribute("data-state", "complete")
    desk.push("Update")
    expect(desk.page.get_by_text("The change is on the draft")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Your session with Jira has ended"),
        (403, "This page is for Jira administrators"),
        (503, "Countersign does not answer"),
        (404, "Something went wrong"),
    ],
)
def test_page_that_cannot_be_shown_says_why_and_tries_again(
    desk: Desk, status: int, words: str
) -> None:
    pattern = "**/api/v1/pages/rule-view"
    desk.page.route(pattern, lambda route: route.fulfill(status=status, body="{}"))
    desk.open_rule(desk.add_rule("Deploy", STORED))
    expect(desk.frame.get_by_role("heading", name=words)).to_be_visible()

    desk.page.unroute(pattern)
    desk.frame.get_by_role("button", name="Try again").click()
    expect(desk.frame.get_by_role("heading", name="Label it")).to_be_visible()
