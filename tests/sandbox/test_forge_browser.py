"""Pages of Custom UI in Chromium, with a page that calls the bridge as packages do."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from sandbox import Jira, create_app, people
from sandbox.world import CONDITION, POST_FUNCTION
from tests.sandbox import forge_stand_in
from tests.sandbox.stand_in import StandIn
from tests.sandbox.test_browser import EDITOR, Stack, browser, frame, page
from tests.serving import serving

__all__ = ["browser", "page"]
SAVED = '{"value":"first"}'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Both apps on one site; Forge's files come from another name of the machine."""
    mine, addons = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    stand_in = StandIn(f"http://127.0.0.1:{addons.getsockname()[1]}")
    stand_in.doors.append(forge_stand_in.serve)
    url = f"http://localhost:{mine.getsockname()[1]}"
    stand_in.all_js = f"{url}/atlassian-connect/all.js"
    jira = Jira(
        addon_base_url=stand_in.base_url,
        base_url=url,
        forge_manifest=forge_stand_in.write(tmp_path),
    )
    with serving(stand_in.app(), addons), serving(create_app(jira), mine):
        jira.install()
        jira.forge.install()
        yield Stack(jira, url)
        jira.close()


def configure(page: Page, stack: Stack) -> FrameLocator:
    kept = stack.jira.forge.app.kept
    page.goto(f"/jira/settings/apps/configure/{kept.app.uuid}/{kept.environment}")
    return frame(page)


def test_what_the_bridge_promises(page: Page, stack: Stack) -> None:
    inside = configure(page, stack)
    ada = people.ADA.account_id
    expect(inside.locator("#context")).to_have_text(f"config {ada} light")
    expect(inside.locator("#answer")).to_have_text(f"true 200 {ada}")
    expect(inside.locator("#refused")).to_have_text("false 403 no")
    summary = stack.jira.issue("DEMO-1").fields["summary"]
    expect(inside.locator("#summary")).to_have_text(summary)
    expect(inside.locator("#elsewhere")).to_have_text(
        "Only Jira's REST API can be called."
    )
    expect(inside.locator("#unknown")).to_have_text("This Jira does not play fly.")


def test_request_is_of_who_is_signed_in_within_the_scopes(
    page: Page, stack: Stack
) -> None:
    page.goto("/apps/")
    page.get_by_label("Signed in as").select_option("Vic Viewer")
    expect(page.get_by_label("Signed in as")).to_have_value(people.VIC.account_id)
    inside = configure(page, stack)
    expect(page.get_by_text("administrators only")).to_be_visible()
    expect(inside.locator("#me")).to_have_text("200 Vic Viewer")
    scopes = stack.jira.forge.app.kept.manifest["permissions"]["scopes"]
    scopes.remove("read:jira-user")
    page.reload()
    expect(inside.locator("#me")).to_have_text("401 undefined")


def test_frame_is_held_to_its_own_files(browser: Browser, stack: Stack) -> None:
    with browser.new_context(base_url=stack.url) as context:
        page = context.new_page()
        expect(configure(page, stack).locator("#me")).not_to_be_empty()
        content = page.locator("#iframe-slot iframe").element_handle().content_frame()
        assert content is not None
        assert content.url.startswith("http://127.0.0.1:")
        asked = "fetch('/rest/api/3/serverInfo').then(() => 'heard', () => 'refused')"
        assert content.evaluate(asked) == "refused"
        content.evaluate("document.body.setAttribute('style', 'color: rgb(1, 2, 3)')")
        expect(content.locator("body")).not_to_have_css("color", "rgb(1, 2, 3)")


def test_frame_grows_and_shrinks_with_its_content(page: Page, stack: Stack) -> None:
    inside = configure(page, stack)
    inside.get_by_role("button", name="Grow").click()
    height = "document.querySelector('#iframe-slot iframe').clientHeight"
    page.wait_for_function(f"() => {height} > 900")
    inside.locator("#tall").evaluate("(box) => box.style.height = '0'")
    page.wait_for_function(f"() => {height} < 900")


def test_theme_follows_the_host(page: Page, stack: Stack) -> None:
    html = configure(page, stack).locator("html")
    expect(html).to_have_attribute("data-color-mode", "light")
    page.get_by_role("button", name="Dark").click()
    expect(html).to_have_attribute("data-color-mode", "dark")
    page.reload()
    expect(html).to_have_attribute("data-color-mode", "dark")


def test_flags_are_text(page: Page, stack: Stack) -> None:
    configure(page, stack).get_by_role("button", name="Say").click()
    flag = page.locator(".flag")
    expect(flag).to_contain_text("It <b>worked</b>.")
    flag.get_by_role("button", name="Dismiss").click()
    expect(flag).to_have_count(0)


def test_page_leads_elsewhere(page: Page, stack: Stack) -> None:
    inside = configure(page, stack)
    with page.expect_popup() as opened:
        inside.get_by_role("button", name="Open").click()
    assert opened.value.url == f"{stack.url}/traffic"
    inside.get_by_role("button", name="Go").click()
    page.wait_for_url("**/browse/DEMO-2")


def test_panel_is_beside_its_issue(page: Page) -> None:
    page.goto("/browse/DEMO-1")
    expect(page.get_by_role("heading", name="Forge panel")).to_be_visible()
    told = page.frame_locator("#forge-slot-0 iframe").locator("#extension")
    expect(told).to_contain_text('"issue":{"id":"10100","key":"DEMO-1"')
    expect(told).to_contain_text('"type":"jira:issuePanel"')


def test_a_post_function_is_added(page: Page, stack: Stack) -> None:
    flow = stack.jira.world.state.workflows["DEMO: Delivery workflow"]
    page.goto(EDITOR)
    page.get_by_role("link", name="Add Forge rule to Deploy", exact=True).click()
    told = frame(page).locator("#extension")
    expect(told).to_contain_text('"isNewEditor":true')
    expect(told).not_to_contain_text("postFunctionConfig")
    # undefined blocks the save: Jira stays where it is
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("button", name="Add")).to_be_enabled()
    frame(page).get_by_label("Value").fill("first")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert [(f.kind, f.value) for f in flow.live["31"]] == [(POST_FUNCTION, SAVED)]


def test_a_post_function_is_edited_and_viewed(page: Page, stack: Stack) -> None:
    made = stack.jira.add_post_function("Deploy", SAVED)
    page.goto(f"{EDITOR}/functions/{made.id}/edit")
    expect(frame(page).get_by_label("Value")).to_have_value("first")
    frame(page).get_by_label("Value").fill("second")
    page.get_by_role("button", name="Update").click()
    page.get_by_role("link", name="View", exact=True).click()
    expect(frame(page).get_by_label("Value")).to_have_value("second")


def test_a_condition_is_saved_as_conditions_are(page: Page, stack: Stack) -> None:
    flow = stack.jira.world.state.workflows["DEMO: Delivery workflow"]
    page.goto(EDITOR)
    page.get_by_role("link", name="Add Forge hold to Deployed", exact=True).click()
    expect(page.get_by_role("heading", name="Add condition")).to_be_visible()
    expect(frame(page).locator("#extension")).not_to_be_empty()
    frame(page).get_by_label("Value").fill("first")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Publish draft").click()
    expect(page.get_by_text("Published", exact=True)).to_be_visible()
    assert [(r.kind, r.value) for r in flow.live["81"]] == [(CONDITION, SAVED)]
    page.get_by_role("link", name="Edit").click()
    expect(frame(page).locator("#extension")).to_contain_text(
        f'"conditionConfig":{json.dumps(SAVED)}'
    )


@pytest.mark.parametrize("path", ["/apps/", "/mishaps/", "/browse/DEMO-1", EDITOR])
def test_nothing_is_wider_than_a_telephone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(path)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
