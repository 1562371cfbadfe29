"""Destinations and keys in Jira's frame: set up, tried, used by a rule, revoked."""

import itertools
import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import Desk
from tests.browser.stacks import Stack

SIZES = ((1280, 2600), (420, 3600))
"""Tall enough for everything: what is scrolled away in a frame is not painted."""

NUMBERS = itertools.count(1)
"""All tests share one add-on, and a destination's name is its own."""


@pytest.fixture
def desks(open_page: Visits, stack: Stack) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(size: tuple[int, int] = (1280, 900)) -> Desk:
        made.append(Desk(open_page(viewport=size), stack))
        return made[-1]

    yield make
    for desk in made:
        desk.forget_rules()


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    return desks()


def go(desk: Desk, view: str, heading: str) -> None:
    """Open the configuration page and one of its views."""
    desk.open_config(view)
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text(heading)


def fill(desk: Desk, name: str, address: str) -> None:
    go(desk, "Destinations", "Destinations")
    desk.frame.get_by_role("link", name="Add destination").first.click()
    desk.frame.get_by_label("Name", exact=False).first.fill(name)
    desk.frame.get_by_label("Address").fill(address)
    desk.frame.get_by_label("Demo").first.check()


def set_up(desk: Desk) -> tuple[str, str]:
    """Set up a destination as its admin does; return its name and its reference."""
    name = f"Deploy production {next(NUMBERS)}"
    fill(desk, name, receiver(desk))
    desk.frame.get_by_role("button", name="Add destination").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text(name)
    address = desk.ours().evaluate("location.hash")
    return name, "d_" + address.rpartition("/")[2].replace("-", "")


def receiver(desk: Desk) -> str:
    return f"{desk.stack.jira}/receiver/deploy"


def test_destination_is_set_up_tried_paused_and_deleted(desk: Desk) -> None:
    name, _ = set_up(desk)
    expect(desk.frame.get_by_text("Not used yet")).to_be_visible()

    desk.frame.get_by_role("button", name="Send test event").click()
    result = desk.frame.locator("#test-result")
    expect(result.get_by_text("Accepted")).to_be_visible()
    expect(result).to_contain_text("Authorization: Bearer (hidden)")

    desk.frame.get_by_role("button", name="Pause").click()
    expect(desk.frame.get_by_role("button", name="Resume")).to_be_focused()
    desk.frame.get_by_role("button", name="Delete …").click()
    expect(desk.frame.get_by_text("No rule delivers here.")).to_be_visible()
    desk.frame.get_by_role("button", name="Delete for good").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("Destinations")
    expect(desk.frame.get_by_text(name)).to_have_count(0)
    assert desk.faults == []


def test_problem_stands_at_its_field_and_nothing_is_lost(desk: Desk) -> None:
    fill(desk, "", "https://nowhere.invalid/x")
    desk.frame.get_by_role("button", name="Add header").click()
    desk.frame.get_by_label("Header", exact=True).fill("X-Key")
    desk.frame.get_by_label("Value", exact=True).fill("kept while I mend the rest")
    desk.frame.get_by_role("button", name="Add destination").click()

    name = desk.frame.get_by_label("Name", exact=False).first
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    name.fill("Mended")
    name.press("Enter")
    problem = desk.frame.locator("#url-problem")
    expect(problem).to_contain_text("The name nowhere.invalid was not found.")

    desk.frame.get_by_label("Address").fill(receiver(desk))
    desk.frame.get_by_role("button", name="Add destination").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("Mended")
    kept = desk.frame.get_by_label("Value of X-Key")
    expect(kept).to_have_value("")
    expect(kept).to_have_attribute("placeholder", "Kept as it is")
    assert desk.faults == []


def test_t8_secret_is_shown_once_with_a_button_to_copy_it(desk: Desk) -> None:
    fill(desk, "With a secret", receiver(desk))
    desk.frame.get_by_label("By a secret of this destination alone").check()
    desk.frame.get_by_role("button", name="Add destination").click()

    secret = desk.frame.get_by_label("New secret", exact=True)
    expect(secret).to_have_value(re.compile(r"^[\w-]{43}$"))
    desk.frame.get_by_role("button", name="Copy: New secret").click()
    expect(desk.frame.locator("#announcer")).to_have_text("Copied.")

    desk.frame.get_by_role("link", name="Keys").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("Keys")
    desk.frame.get_by_role("link", name="Destinations").click()
    desk.frame.get_by_role("link", name="With a secret").click()
    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("With a secret")
    expect(secret).to_be_hidden()
    expect(secret).to_have_value("")
    assert desk.faults == []


def test_rule_delivers_and_its_run_shows_what_was_answered(desk: Desk) -> None:
    name, _ = set_up(desk)
    desk.open_editor("Reopen")
    desk.frame.get_by_label("Name").first.fill("Ship it")
    desk.add_step("Deliver to a destination")
    step = desk.frame.locator("[data-step]")
    step.get_by_role("combobox").select_option(label=name)
    for number, version in enumerate(("{{ issue.key }}", "twice")):
        desk.frame.get_by_role("button", name="Add input").click()
        row = desk.frame.locator("[data-pair]").nth(number)
        row.get_by_label("Name").fill("version")
        row.get_by_label("Text").fill(version)
    problem = desk.frame.locator('[id="steps[0].inputs-problem"]')
    desk.push("Add")
    expect(problem).to_contain_text("Two of them have the same name.")
    desk.frame.get_by_label("Remove input").last.click()
    sentence = desk.frame.locator("#sentence")
    expect(sentence).to_contain_text(f"It will deliver to “{name}”.")
    desk.push("Add")
    desk.page.get_by_role("button", name="Publish draft").click()
    desk.ask("issues/DEMO-2/status", {"status": "Done"})
    desk.ask("issues/DEMO-2/transition", {"name": "Reopen"})

    desk.open_config("Runs")
    expect(desk.runs("Ship it").first.get_by_text("Succeeded")).to_be_visible()
    timeline = desk.open_run("Ship it")
    timeline.get_by_text("What was sent and answered").click()
    expect(timeline).to_contain_text("Authorization: Bearer (hidden)")
    assert desk.faults == []


def test_another_view_stays_while_the_overview_would_have_been_renewed(
    desk: Desk,
) -> None:
    go(desk, "Keys", "Keys")
    desk.page.wait_for_timeout(4000)  # longer than the overview rests

    expect(desk.frame.get_by_role("heading", level=1)).to_have_text("Keys")
    expect(desk.frame.get_by_role("link", name="Keys")).to_have_attribute(
        "aria-current", "page"
    )
    desk.page.evaluate("history.back()")
    expect(desk.frame.locator("#live")).to_be_visible()
    assert desk.faults == []


def test_keys_are_revoked_after_a_warning(desk: Desk) -> None:
    set_up(desk)
    go(desk, "Keys", "Keys")
    expect(desk.frame.get_by_text("Active", exact=True)).to_have_count(1)
    desk.frame.get_by_role("button", name="Rotate now").click()
    expect(desk.frame.locator("#went-wrong")).to_contain_text("published for 24 hours")

    desk.frame.get_by_role("button", name="Revoke …").click()
    desk.frame.get_by_role("button", name="Revoke the active key").click()

    expect(desk.frame.get_by_text("Revoked", exact=True)).to_have_count(1)
    assert [fault for fault in desk.faults if " 409 " not in fault] == []


def listing(desk: Desk) -> None:
    set_up(desk)
    go(desk, "Destinations", "Destinations")


def adding(desk: Desk) -> None:
    fill(desk, "", "http://nowhere")
    desk.frame.get_by_role("button", name="Add header").click()
    desk.frame.get_by_role("button", name="Add destination").click()
    expect(desk.frame.locator("#not-saved")).to_be_visible()


def one(desk: Desk) -> None:
    _, reference = set_up(desk)
    step = {"do": "deliver", "destination": reference}
    stored = {"v": 1, "id": "r_looks", "name": "Ship it", "steps": [step]}
    desk.add_rule("Reopen", json.dumps(stored))
    desk.page.wait_for_timeout(2500)  # longer than the list of rules is remembered
    desk.frame.get_by_label("Protected").check()
    desk.frame.get_by_role("button", name="Save changes").click()
    expect(desk.frame.get_by_text("Not approved")).to_be_visible()
    desk.frame.get_by_role("button", name="Send test event").click()
    expect(desk.frame.locator("#test-result pre").first).to_be_visible()
    desk.frame.get_by_role("button", name="Delete …").click()


def keys(desk: Desk) -> None:
    set_up(desk)
    go(desk, "Keys", "Keys")
    desk.frame.get_by_role("button", name="Revoke …").click()


def delivering(desk: Desk) -> None:
    set_up(desk)
    desk.open_editor("Touch")
    desk.add_step("Deliver to a destination")
    desk.frame.get_by_role("button", name="Add input").click()
    desk.push("Add")
    expect(desk.frame.locator("#not-saved")).to_be_visible()


PAGES = (listing, adding, one, keys, delivering)


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

    assert accessibility_faults(desk.ours()) == []
    width = desk.ours().evaluate("document.documentElement.scrollWidth")
    assert width <= desk.ours().evaluate("window.innerWidth")
    desk.visit.photograph(f"{name}-light")
    desk.go_dark()
    assert accessibility_faults(desk.ours(), colours_only=True) == []
    desk.visit.photograph(f"{name}-dark")
    assert desk.faults == []
