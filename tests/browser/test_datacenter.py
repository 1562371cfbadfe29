"""A self-managed Jira in a browser: link, listener, rule, move, run (ADR 21)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests import processes
from tests.browser import stacks
from tests.browser.conftest import Visits, accessibility_faults
from tests.browser.stacks import Stack
from tests.processes import COUNTERSIGN, PYTHON

CONTEXT = "/jira"
DATACENTER = "datacenter"
FIELDS = {
    "Name": "Dispatch",
    "Workflow": "DEMO: Delivery workflow",
    "Transition's number": "71",
    "To status": "Deploying",
}


@pytest.fixture(scope="module")
def self_managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The add-on with that door alone, and a Jira below a path of its host."""
    folder: Path = tmp_path_factory.mktemp("datacenter")
    port, jira_port = processes.free_port(), processes.free_port()
    addon, jira = f"http://127.0.0.1:{port}", f"http://localhost:{jira_port}"
    env = stacks.environment(folder, addon, jira)
    env |= {"COUNTERSIGN_DOORS": DATACENTER}
    sandbox = [PYTHON, "-m", "sandbox", "--port", str(jira_port), "--addon", addon]
    sandbox += ["--datacenter", "--context-path", CONTEXT]
    processes.finish([COUNTERSIGN, "db", "upgrade"], env=env)
    with (
        processes.started(
            "addon", [COUNTERSIGN, "serve"], env=env, folder=folder, measured=False
        ) as serving,
        processes.started(
            "sandbox", sandbox, env=env, folder=folder, measured=False
        ) as acting,
    ):
        serving.wait_until_answers(f"{addon}/readyz")
        acting.wait_until_answers(f"{jira}{CONTEXT}/")
        yield Stack(addon, jira, (DATACENTER,), (serving, acting), env)


def control(stack: Stack, method: str, path: str, body: object = None) -> object:
    url = f"{stack.jira}/sandbox/api/{path}"
    answer = requests.request(method, url, json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def operate(stack: Stack, *arguments: str) -> str:
    return processes.finish([COUNTERSIGN, *arguments], env=stack.env)


def link(stack: Stack, folder: Path) -> str:
    """Add the site as the operator does, and return a link for its admin."""
    known = control(stack, "GET", "datacenter")
    assert isinstance(known, dict)
    token = folder / "pat"
    token.write_text(known["pat"])
    site = ["--url", f"{stack.jira}{CONTEXT}", "--token-file", str(token)]
    said = operate(stack, "tenants", "add-datacenter", *site)
    found = re.search(r"tenant (\S+)", said)
    assert found, said
    opened = operate(stack, "tenants", "open", found[1], "--user", "ada")
    return opened.strip().splitlines()[-1]


def add_listener(page: Page) -> tuple[str, str]:
    """Add a listener on our page; return its address and its secret."""
    page.get_by_role("link", name="Listeners", exact=True).click()
    page.get_by_role("link", name="Add listener").first.click()
    page.get_by_role("link", name="by a webhook of Jira's").click()
    for label, value in FIELDS.items():
        page.get_by_label(label, exact=False).first.fill(value)
    page.locator('[data-path="transition"] input').fill("Dispatch")
    page.get_by_role("button", name="Add listener").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dispatch")
    secret = page.get_by_label("New secret", exact=True)
    expect(secret).to_have_value(re.compile(r"^[\w-]{43}$"))
    return page.locator("#copy-address").input_value(), secret.input_value()


def write_rule(page: Page) -> None:
    page.get_by_role("link", name="Write its rule").click()
    page.get_by_label("Name").fill("Tell them")
    page.locator("#new-step-kind").select_option("add-comment")
    page.get_by_role("button", name="Add step").click()
    page.locator("#steps textarea").fill("Hello **there**")
    expect(page.locator("#sentence")).to_have_attribute("data-state", "complete")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Version 1, saved")).to_be_visible()


def test_admin_writes_a_rule_on_our_page_and_sees_its_run(
    self_managed: Stack, open_page: Visits, tmp_path: Path
) -> None:
    visit = open_page()
    page = visit.page
    page.goto(link(self_managed, tmp_path))
    expect(page.get_by_role("heading", level=1)).to_have_text("Countersign")
    assert "ticket" not in page.url  # out of sight, and used up

    address, secret = add_listener(page)
    write_rule(page)
    visit.photograph("listener")
    page.get_by_role("link", name="Edit rule").click()
    expect(page.get_by_label("Name")).to_have_value("Tell them")
    visit.photograph("rule")
    assert accessibility_faults(page.main_frame) == []

    webhook = {"url": address, "secret": secret, "transition": "Dispatch"}
    control(self_managed, "POST", "webhooks", webhook)
    control(self_managed, "POST", "issues/DEMO-1/transition", {"name": "Dispatch"})
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_role("cell", name="Succeeded")).to_be_visible()

    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your session has ended")
    # The browser logs how a rule in the making is judged.
    assert [fault for fault in visit.faults if " 422 " not in fault] == []
