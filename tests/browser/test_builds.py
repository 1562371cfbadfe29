"""A build is started by a transition, and moves the ticket by what it answers.

GitHub's stand-in judges our App's token, and its build answers by a token of its own
issuer, which we verify by that issuer's key set.
"""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import Desk
from tests.browser.stacks import Stack
from tests.browser.test_looks import SIZES, desks, look
from tests.browser.test_story import HOLD, dispatch, expect_in

RULE = "Deploy by GitHub"

__all__ = ["desks"]
"""A fixture of theirs that a test here asks for by its name."""


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.ask("github/builds", {"how": "well"})
    desk.forget_rules()


def add_listener(desk: Desk) -> None:
    """Let the shop's workflow in, by hand."""
    shop = next(
        one for one in desk.ask("github")["repositories"] if one["name"] == "shop"
    )
    desk.open_config("Listeners")
    desk.frame.get_by_role("link", name="Add listener").click()
    desk.frame.get_by_role("link", name="A GitHub workflow").click()
    fields = {
        "Name": "The shop's workflow",
        "Issuer": desk.ask("github")["issuer"],
        "Repository": shop["full_name"],
        "Repository's number": str(shop["id"]),
        "Owner's number": str(shop["owner"]["id"]),
        "Workflow": "deploy.yml",
    }
    for label, value in fields.items():
        desk.frame.get_by_role("textbox", name=label, exact=True).fill(value)
    desk.frame.get_by_role("button", name="Add listener").click()
    heading = desk.frame.get_by_role("heading", name="The shop's workflow")
    expect(heading).to_be_visible()


def add_destination(desk: Desk) -> str:
    """Set GitHub up by hand, and see that it knows us; return how a rule names it."""
    github = desk.ask("github")
    desk.open_config("Destinations")
    desk.frame.get_by_role("link", name="Add destination").click()
    desk.frame.get_by_role("link", name="GitHub Actions").click()
    expect(desk.frame.get_by_label("App id")).to_be_visible()
    fields = {
        "Name": "GitHub",
        "Repository": "acme/shop",
        "App id": str(github["app_id"]),
        "Installation id": str(github["installation_id"]),
        "Workflow": "deploy.yml",
        "Inputs that a rule may pass": "version*\nenvironment: staging, production",
        "API": github["api_url"],
        "Private key": desk.ask("github/key")["private_key"],
    }
    for label, value in fields.items():
        desk.frame.get_by_role("textbox", name=label, exact=True).fill(value)
    desk.frame.get_by_label("Listener").select_option(label="The shop's workflow")
    desk.frame.get_by_label("Demo").check()
    desk.frame.get_by_role("button", name="Add destination").click()
    expect(desk.frame.get_by_role("heading", name="GitHub", exact=True)).to_be_visible()
    desk.frame.get_by_role("button", name="Test the connection").click()
    result = desk.frame.locator("#test-result")
    expect(result.get_by_text("GitHub knows the app")).to_be_visible()
    return "d_" + desk.hash().rpartition("/")[2].replace("-", "")


def publish(desk: Desk, destination: str, *, wait: str) -> None:
    step = {
        "do": "deliver",
        "destination": destination,
        "inputs": {"version": "{{ issue.key }}"},
        "wait": wait,
    }
    rule = {
        "v": 1,
        "id": "r_build",
        "name": RULE,
        "steps": [step],
        "hold": {"status": HOLD, "deadline": "30m"},
        "on_success": {"transition": "Deployed"},
        "on_failure": {
            "mode": "gate",
            "transition": "Deployment failed",
            "comment": True,
        },
    }
    desk.forget_rules()
    desk.add_rule("Dispatch", json.dumps(rule))


def test_build_answers_and_its_silence_fails_the_ticket(desk: Desk) -> None:
    add_listener(desk)
    destination = add_destination(desk)
    snippet = desk.frame.get_by_label(".github/workflows/deploy.yml", exact=True)
    assert f"{desk.stack.addon}/listeners/" in snippet.input_value()
    works, silent = map(desk.new_issue, ("is built", "is never heard of"))

    publish(desk, destination, wait="2m")
    dispatch(desk, works)
    expect_in(desk, works, "Deployed")
    timeline = desk.open_run(works)
    expect(timeline.get_by_text("The shop's workflow said so")).to_be_visible()
    timeline.get_by_text("What its token proved").click()
    expect(timeline.get_by_text("acme/shop", exact=True)).to_be_visible()
    assert accessibility_faults(desk.ours()) == []

    desk.ask("github/builds", {"how": "cut"})
    publish(desk, destination, wait="5s")
    dispatch(desk, silent)
    expect_in(desk, silent, "Deployment failed", timeout=60_000)
    timeline = desk.open_run(silent)
    said = timeline.get_by_text("No answer came within 5 seconds.", exact=True)
    expect(said).to_be_visible()
    assert len(desk.ask("github")["runs"]) == 2
    assert desk.faults == []


def test_form_of_each_kind_is_accessible(desks: Callable[..., Desk]) -> None:
    desk = desks(SIZES[-1])
    desk.open_config("Destinations")
    desk.frame.get_by_role("link", name="Add destination").click()
    kinds = desk.frame.get_by_label("What it is").get_by_role("link")
    expect(kinds.first).to_be_visible()

    for at in range(kinds.count()):
        kinds.nth(at).click()
        expect(kinds.nth(at)).to_have_attribute("aria-current", "true")
        assert accessibility_faults(desk.ours()) == [], at
        assert desk.ours().evaluate(
            "document.documentElement.scrollWidth <= window.innerWidth"
        ), at
    look(desk, "kind")
    assert kinds.count() >= 8
