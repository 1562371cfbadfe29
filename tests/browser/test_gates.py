"""A gate set up in Jira's frames: the rule that holds, the condition that shuts."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import WORKFLOW, Desk
from tests.browser.stacks import Stack, both_doors

GATE = "Hold the issue until every step is done"


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.forget_rules()


def live(desk: Desk, transition: str) -> list[dict[str, str]]:
    """Return what is published on a transition."""
    placed = desk.ask("state")["workflows"][WORKFLOW]["live"].get(transition, [])
    return [rule for rule in placed if rule["value"]]


def publish(desk: Desk) -> None:
    desk.page.get_by_role("button", name="Publish").first.click()
    desk.page.wait_for_load_state()


@both_doors
def test_gate_is_set_up_in_the_form(desk: Desk) -> None:
    desk.open_editor("Dispatch")
    frame = desk.frame
    frame.get_by_label("Name").fill("Deploy")
    desk.add_step("Add a label")
    frame.get_by_role("textbox", name="Label").fill("deployed")
    hold = frame.get_by_label("Status that holds it")
    expect(hold).to_be_hidden()

    frame.get_by_label(GATE).check()
    hold.select_option(label="Deploying")
    frame.get_by_label("Then move the issue by").fill("Deployed")
    frame.get_by_label("Transition", exact=False).last.fill("Deploy failed")

    sentence = frame.locator("#sentence")
    expect(sentence).to_contain_text("waits in its hold until then, at most 30 minutes")
    assert accessibility_faults(desk.ours()) == []
    desk.visit.photograph("gate-editor")
    desk.push("Add")
    publish(desk)
    [stored] = live(desk, "71")
    assert json.loads(stored["value"])["hold"] == {"status": "10005", "deadline": "30m"}
    assert desk.faults == []


def test_what_a_gate_lacks_is_said_at_its_field(desk: Desk) -> None:
    desk.open_editor("Dispatch")
    desk.frame.get_by_label(GATE).check()
    deadline = desk.frame.get_by_label("At most for")
    deadline.fill("9s")
    deadline.press("Tab")

    problem = desk.frame.locator('[id="hold.deadline-problem"]')
    expect(problem).to_contain_text("from 30s to 7d")
    desk.frame.get_by_label("Leave the issue where it is").check()
    expect(problem).to_be_hidden()


@both_doors
def test_condition_is_chosen_and_said_again(desk: Desk) -> None:
    desk.open("/workflows/")
    name = "Add Only Countersign may move this on to Deployed"
    desk.page.get_by_role("link", name=name, exact=True).click()
    desk.frame.get_by_label("And people with the project role").select_option(
        label="Administrators"
    )
    assert accessibility_faults(desk.ours()) == []
    desk.visit.photograph("condition-editor")
    desk.push("Add")
    publish(desk)

    [stored] = live(desk, "81")
    assert json.loads(stored["value"])["role"] == 10002
    desk.open(f"/workflows/{WORKFLOW}/conditions/{stored['id']}")
    expect(desk.frame.locator(".sentence")).to_have_text(
        "Only Countersign, and people with the project role “Administrators”, may make"
        " this transition."
    )
    assert desk.faults == []
