"""Listeners in Jira's frame: set up, given a new secret, paused and deleted."""

import itertools
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.test_destinations import SIZES, desk, desks, go
from tests.browser.test_looks import look

__all__ = ["desk", "desks"]

NUMBERS = itertools.count(1)
"""All tests share one add-on, and a listener's name is its own."""


def choose(desk: Desk, proof: str) -> None:
    go(desk, "Listeners", "Listeners")
    desk.frame.get_by_role("link", name="Add listener").first.click()
    desk.frame.get_by_role("link", name=proof).click()
    expect(desk.frame.get_by_role("button", name="Add listener")).to_be_visible()


def set_up(desk: Desk) -> str:
    """Set up a caller that shares a secret with us, as an admin does."""
    name = f"Deploy bot {next(NUMBERS)}"
    choose(desk, "A shared secret")
    desk.frame.get_by_label("Name", exact=False).first.fill(name)
    desk.frame.get_by_label("Issuer").fill("deploy-bot")
    desk.frame.get_by_role("button", name="Add listener").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text(name)
    return name


def test_t8_listener_is_set_up_renewed_paused_and_deleted(desk: Desk) -> None:
    name = set_up(desk)
    secret = desk.frame.get_by_label("New secret", exact=True)
    expect(secret).to_have_value(re.compile(r"^[\w-]{43}$"))
    first = secret.input_value()
    desk.frame.get_by_role("button", name="Copy: Address").click()
    expect(desk.frame.locator("#announcer")).to_have_text("Copied.")

    desk.frame.get_by_role("button", name="New secret …").click()
    desk.frame.get_by_role("button", name="Make a new secret").click()
    expect(desk.frame.get_by_text("Number 1 is accepted until")).to_be_visible()
    expect(secret).to_have_value(re.compile(r"^[\w-]{43}$"))
    assert secret.input_value() != first

    desk.frame.get_by_role("button", name="Pause").click()
    expect(desk.frame.get_by_role("button", name="Resume")).to_be_focused()
    expect(secret).to_be_hidden()
    desk.frame.get_by_role("button", name="Delete …").click()
    desk.frame.get_by_role("button", name="Delete for good").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("Listeners")
    expect(desk.frame.get_by_text(name)).to_have_count(0)
    assert desk.faults == []


def test_problem_stands_at_the_field_of_the_chosen_proof(desk: Desk) -> None:
    choose(desk, "Another issuer of tokens")
    desk.frame.get_by_label("Name", exact=False).first.fill("CI")
    desk.frame.get_by_label("Issuer").fill("ci.example")
    for claim, value in (("sub", "one"), ("sub", "two"), ("aud", "x")):
        desk.frame.get_by_role("button", name="Add claim").click()
        row = desk.frame.locator("[data-pair]").last
        row.get_by_label("Name").fill(claim)
        row.get_by_label("Text").fill(value)
    desk.frame.get_by_role("button", name="Add listener").click()

    expect(desk.frame.locator("#issuer-problem")).to_contain_text("begin with https://")
    expect(desk.frame.locator("#claims-problem")).to_contain_text("“aud” is checked")
    expect(desk.frame.get_by_label("Issuer")).to_have_value("ci.example")
    assert [fault for fault in desk.faults if " 422 " not in fault] == []


def adding(desk: Desk) -> None:
    choose(desk, "A GitHub workflow")
    desk.frame.get_by_role("button", name="Add listener").click()
    expect(desk.frame.locator("#not-saved")).to_be_visible()
    desk.faults.clear()


def one(desk: Desk) -> None:
    set_up(desk)
    desk.frame.get_by_role("button", name="New secret …").click()
    desk.frame.get_by_role("button", name="Delete …").click()


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("page", [adding, one], ids=lambda page: page.__name__)
def test_page_is_accessible_in_both_themes(
    desks: Callable[..., Desk], page: Callable[[Desk], None], size: tuple[int, int]
) -> None:
    desk = desks(size)
    page(desk)
    look(desk, f"listeners-{page.__name__}-{size[0]}")
