"""Each of our pages in light and dark, wide and narrow: readable by everybody."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Frame, expect

from tests.browser.conftest import Stack, Visits, accessibility_faults
from tests.browser.desk import Desk

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
SIZES = ((1280, 1500), (420, 2400))
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


def config(desk: Desk) -> None:
    desk.add_rule("Reopen", STORED)
    desk.ask("issues/DEMO-4/status", {"status": "Done"})
    desk.ask("issues/DEMO-4/transition", {"name": "Reopen"})
    desk.ask("mishaps/wrong-secret", {"issue": "DEMO-4"})
    desk.ask("mishaps/expired-token", {"issue": "DEMO-4"})
    desk.open_config()
    run = desk.frame.locator("tbody[data-run]").filter(has_text="DEMO-4").first
    expect(run.get_by_text("Failed", exact=True).first).to_be_visible()
    run.get_by_role("button").click()
    desk.frame.locator("#claims summary").click()


PAGES = (create, edit, edit_broken, view, view_broken, config)


@pytest.fixture
def desks(open_page: Visits, stack: Stack) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(size: tuple[int, int]) -> Desk:
        made.append(Desk(open_page(viewport=size), stack))
        return made[-1]

    yield make
    for desk in made:
        desk.forget_rules()


def our_frame(desk: Desk) -> Frame:
    ours = urlsplit(desk.stack.addon).netloc
    [found] = [f for f in desk.page.frames if urlsplit(f.url).netloc == ours]
    return found


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_page_is_accessible_in_both_themes(
    desks: Callable[..., Desk],
    page: Callable[[Desk], None],
    size: tuple[int, int],
) -> None:
    desk = desks(size)
    page(desk)
    name = f"{page.__name__}-{size[0]}"

    assert accessibility_faults(our_frame(desk)) == []
    desk.visit.screenshot(f"{name}-light")
    desk.go_dark()
    assert accessibility_faults(our_frame(desk)) == []
    desk.visit.screenshot(f"{name}-dark")
    assert desk.faults == []


@pytest.mark.parametrize("page", [edit, config], ids=lambda page: page.__name__)
def test_nothing_is_wider_than_a_narrow_window(
    desks: Callable[..., Desk], page: Callable[[Desk], None]
) -> None:
    desk = desks((420, 800))
    page(desk)

    frame = our_frame(desk)
    width = frame.evaluate("document.documentElement.scrollWidth")
    assert width <= frame.evaluate("window.innerWidth")


def test_address_of_a_page_holds_no_token(desks: Callable[..., Desk]) -> None:
    desk = desks((1280, 900))
    desk.open_config()

    assert our_frame(desk).evaluate("location.href") == f"{desk.stack.addon}/config"
