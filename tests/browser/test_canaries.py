"""No secret of a whole visit is anywhere but where it has to be (rules T8, T13).

The processes are those of the other tests, and so is what is in their database by then.
"""

import base64
import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Response, Route, expect

from sandbox import people
from tests import canaries
from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import CONNECT, Stack, both_doors

VIEWS = (
    *("Overview", "Runs", "Rules", "Destinations", "Listeners", "Keys"),
    *("Verification log", "Settings"),
)
ONCE = "New secret"
"""What is shown once, in the answer to the call that made it."""


@dataclass
class Visitor:
    """Somebody who seeds secrets by hand, and keeps every answer that he sees."""

    desk: Desk
    secrets: dict[str, str | bytes] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    """Names of those that we made, and showed to who asked for them."""
    answers: dict[str, bytes] = field(default_factory=dict)
    number: str = field(default_factory=lambda: secrets.token_hex(3))

    def watch(self) -> None:
        """Keep what comes from the add-on, straight or through Forge's front end."""
        addon, forge = self.desk.stack.addon, "/sandbox/host/forge/invoke"

        def on_request(route: Route) -> None:
            request = route.request
            is_file = "/downloads/" in request.url or "/static/" in request.url
            if is_file or not (request.url.startswith(addon) or forge in request.url):
                route.fallback()
                return
            answer = route.fetch()
            path = request.url.partition("?")[0].removeprefix(addon)
            name = f"answer {len(self.answers)} to {request.method} {path}"
            headers = json.dumps(answer.headers).encode()
            self.answers[name] = headers + b"\n" + answer.body()
            if request.resource_type == "document":
                # One that we filled in would not be of this machine, to the browser.
                route.fallback()
            else:
                route.fulfill(response=answer)

        self.desk.page.context.route("**/*", on_request)

    def plant(self, name: str, prefix: str = "") -> str:
        """Return a secret that can be recognised."""
        made = prefix + secrets.token_urlsafe(24)
        self.secrets[name] = made
        return made

    def take_once(self, name: str) -> None:
        """Note a secret that the page shows, for the only time."""
        shown = self.desk.frame.get_by_label(ONCE, exact=True)
        expect(shown).to_have_value(re.compile(r"^\S{20,}$"))
        # What Standard Webhooks puts before it is no secret.
        self.secrets[name] = shown.input_value().removeprefix("whsec_")
        self.once.add(name)

    def begin(self, kind: str, name: str) -> None:
        self.desk.open_config("Destinations")
        self.desk.frame.get_by_role("link", name="Add destination").first.click()
        if kind:
            link = self.desk.frame.get_by_role("link", name=kind)
            link.click()
            expect(link).to_have_attribute("aria-current", "true")
        self.fill(Name=f"{name} {self.number}")
        self.desk.frame.get_by_label("Demo").first.check()

    def fill(self, **fields: str) -> None:
        for label, text in fields.items():
            named = label.replace("_", " ")
            box = self.desk.frame.get_by_role("textbox", name=named)
            box.first.fill(text)

    def add(self) -> None:
        button = self.desk.frame.get_by_role("button", name="Add destination")
        with self.desk.page.expect_response(lambda it: it.request.method == "POST"):
            button.click()

    def download(self, button: str) -> None:
        pressed = self.desk.frame.get_by_role("button", name=button, exact=True)
        with self.desk.page.expect_download() as downloading:
            pressed.press("Enter")
        file = downloading.value.path()
        self.answers[f"the file of {button}"] = Path(file).read_bytes()


@pytest.fixture
def visitor(open_page: Visits, stack: Stack) -> Iterator[Visitor]:
    visitor = Visitor(Desk(open_page(), stack))
    visitor.watch()
    yield visitor
    visitor.desk.ask("receivers/canary/answer", {"how": "well"})
    visitor.desk.forget_rules()


@both_doors
def test_t13_no_secret_of_a_whole_visit_is_anywhere_else(visitor: Visitor) -> None:
    desk = visitor.desk
    seed_settings(visitor)
    destination = add_webhooks(visitor)
    if CONNECT in desk.stack.doors:
        # The same views and the same worker behind both doors: once is enough.
        add_connectors(visitor)
        add_listener(visitor)
        deliver(visitor, destination, "well", "Succeeded")
    deliver(visitor, destination, "redirect", "Failed")
    look_around(visitor)
    with broken_destination(desk.stack, destination):
        deliver(visitor, destination, "well", "A fault of Countersign")
        open_broken(visitor)
    seed_jiras(visitor)

    kept = at_rest(desk.stack)
    # What was broken on purpose stands there with its traceback, of both processes.
    assert b"app.web.errors bug: ValidationError" in kept["addon.log"]
    assert b"app/worker/carrying.py" in kept["addon.log"]
    assert len(visitor.answers) > 20
    found = canaries.leaks(visitor.secrets, kept)
    found += canaries.tokens(kept) + canaries.tokens(visitor.answers)
    for name, secret in visitor.secrets.items():
        where = canaries.leaks({name: secret}, visitor.answers)
        if name in visitor.once:
            assert {each.partition(" in ")[2] for each in where}, name
            assert len(where) == 1, where
            assert "POST" in where[0], where
        else:
            found += where
    assert found == []


def seed_settings(visitor: Visitor) -> None:
    env = visitor.desk.stack.env
    key = env["COUNTERSIGN_ENCRYPTION_KEYS"].partition(":")[2]
    password = env["COUNTERSIGN_SMTP_URL"].partition("us:")[2].partition("@")[0]
    visitor.secrets |= {
        "encryption key": base64.b64decode(key),
        "metrics token": env["COUNTERSIGN_METRICS_TOKEN"],
        "mail password": password,
    }


def add_webhooks(visitor: Visitor) -> str:
    """Set up receivers with secrets of both sorts, and one with a header of its own."""
    desk = visitor.desk
    address = f"{desk.stack.jira}/receiver/canary"
    for signed in ("By a secret of this destination alone", "Standard Webhooks"):
        visitor.begin("", signed)
        visitor.fill(Address=address)
        desk.frame.get_by_label(signed).check()
        visitor.add()
        visitor.take_once(signed)
    visitor.begin("", "With a header")
    visitor.fill(Address=address)
    desk.frame.get_by_role("button", name="Add header").click()
    desk.frame.get_by_label("Header", exact=True).fill("X-Canary")
    value = visitor.plant("header", "Bearer ")
    desk.frame.get_by_label("Value", exact=True).fill(value)
    visitor.add()
    desk.frame.get_by_role("button", name="Send test event").click()
    expect(desk.frame.locator("#test-result")).to_contain_text("200")
    return "d_" + desk.hash().rpartition("/")[2].replace("-", "")


def add_connectors(visitor: Visitor) -> None:
    """Give credentials to services that nobody reaches from here: not kept, or kept."""
    desk = visitor.desk
    visitor.begin("Slack", "Slack")
    hook = f"T0000000/B0000000/{secrets.token_hex(12)}"
    visitor.secrets["Slack's address"] = hook.rpartition("/")[2]
    address = f"https://hooks.slack.com/services/{hook}"
    desk.frame.get_by_label("Webhook's address").fill(address)
    visitor.add()
    visitor.begin("GitHub Actions", "GitHub")
    github = desk.ask("github")
    pem = str(desk.ask("github/key")["private_key"])
    lines = pem.splitlines()
    visitor.secrets |= {f"private key, line {n}": lines[n] for n in (1, 5, 9)}
    for label, text in {
        "Repository": "acme/shop",
        "App id": str(github["app_id"]),
        "Installation id": str(github["installation_id"]),
        "Workflow": "deploy.yml",
        "API": github["api_url"],
        "Private key": pem,
    }.items():
        desk.frame.get_by_role("textbox", name=label, exact=True).fill(text)
    visitor.add()
    desk.frame.get_by_role("button", name="Test the connection").click()
    result = desk.frame.locator("#test-result")
    expect(result.get_by_text("GitHub knows the app")).to_be_visible()


def add_listener(visitor: Visitor) -> None:
    desk = visitor.desk
    desk.open_config("Listeners")
    desk.frame.get_by_role("link", name="Add listener").first.click()
    desk.frame.get_by_role("link", name="A shared secret").click()
    visitor.fill(Name=f"Canary {visitor.number}", Issuer="canary")
    desk.frame.get_by_role("button", name="Add listener").click()
    visitor.take_once("listener's secret")


def deliver(visitor: Visitor, destination: str, how: str, end: str) -> None:
    """Have a transition delivered, answered like this, and look at its run."""
    desk = visitor.desk
    step = {"do": "deliver", "destination": destination, "inputs": {}}
    rule = {
        "v": 1,
        "id": "r_canary",
        "name": "Canary",
        "steps": [step],
        "on_failure": {"mode": "report", "comment": True},
    }
    desk.forget_rules()
    desk.add_rule("Start progress", json.dumps(rule))
    desk.ask("receivers/canary/answer", {"how": how, "times": 1})
    key = desk.new_issue(f"Canary {how}")
    desk.open(f"/browse/{key}")
    desk.page.get_by_role("button", name="Start progress", exact=True).click()
    desk.page.wait_for_load_state()
    desk.open_config("Runs")
    expect(desk.runs(key).first).to_contain_text(end)
    desk.runs(key).first.locator(".row-link").press("Enter")
    story = desk.frame.get_by_role("list", name="What happened, in its order")
    expect(story).to_be_visible()


def open_broken(visitor: Visitor) -> None:
    """Open a page that the web server cannot make."""
    desk = visitor.desk
    desk.open_config("Destinations")
    name = f"With a header {visitor.number}"

    def is_it(answer: Response) -> bool:
        return "/pages/destinations/" in answer.url or "/forge/invoke" in answer.url

    with desk.page.expect_response(is_it):
        desk.frame.get_by_role("link", name=name, exact=True).first.press("Enter")


def look_around(visitor: Visitor) -> None:
    """Open every view, and take away every file."""
    desk = visitor.desk
    for view in VIEWS:
        desk.open_config(view)
        if view == "Verification log":
            visitor.download("Download CSV")
            visitor.download("Download NDJSON")
        if view == "Rules":
            visitor.download("Download all")
    desk.open_config("Settings")
    visitor.download("Download diagnostics")
    desk.frame.get_by_role("link", name=re.compile("erson")).first.click()
    desk.frame.locator("#person-id").fill(people.ADA.account_id)
    visitor.download("Download")


@contextmanager
def broken_destination(stack: Stack, destination: str) -> Iterator[None]:
    """Have a bug in the web server and in the worker meet what they cannot read."""
    key = destination.removeprefix("d_")
    with closing(sqlite3.connect(stack.folder / "countersign.sqlite")) as file:
        query = "SELECT settings FROM destination WHERE id = ?"
        [before] = file.execute(query, (key,)).fetchone()
        change = "UPDATE destination SET settings = ? WHERE id = ?"
        with file:
            file.execute(change, ('{"format": "no such format"}', key))
        try:
            yield
        finally:
            with file:
                file.execute(change, (before, key))


def seed_jiras(visitor: Visitor) -> None:
    """Look for what Jira and Forge gave us, which only they and we may know."""
    stack = visitor.desk.stack
    state = json.loads((stack.folder / "sandbox.json").read_text())
    if CONNECT in stack.doors:
        visitor.secrets["shared secret"] = state["site"]["shared_secret"]
        return
    # A token that it lends us is known by its id, which is in its middle, in base64.
    lent = state["forge"]["tokens"]
    assert lent
    visitor.secrets |= {f"Forge's token {n}": jti for n, jti in enumerate(lent)}


def at_rest(stack: Stack) -> dict[str, bytes]:
    """Return the add-on's files: its database and queue, whole, and its log."""
    return {
        path.name: path.read_bytes()
        for path in stack.folder.iterdir()
        if path.is_file() and not path.name.startswith("sandbox")
    }
