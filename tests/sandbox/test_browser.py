"""The pages in Chromium, with both genuine halves of Atlassian's AP library."""

import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    FrameLocator,
    Page,
    Route,
    expect,
    sync_playwright,
)

from sandbox import Jira, create_app, people
from sandbox.web import hosting
from sandbox.world import CONDITION
from tests.sandbox.stand_in import StandIn
from tests.serving import serving

LOOPBACK = {"localhost", "127.0.0.1"}
EDITOR = "/workflows/DEMO: Delivery workflow"
VALUE = '{"v": 1}'
HOLD = '{"account": "another"}'


@dataclass
class Stack:
    jira: Jira
    url: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    if not hosting.is_there():
        pytest.skip("there is no node_modules: npm ci --ignore-scripts")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Jira as localhost and the stand-in as 127.0.0.1: two origins, one machine."""
    mine, addons = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    stand_in = StandIn(f"http://127.0.0.1:{addons.getsockname()[1]}")
    url = f"http://localhost:{mine.getsockname()[1]}"
    stand_in.all_js = f"{url}/atlassian-connect/all.js"
    jira = Jira(addon_base_url=stand_in.base_url, base_url=url)
    with serving(stand_in.app(), addons), serving(create_app(jira), mine):
        jira.install()
        yield Stack(jira, url)
        jira.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.url, color_scheme="light")
    context.set_default_timeout(10_000)
    faults: list[str] = []

    def admit(route: Route) -> None:
        if urlsplit(route.request.url).hostname in LOOPBACK:
            route.continue_()
        else:
            faults.append(f"left the machine: {route.request.url}")
            route.abort()

    context.route("**/*", admit)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        # the stand-in asks for what is not there, or not for it, on purpose
        lambda said: (
            faults.append(said.text)
            if said.type == "error" and not re.search("40[134]", said.text)
            else None
        ),
    )
    yield page
    context.close()
    assert faults == []


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("#iframe-slot iframe")


def test_what_ap_promises(page: Page, stack: Stack) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    inside = frame(page)
    ada = people.ADA.account_id
    expect(inside.locator("#token")).to_have_text(f"context-qsh {ada}")
    expect(inside.locator("#user")).to_have_text(ada)
    expect(inside.locator("#summary")).to_have_text(
        stack.jira.issue("DEMO-1").fields["summary"]
    )
    expect(inside.locator("#missing")).to_have_text("404 application/json")


def test_request_reaches_what_the_app_may_read(page: Page) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    expect(frame(page).locator("#asked")).to_have_text(
        "issue/DEMO-1/transitions 200, issue/DEMO-1/editmeta 200, "
        "project/search 200, status 200, project/DEMO/role 200, role 403"
    )


def test_request_has_the_rights_of_the_user(page: Page, stack: Stack) -> None:
    page.goto("/apps/")
    page.get_by_label("Signed in as").select_option("Vic Viewer")
    expect(page.get_by_label("Signed in as")).to_have_value(people.VIC.account_id)
    page.goto("/plugins/servlet/ac/stand-in/config")
    expect(page.get_by_text("administrators only")).to_be_visible()
    expect(frame(page).locator("#user")).to_have_text(people.VIC.account_id)
    expect(frame(page).locator("#summary")).not_to_be_empty()
    asked = [e for e in stack.jira.traffic.newest() if "browser" in e.note]
    assert {entry.note for entry in asked} == {"browser, as Vic Viewer"}


def test_the_frame_grows_with_its_content(page: Page) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    element = page.locator("#iframe-slot iframe")
    frame(page).get_by_role("button", name="Grow").click()
    page.wait_for_function(
        "() => document.querySelector('#iframe-slot iframe').clientHeight > 700"
    )
    expect(element).to_have_attribute("title", "Stand-in settings")


def test_theme_follows_the_host(page: Page) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    html = frame(page).locator("html")
    expect(html).to_have_attribute("data-color-mode", "light")
    page.get_by_role("button", name="Dark").click()
    expect(html).to_have_attribute("data-color-mode", "dark")
    expect(html.locator("link[href*='atlaskit-tokens_dark.css']")).to_have_count(1)
    expect(frame(page).locator("body")).not_to_have_css(
        "background-color", "rgb(255, 255, 255)"
    )
    page.reload()
    expect(html).to_have_attribute("data-color-mode", "dark")


def test_flags_are_text(page: Page) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    frame(page).get_by_role("button", name="Say").click()
    flag = page.locator(".flag")
    expect(flag).to_contain_text("It <b>worked</b>.")
    flag.get_by_role("button", name="Dismiss").click()
    expect(flag).to_have_count(0)


def test_dialog_has_a_page_of_its_own_and_tells_when_it_closes(page: Page) -> None:
    page.goto("/plugins/servlet/ac/stand-in/config")
    frame(page).get_by_role("button", name="Open").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="A dialog")).to_be_visible()
    inside = page.frame_locator("dialog iframe")
    expect(inside.locator("#token")).to_contain_text("context-qsh")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    expect(frame(page).locator("#dialog")).to_have_text("closed")


def test_a_post_function_from_create_to_delete(page: Page, stack: Stack) -> None:
    flow = stack.jira.world.state.workflows["DEMO: Delivery workflow"]
    page.goto(EDITOR)
    page.get_by_role("link", name="Add Stand-in rule to Deploy", exact=True).click()
    expect(frame(page).locator("#config")).to_have_text("none")
    add = page.get_by_role("button", name="Add")
    add.click()
    # refused by onSaveValidation: Jira stays where it is
    expect(add).to_be_enabled()
    expect(page).to_have_url(re.compile("/transitions/31/add/rule$"))
    frame(page).get_by_label("Value").fill(VALUE)
    add.click()
    expect(page.get_by_text("Draft with changes")).to_be_visible()
    assert flow.live == {}
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert [f.value for f in flow.live["31"]] == [VALUE]

    page.get_by_role("link", name="Edit").click()
    expect(frame(page).locator("#config")).to_have_text(VALUE)
    frame(page).get_by_label("Value").fill("new")
    page.get_by_role("button", name="Update").click()
    expect(page.get_by_text("Draft with changes")).to_be_visible()
    page.get_by_role("link", name="View", exact=True).click()
    expect(frame(page).locator("#config")).to_have_text("new")
    page.get_by_role("link", name="Back to the workflow").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert flow.live["31"] == []


def test_a_condition_from_create_to_delete(page: Page, stack: Stack) -> None:
    flow = stack.jira.world.state.workflows["DEMO: Delivery workflow"]
    page.goto(EDITOR)
    page.get_by_role("link", name="Add Stand-in hold to Deployed", exact=True).click()
    expect(page.get_by_role("heading", name="Add condition")).to_be_visible()
    expect(frame(page).locator("#config")).to_have_text("none")
    frame(page).get_by_label("Value").fill(HOLD)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert [(rule.kind, rule.value) for rule in flow.live["81"]] == [(CONDITION, HOLD)]

    page.get_by_role("link", name="Edit").click()
    expect(frame(page).locator("#config")).to_have_text(HOLD)
    frame(page).get_by_label("Value").fill("{}")
    page.get_by_role("button", name="Update").click()
    page.get_by_role("link", name="View", exact=True).click()
    expect(frame(page).locator("#config")).to_have_text("{}")
    page.get_by_role("link", name="Back to the workflow").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert flow.live["81"] == []


def test_board_moves_by_keyboard_and_refreshes_by_itself(
    page: Page, stack: Stack
) -> None:
    page.goto("/")
    page.get_by_role("button", name="Deploy: DEMO-1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("DEMO-1: Deploy.")).to_be_visible()
    assert stack.jira.status_of("DEMO-1") == "Done"
    stack.jira.transition("DEMO-1", "Reopen", "countersign")
    done = page.get_by_role("region", name="To Do")
    expect(done.get_by_text("DEMO-1", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/browse/DEMO-1",
        "/traffic",
        "/mishaps/",
        "/receiver/deploy",
        "/github",
        EDITOR,
    ],
)
def test_nothing_is_wider_than_a_telephone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(path)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
