"""Each of our pages in light and dark, wide and narrow: readable by everybody."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import Desk
from tests.browser.stacks import CONNECT, FORGE, Stack

RULE = {
    "v": 1,
    "id": "r_looks",
    "name": "Say hello",
    "when": {"all": [{"field": "labels", "op": "not-contains", "value": "wip"}]},
    "steps": [
        {"do": "add-comment", "body": "Hello"},
        {"do": "transition-issue", "transition": "Fly"},
    ],
    "on_failure": {"mode": "report", "comment": True},
}
STORED = json.dumps(RULE)
BROKEN = json.dumps(RULE | {"mood": "bad"})
REFUSED = {
    CONNECT: ("wrong-secret", "expired-token"),
    FORGE: ("forge-unknown-key", "forge-other-endpoint"),
}
NARROW = (420, 2400)
SIZES = ((1280, 1500), NARROW)
"""Tall enough for everything: what is scrolled away in a frame is not painted."""


def create(desk: Desk) -> None:
    desk.open_editor("Touch")
    for title in ("Add a comment", "Create an issue", "Set an issue property"):
        desk.add_step(title)
    desk.frame.get_by_role("button", name="Add condition").click()
    desk.push("Add")
    expect(desk.frame.locator("#not-saved")).to_be_visible()


def edit(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Touch", STORED), "/edit")
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_have_attribute("data-state", "complete")


def edit_broken(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Touch", BROKEN), "/edit")
    desk.frame.get_by_text("The text that Jira keeps now").click()


def view(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Touch", STORED))
    expect(desk.frame.locator(".sentence")).to_be_visible()


def view_broken(desk: Desk) -> None:
    desk.open_rule(desk.add_rule("Touch", BROKEN))
    expect(desk.frame.locator(".notice")).to_be_visible()


def make_history(desk: Desk) -> None:
    """Let a run succeed and another fail, and a stranger and a late call be refused."""
    good = RULE | {"steps": [{"do": "add-label", "label": "seen"}]}
    desk.add_rule("Reopen", json.dumps(good))
    desk.add_rule("Reopen", json.dumps(RULE | {"id": "r_fails", "name": "Fly away"}))
    desk.ask("issues/DEMO-4/status", {"status": "Done"})
    desk.ask("issues/DEMO-4/transition", {"name": "Reopen"})
    for door in desk.stack.doors:
        for mishap in REFUSED[door]:
            desk.ask(f"mishaps/{mishap}", {"issue": "DEMO-4"})


def overview(desk: Desk) -> None:
    make_history(desk)
    desk.open_config()
    expect(desk.frame.locator(".plot").first).to_be_visible()
    desk.frame.get_by_text("As a table").first.click()
    desk.frame.locator("#claims summary").click()


def runs(desk: Desk) -> None:
    make_history(desk)
    desk.open_config("Runs")
    row = desk.runs("Fly away").first
    expect(row.get_by_text("Failed", exact=True)).to_be_visible()


def run(desk: Desk) -> None:
    runs(desk)
    desk.open_run("Fly away")
    desk.frame.get_by_role("button", name="Run again …").press("Enter")


def rules(desk: Desk) -> None:
    make_history(desk)
    desk.add_rule("Touch", BROKEN)
    desk.open_config("Rules")
    expect(desk.frame.get_by_text("It cannot be read")).to_be_visible()
    desk.frame.get_by_text("Rule as JSON").first.click()


def log(desk: Desk) -> None:
    make_history(desk)
    desk.open_config("Verification log")
    desk.frame.get_by_text("Facts").first.click()
    expect(desk.frame.locator("tr details dl").first).to_be_visible()
    desk.frame.locator("#claims summary").click()
    desk.frame.get_by_role("button", name="Verify the log").press("Enter")
    expect(desk.frame.locator("#test-result .notice")).to_be_visible()


def keys(desk: Desk) -> None:
    """With a secret that somebody offered, and that Jira does not know."""
    # Tokens have whole seconds: of two installs in one, the second is a replay (T3).
    time.sleep(1 - time.time() % 1)
    desk.ask("mishaps/foreign-secret", {})
    desk.open_config("Keys")
    expect(desk.frame.get_by_text("To be proven")).to_be_visible()
    # The site installs again with the secret that counts: nothing waits any more.
    desk.ask("mishaps/install", {})


def settings(desk: Desk) -> None:
    desk.open_config("Settings")
    desk.frame.get_by_label("Runs, in days").fill("3")
    desk.frame.get_by_role("button", name="Save changes").press("Enter")
    expect(desk.frame.locator("#not-saved")).to_be_visible()
    desk.frame.get_by_role("button", name="Check now").press("Enter")
    expect(desk.frame.locator("#test-result h3")).to_have_text("The connection works")


def people(desk: Desk) -> None:
    desk.open_config("Settings")
    desk.frame.get_by_role("link", name="Personal data").press("Enter")
    expect(desk.frame.locator("h1")).to_have_text("Personal data")


PAGES = (
    *(create, edit, edit_broken, view, view_broken),
    *(overview, runs, run, rules, log, keys, settings, people),
)

IN_FORGE = (create, view, overview, runs, run, log, settings)
"""Enough to see that Forge's frame does no harm, where there is least room."""


@pytest.fixture
def desks(open_page: Visits, stack: Stack) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(size: tuple[int, int]) -> Desk:
        made.append(Desk(open_page(viewport=size), stack))
        return made[-1]

    yield make
    for desk in made:
        desk.forget_rules()


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_page_is_accessible_in_both_themes(
    desks: Callable[..., Desk],
    page: Callable[[Desk], None],
    size: tuple[int, int],
) -> None:
    desk = desks(size)
    page(desk)
    look(desk, f"{page.__name__}-{size[0]}")


@pytest.mark.parametrize("stack", [FORGE], indirect=True)
@pytest.mark.parametrize("page", IN_FORGE, ids=lambda page: page.__name__)
def test_page_is_as_accessible_in_forge(
    desks: Callable[..., Desk], page: Callable[[Desk], None]
) -> None:
    desk = desks(NARROW)
    page(desk)
    look(desk, f"{page.__name__}-narrow-forge")


def look(desk: Desk, name: str) -> None:
    """Look at our page in both themes; photograph it."""
    assert accessibility_faults(desk.ours()) == []
    width = desk.ours().evaluate("document.documentElement.scrollWidth")
    assert width <= desk.ours().evaluate("window.innerWidth")
    desk.visit.photograph(f"{name}-light")
    desk.go_dark()
    assert accessibility_faults(desk.ours(), colours_only=True) == []
    desk.visit.photograph(f"{name}-dark")
    assert desk.faults == []


def test_address_of_a_page_holds_no_token(desks: Callable[..., Desk]) -> None:
    desk = desks((1280, 900))
    desk.open_config()

    address = desk.ours().evaluate("location.href")
    assert address == f"{desk.stack.addon}/config#/overview"
