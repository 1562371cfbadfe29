"""Somebody at Jira's desk: opens our pages in its frames, and reads what Jira holds."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Frame, FrameLocator, Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.stacks import Stack

WORKFLOW = "DEMO: Delivery workflow"
SLOT = ".iframe-slot iframe"

Json = Any


@dataclass(frozen=True)
class Desk:
    """One visit to one Jira."""

    visit: Visit
    stack: Stack

    @property
    def page(self) -> Page:
        return self.visit.page

    @property
    def frame(self) -> FrameLocator:
        """Our page, inside Jira's."""
        return self.page.frame_locator(SLOT)

    @property
    def faults(self) -> list[str]:
        """What went wrong in the browser, but for one thing that is meant to happen.

        The browser logs every answer 422, which is how a rule in the making is judged.
        """
        expected = (
            "console: Failed to load resource: the server responded with a status"
        )
        return [
            fault
            for fault in self.visit.faults
            if not fault.startswith(f"{expected} of 422")
        ]

    def open(self, path: str) -> None:
        self.page.goto(self.stack.jira + path)

    def open_editor(self, transition: str) -> None:
        """Open the page that adds our post function to a transition."""
        self.open("/workflows/")
        name = f"Add Countersign rule to {transition}"
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.frame.locator("#rule")).to_be_visible()

    def open_rule(self, function: str, view: str = "") -> None:
        """Open a stored rule, to look at it or (`/edit`) to change it."""
        self.open(f"/workflows/{quote(WORKFLOW)}/functions/{function}{view}")

    def open_config(self, view: str = "Overview") -> None:
        """Open our configuration page, and one of its views by its link."""
        self.open("/apps/")
        self.page.get_by_role("link", name="Configure").click()
        link = self.frame.get_by_role("link", name=view, exact=True).first
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        expect(self.frame.locator("main h1:not(.visually-hidden)")).to_be_visible()

    def runs(self, text: str) -> Locator:
        """Return the rows with this text in the list of runs, the newest first."""
        return self.frame.locator("tr[data-item]").filter(has_text=text)

    def open_run(self, text: str) -> Locator:
        """Open the newest run whose row has this text; return its timeline."""
        self.open_config("Runs")
        self.runs(text).first.locator(".row-link").press("Enter")
        timeline = self.frame.get_by_role("list", name="What happened, in its order")
        expect(timeline).to_be_visible()
        return timeline

    def push(self, name: str) -> None:
        """Push a button of Jira's on a page with our frame, by the keyboard.

        Right after Jira's page scrolled, Chromium may still send a click to the frame
        that was under the pointer before.
        """
        self.page.get_by_role("button", name=name, exact=True).press("Enter")

    def sign_in(self, name: str) -> None:
        """Become another of the sandbox's people."""
        self.open("/")
        with self.page.expect_navigation():
            self.page.get_by_label("Signed in as").select_option(label=name)

    def go_dark(self) -> None:
        self.push("Dark")
        html = self.frame.locator("html")
        expect(html).to_have_attribute("data-color-mode", "dark")

    def add_step(self, title: str) -> None:
        self.frame.get_by_label("New step").select_option(label=title)
        # By the keyboard, as in `push`: the frame may just be growing.
        self.frame.get_by_role("button", name="Add step").press("Enter")

    def press(self, mishap: str, issue: str) -> None:
        """Press one of the buttons for what goes wrong in life."""
        self.open(f"/mishaps/?issue={issue}")
        name = re.compile(f"^{mishap}: ", re.IGNORECASE)
        self.page.get_by_role("button", name=name).first.click()
        self.page.wait_for_load_state()

    def ask(self, path: str, body: Json = None) -> Json:
        """Use the sandbox's control API."""
        url = f"{self.stack.jira}/sandbox/api/{path}"
        if body is None:
            return self.page.request.get(url).json()
        answer = self.page.request.post(url, data=body)
        assert answer.ok, answer.text()
        return answer.json()

    def issues(self) -> dict[str, Json]:
        """Return all that Jira knows of its issues, by their keys."""
        return {issue["key"]: issue for issue in self.ask("state")["issues"]}

    def forget_rules(self) -> None:
        """Take every post function off the workflow."""
        live = self.ask("state")["workflows"][WORKFLOW]["live"]
        for functions in live.values():
            for function in functions:
                url = f"{self.stack.jira}/sandbox/api/post-functions/{function['id']}"
                assert self.page.request.delete(url).ok

    def add_rule(self, transition: str, value: str) -> str:
        """Publish a rule without the editor; return the post function's id."""
        body = {"transition": transition, "value": value}
        return str(self.ask("post-functions", body)["id"])

    def new_issue(self, summary: str) -> str:
        """Create an issue without the board; return its key."""
        return str(self.ask("issues", {"summary": summary})["key"])

    def cut_wire(self, *, on: bool) -> None:
        """Let nothing that Jira tells the add-on arrive any more, or mend it."""
        self.ask("mishaps/cut-wire", {"on": on})

    def ours(self) -> Frame:
        """Return our page: the one frame from another origin than Jira's."""
        handle = self.page.locator(SLOT).element_handle()
        frame = handle.content_frame()
        assert frame is not None
        return frame

    def hash(self) -> str:
        """Return which of our views is open, as the frame's address has it."""
        return str(self.ours().evaluate("location.hash"))
