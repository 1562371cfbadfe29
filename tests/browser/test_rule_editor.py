"""The rule editor in Jira's frame: what it checks, keeps, shows and refuses."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.browser.answers import answered, silent
from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import Stack

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

    expect(desk.frame.locator("#sentence")).to_contain_text("Name: it is empty.")
    expect(desk.frame.locator(".problem:visible")).to_have_count(0)

    desk.push("Add")
    expect(desk.frame.locator("#sentence")).to_have_text("2 things to fix.")
    other = desk.frame.locator("#other-problems li")
    expect(other).to_have_text("Add at least one step.")


def test_button_stays_under_the_pointer_that_presses_it(desk: Desk) -> None:
    """A problem that shows up under an empty field must not move the button away."""
    desk.open_editor("Deploy")
    desk.add_step("Add a label")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_contain_text("Still to do")

    button = desk.frame.get_by_role("button", name="Add step")
    button.scroll_into_view_if_needed()
    button.hover()
    desk.page.mouse.down()
    desk.page.mouse.up()

    expect(desk.frame.locator("[data-step]")).to_have_count(2)


def test_summary_line_says_what_is_still_to_do(desk: Desk) -> None:
    desk.open_editor("Deploy")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_have_text(re.compile("Still to do: Name: it is empty.$"))

    desk.frame.get_by_label("Name").fill("Comment")
    expect(sentence).to_have_text(re.compile("Still to do: add at least one step.$"))

    desk.add_step("Add a comment")
    step = r"Still to do: step 1 \(Add a comment\), Comment: it is empty.$"
    expect(sentence).to_have_text(re.compile(step))
    expect(sentence).to_have_attribute("data-state", "incomplete")

    desk.frame.get_by_role("textbox", name="Comment").fill("Hello")
    expect(sentence).to_have_attribute("data-state", "complete")


def test_malformed_json_is_named_at_its_field(desk: Desk) -> None:
    desk.open_editor("Deploy")
    desk.frame.get_by_label("Name").fill("Note it")
    desk.add_step("Set an issue property")
    desk.frame.get_by_role("textbox", name="Property").fill("state")
    value = desk.frame.get_by_role("textbox", name="Value")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_have_attribute("data-state", "complete")  # empty will do

    value.fill('{"done": tru}')
    value.press("Tab")
    expect(value).to_have_attribute("aria-invalid", "true")
    problem = desk.frame.locator('[id="steps[0].value-problem"]')
    expect(problem).to_contain_text("It is no JSON from line 1, column 10 on")

    value.fill("released")
    expect(sentence).to_have_attribute("data-state", "complete")
    value.fill('{"done": true}')
    expect(problem).to_be_hidden()
    expect(sentence).to_have_attribute("data-state", "complete")


def test_name_that_the_site_does_not_have_is_named_at_its_field(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")

    field = desk.frame.locator('[id="steps[1].field"]')
    field.fill("lables")
    field.press("Tab")

    problem = desk.frame.locator('[id="steps[1].field-problem"]')
    expect(problem).to_contain_text("no field “lables”; did you mean labels?")


def test_every_control_has_a_name_and_is_tied_to_its_problem(desk: Desk) -> None:
    desk.open_editor("Deploy")
    kinds = desk.frame.locator("#new-step-kind option").all_inner_texts()
    for title in kinds:
        desk.add_step(title)
    desk.frame.get_by_role("button", name="Add condition").click()
    desk.push("Add")
    expect(desk.frame.locator("#not-saved")).to_contain_text("Not saved yet")

    wrong = desk.frame.locator("[aria-invalid=true]")
    expect(wrong.first).to_be_visible()
    assert wrong.count() >= len(kinds)
    assert desk.frame.locator("#rule").evaluate(UNTOLD) == []


UNTOLD = """form => [...form.querySelectorAll("input, select, textarea")]
    .filter(control => control.checkVisibility())
    .filter(control => {
        const label = control.labels[0]?.textContent.trim();
        const told = (control.getAttribute("aria-describedby") ?? "").split(" ");
        const problem = told.map(id => document.getElementById(id))
            .find(element => element?.matches(".problem:not([hidden])"));
        const wrong = control.getAttribute("aria-invalid") === "true";
        return !label || wrong !== Boolean(problem?.textContent.trim());
    })
    .map(control => control.outerHTML)"""
"""Controls that nobody could name, or whose problem is not read out with them."""


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
    desk.page.keyboard.type("x")  # no such field: what was typed has arrived there
    problem = desk.frame.locator('[id="steps[0].field-problem"]')
    expect(problem).to_contain_text("did you mean labels?")


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
    expect(desk.frame.get_by_text("labels is empty", exact=True)).to_be_visible()
    expect(desk.frame.get_by_role("definition").first).to_have_text("one")
    assert desk.faults == []


def test_nothing_is_saved_while_the_server_does_not_answer(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Deploy", STORED), "/edit")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_have_attribute("data-state", "complete")

    with answered(desk.page, "**/api/v1/rules/check", silent):
        desk.frame.get_by_label("Name").fill("Changed")
        expect(sentence).to_contain_text("Countersign does not answer")
        desk.push("Update")
        expect(desk.frame.locator("#not-saved")).to_contain_text("Still checking")

    desk.frame.get_by_role("textbox", name="Label").fill("again")
    expect(sentence).to_contain_text("add the label “again”")
    desk.push("Update")
    expect(desk.page.get_by_text("The change is on the draft")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "Your session with Jira has ended"),
        (403, "This page is for Jira administrators"),
        (503, "Countersign does not answer"),
        (418, "Something went wrong"),
    ],
)
def test_page_that_cannot_be_shown_says_why_and_tries_again(
    desk: Desk, status: int, words: str
) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=status, body="{}")

    with answered(desk.page, "**/api/v1/pages/rule-view", refuse):
        desk.open_rule(desk.add_rule("Deploy", STORED))
        expect(desk.frame.get_by_role("heading", name=words)).to_be_visible()

    desk.frame.get_by_role("button", name="Try again").click()
    expect(desk.frame.get_by_role("heading", name="Label it")).to_be_visible()
