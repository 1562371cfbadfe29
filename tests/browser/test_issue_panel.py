"""Beside an issue in Jira: what its rules did, for the people who work on it."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.desk import Desk
from tests.browser.stacks import Stack, both_doors

ISSUE = "DEMO-5"
RULE = {
    "v": 1,
    "id": "r_panel",
    "name": "Fly away",
    "steps": [{"do": "transition-issue", "transition": "Fly"}],
    "on_failure": {"mode": "report"},
}


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    desk.add_rule("Reopen", json.dumps(RULE))
    desk.ask(f"issues/{ISSUE}/status", {"status": "Done"})
    desk.ask(f"issues/{ISSUE}/transition", {"name": "Reopen"})
    yield desk
    desk.forget_rules()
    desk.sign_in("Ada Admin")


def open_the_run(desk: Desk) -> None:
    desk.open(f"/browse/{ISSUE}")
    run = desk.frame.locator("li[data-item]").first
    expect(run.get_by_text("Failed", exact=True)).to_be_visible()
    run.get_by_role("link", name="Fly away").press("Enter")
    expect(desk.frame.get_by_role("heading", name="Steps")).to_be_visible()


def choose_role(desk: Desk, label: str) -> None:
    desk.open_config("Settings")
    role = desk.frame.get_by_label("Project role that may run again")
    role.select_option(label=label)
    desk.frame.get_by_role("button", name="Save changes").press("Enter")
    expect(desk.frame.locator("#announcer")).to_have_text("Saved.")


@both_doors
def test_person_on_call_runs_again_what_failed(desk: Desk) -> None:
    choose_role(desk, "On-call")
    desk.sign_in("Vic Viewer")
    open_the_run(desk)

    desk.frame.get_by_role("button", name="Run again …").press("Enter")
    desk.frame.get_by_role("button", name="Run again now").press("Enter")

    expect(desk.frame.locator("#announcer")).to_have_text(
        re.compile("carried out again|new run")
    )
    newest = desk.frame.locator("li[data-item]").first
    expect(newest.get_by_text("Repeats an earlier run")).to_be_visible()
    assert desk.faults == []


@both_doors
def test_person_without_the_role_reads_who_may(desk: Desk) -> None:
    choose_role(desk, "Nobody but Jira administrators")
    desk.sign_in("Vic Viewer")
    open_the_run(desk)

    expect(desk.frame.get_by_role("button", name="Run again …")).to_have_count(0)
    expect(desk.frame.get_by_text("Jira administrators may run it")).to_be_visible()
    assert desk.faults == []


@both_doors
@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("size", [(1280, 1500), (420, 2400)], ids=str)
def test_panel_is_readable_in_both_themes(
    open_page: Visits, stack: Stack, size: tuple[int, int]
) -> None:
    looking = Desk(open_page(viewport=size), stack)
    open_the_run(looking)
    ours = looking.ours()

    assert accessibility_faults(ours) == []
    looking.visit.photograph(f"panel-{size[0]}-light")
    looking.go_dark()
    assert accessibility_faults(ours, colours_only=True) == []
    looking.visit.photograph(f"panel-{size[0]}-dark")
    assert looking.faults == []
