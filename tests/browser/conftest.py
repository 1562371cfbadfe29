"""A real browser on a real add-on and a real sandbox, each in a process of its own."""

import contextlib
import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Frame,
    Page,
    Route,
    expect,
    sync_playwright,
)

from tests.browser import stacks
from tests.browser.stacks import Stack
from tests.processes import ROOT
from tests.services import ENVIRON

RESULTS = ROOT / "test-results"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names that dev/bootstrap.py looks for, too."""

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Keep Chromium from calling home: tests reach this machine and nothing else."""

ONE_PROCESS = (
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process",
)
"""Keep our frame in its page's process: in one of its own, a click that follows a
scroll is now and then sent to where the frame was before. Origins stay apart."""

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

HARMLESS = "[ACJS] Feature flag service is not initialised"
"""What Atlassian's host library logs as an error wherever it runs outside Jira."""

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", event => console.error(
    `CSP: ${event.violatedDirective} refused ${event.blockedURI} in ${document.URL}`));
"""

TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)

# "null" leaves it to the pages: Playwright's default, light, would hide that a frame
# follows the colour scheme of the page around it.
ColorScheme = Literal["light", "dark", "null"]


@dataclass
class Visit:
    """One browser context with one page, and everything that went wrong in it."""

    page: Page
    name: str
    faults: list[str] = field(default_factory=list)
    """Console errors, CSP violations, uncaught errors and refused requests."""

    def photograph(self, name: str) -> None:
        """Take a picture for people to look at; in CI there are none."""
        if not ENVIRON.get("CI"):
            self.screenshot(name)

    def screenshot(self, name: str) -> Path:
        """Write the whole page to the ignored `test-results/`; return the file."""
        path = RESULTS / self.name / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path


@dataclass
class Visits:
    """What the fixture `open_page` gives: call it to open a page."""

    browser: Browser = field(repr=False)
    name: str
    visits: list[Visit] = field(default_factory=list)

    def __call__(
        self,
        *,
        color_scheme: ColorScheme = "null",
        viewport: tuple[int, int] = (1280, 900),
    ) -> Visit:
        """Open an empty page in a context of its own, cut off from the internet."""
        width, height = viewport
        context = self.browser.new_context(
            color_scheme=color_scheme,
            viewport={"width": width, "height": height},
            service_workers="block",  # or its requests would go round our route
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(REPORT_VIOLATIONS)
        visit = Visit(context.new_page(), self.name)
        _record(context, visit.faults)
        self.visits.append(visit)
        return visit


# Package scope, not session: Playwright keeps an event loop running in this thread,
# and later tests shall not meet it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.fail(f"no Chromium on the PATH ({', '.join(CHROMIUMS)}): `make test`")
    with sync_playwright() as playwright:
        # Its own sandbox does not work for root, and CI is root; all it opens is ours.
        browser = playwright.chromium.launch(
            executable_path=found, chromium_sandbox=False, args=[*QUIET, *ONE_PROCESS]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def connect_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stacks.started(tmp_path_factory.mktemp("connect"), stacks.CONNECT) as stack:
        stack.install(stacks.CONNECT)
        yield stack


@pytest.fixture(scope="package")
def forge_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With Connect's door shut, and no Connect app on the site."""
    with stacks.started(tmp_path_factory.mktemp("forge"), stacks.FORGE) as stack:
        stack.install(stacks.FORGE)
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """The product on a site that has it by Connect, unless a test says otherwise."""
    door = getattr(request, "param", stacks.CONNECT)
    found: Stack = request.getfixturevalue(f"{door}_stack")
    return found


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visits]:
    """Open pages; they are closed after the test, and photographed if it failed."""
    visits = Visits(browser, re.sub(r"[^\w.-]+", "-", request.node.name))
    yield visits
    for visit in visits.visits:
        visit.page.context.close()


def accessibility_faults(frame: Frame, *, colours_only: bool = False) -> list[str]:
    """Return what axe-core finds wrong in `frame`, one line per fault and element.

    The second theme of a page that was looked at whole differs in its colours only.
    The frame, not the page: axe does not look into frames of another origin. Without
    `preload` it would fetch style sheets anew, which our CSP refuses.
    """
    options: dict[str, object] = {"preload": False, "resultTypes": ["violations"]}
    if colours_only:
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    violations = Axe().run(frame, options=options).response["violations"]
    return [
        f"{violation['id']}: {violation['help']} ({' '.join(map(str, node['target']))})"
        for violation in violations
        for node in violation["nodes"]
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the processes logged and what the pages looked like."""
    report = yield
    if call.when == "call" and report.failed:
        for value in item.funcargs.values():
            if isinstance(value, Stack):
                report.sections += [(p.name, p.tail()) for p in value.processes]
            if isinstance(value, Visits):
                report.sections += _evidence(value)
    return report


def _evidence(visits: Visits) -> list[tuple[str, str]]:
    sections = []
    for number, visit in enumerate(visits.visits, start=1):
        picture: object = "no screenshot: the page is gone"
        with contextlib.suppress(Error):
            picture = visit.screenshot(f"failed-{number}").relative_to(ROOT)
        lines = [visit.page.url, str(picture), *visit.faults]
        sections.append((f"page {number}", "\n".join(lines)))
    return sections


def _record(context: BrowserContext, faults: list[str]) -> None:
    """Write every fault of `context` to `faults`; let no request leave the machine."""

    def on_request(route: Route) -> None:
        if urlsplit(route.request.url).hostname in LOOPBACK:
            route.continue_()
        else:
            faults.append(f"refused request: {route.request.url}")
            route.abort("blockedbyclient")

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and message.text != HARMLESS:
            faults.append(f"console: {message.text}")

    context.route("**/*", on_request)
    context.on("console", on_console)
    context.on("weberror", lambda uncaught: faults.append(f"error: {uncaught.error}"))
