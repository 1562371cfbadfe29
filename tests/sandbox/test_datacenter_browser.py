"""The pages of a self-managed Jira in Chromium, below its context path."""

import shutil
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from sandbox import Jira, create_app
from tests.browser.conftest import accessibility_faults
from tests.sandbox.datacenter import CONTEXT, Ear
from tests.serving import serving


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def jira(ear: Ear) -> Iterator[tuple[Jira, str]]:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        url = f"http://localhost:{mine.getsockname()[1]}"
        site = Jira(
            base_url=url, is_datacenter=True, context_path=CONTEXT, transport=ear
        )
        with serving(create_app(site), mine):
            yield site, f"{url}{CONTEXT}"
            site.close()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        context = browser.new_context(color_scheme="light")
        context.set_default_timeout(10_000)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(request.url))
        yield page
        browser.close()
        assert faults == []


def test_administrator_sets_up_a_webhook_and_an_issue_sets_it_off(
    page: Page, jira: tuple[Jira, str], ear: Ear
) -> None:
    site, url = jira
    page.goto(url)
    page.get_by_role("link", name="Data Center").click()
    page.get_by_label("Webhook URL").fill("http://127.0.0.1:1/listeners/1")
    added = page.locator("form", has=page.get_by_label("Webhook URL"))
    added.get_by_label("Post function on").select_option("Dispatch")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("status")).to_contain_text("on its transition")
    assert accessibility_faults(page.main_frame) == []

    page.get_by_role("link", name="Board").click()
    page.get_by_role("button", name="Dispatch: DEMO-1").click()
    expect(page.locator("section", has_text="Deploying")).to_contain_text("DEMO-1")
    assert site.wait_until_delivered()
    assert ear.last[1]["transition"]["transitionName"] == "Dispatch"
    page.get_by_role("link", name="Mishaps").click()
    page.get_by_role("button", name="Stale timestamp: Now").click()
    expect(page.get_by_role("status")).to_contain_text("stale timestamp")
    assert accessibility_faults(page.main_frame) == []
