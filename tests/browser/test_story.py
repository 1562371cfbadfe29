"""The story that the product exists for: a ticket that cannot get stuck in silence.

A gate holds a ticket until a deployment service outside Jira has taken its delivery.
It passes when that works, fails visibly when it does not, and is rescued when Jira's
call never reached us.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import Stack, both_doors

HOLD = "10005"
CONDITION = "Only Countersign may move this on"
RESCUE_MS = 120_000
"""The hold's deadline, the watchdog's next look, and its steps."""


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Iterator[Desk]:
    desk = Desk(open_page(), stack)
    yield desk
    desk.cut_wire(on=False)
    desk.forget_rules()


def add_destination(desk: Desk) -> str:
    """Set the deployment service up by hand, and see that it takes a test event."""
    desk.open_config("Destinations")
    desk.frame.get_by_role("link", name="Add destination").click()
    desk.frame.get_by_label("Name").fill("Deployment service")
    desk.frame.get_by_label("Address").fill(f"{desk.stack.jira}/receiver/deploy")
    desk.frame.get_by_label("Demo").check()
    desk.frame.get_by_role("button", name="Add destination").click()
    heading = desk.frame.get_by_role("heading", name="Deployment service")
    expect(heading).to_be_visible()
    desk.frame.get_by_role("button", name="Send test event").click()
    result = desk.frame.locator("#test-result")
    expect(result.get_by_text("It answered 200")).to_be_visible()
    return "d_" + desk.hash().rpartition("/")[2].replace("-", "")


def add_gate(desk: Desk, destination: str, *, deadline: str = "30s") -> None:
    """Publish the gate and its conditions, one on each way out of the hold."""
    rule = {
        "v": 1,
        "id": "r_gate",
        "name": "Deploy to production",
        "steps": [
            {
                "do": "deliver",
                "destination": destination,
                "inputs": {"version": "{{ issue.key }}-1"},
            }
        ],
        "hold": {"status": HOLD, "deadline": deadline},
        "on_success": {"transition": "Deployed"},
        "on_failure": {"mode": "gate", "transition": "Deploy failed", "comment": True},
    }
    desk.add_rule("Dispatch", json.dumps(rule))
    condition = add_condition(desk, "Deployed")
    for transition in ("Deploy failed", "Deployment failed"):
        desk.ask("conditions", {"transition": transition, "value": condition})


def add_condition(desk: Desk, transition: str) -> str:
    """Add our condition by hand; return what Jira keeps of it."""
    desk.open("/workflows/")
    name = f"Add {CONDITION} to {transition}"
    desk.page.get_by_role("link", name=name, exact=True).click()
    expect(desk.frame.get_by_label("and people with the project role")).to_be_visible()
    desk.push("Add")
    desk.page.get_by_role("button", name="Publish draft").click()
    expect(desk.page.get_by_text("The workflow is published.")).to_be_visible()
    placed = desk.ask("workflow")["transitions"]
    [kept] = [made["conditions"] for made in placed if made["name"] == transition]
    return str(kept[0]["value"])


def dispatch(desk: Desk, key: str) -> None:
    """Bring an issue to review, and from there into the hold, on Jira's own pages."""
    desk.open(f"/browse/{key}")
    for name in ("Start progress", "Send to review", "Dispatch"):
        desk.page.get_by_role("button", name=name, exact=True).click()
        desk.page.wait_for_load_state()


def expect_in(desk: Desk, key: str, column: str, *, timeout: float = 20_000) -> None:
    desk.open("/")
    region = desk.page.get_by_role("region", name=column)
    issue = region.get_by_text(key, exact=True)
    expect(issue).to_be_visible(timeout=timeout)


@both_doors
def test_gate_passes_fails_visibly_and_is_rescued(desk: Desk) -> None:
    add_gate(desk, add_destination(desk))
    first, second, third = map(desk.new_issue, ("works", "fails", "is lost"))

    dispatch(desk, first)
    expect_in(desk, first, "Deployed")
    received = desk.ask("receivers/deploy")["received"]
    assert {entry["verdict"] for entry in received} == {"accepted"}

    desk.ask("receivers/deploy/answer", {"how": "redirect", "times": 1})
    dispatch(desk, second)
    expect_in(desk, second, "Deploy failed")
    desk.open(f"/browse/{second}")
    failed = "could not carry out the rule “Deploy to production”"
    expect(desk.page.get_by_text(failed)).to_be_visible()

    desk.cut_wire(on=True)
    dispatch(desk, third)
    expect_in(desk, third, "Deploying")
    expect_in(desk, third, "Deploy failed", timeout=RESCUE_MS)
    desk.open(f"/browse/{third}")
    expect(desk.page.get_by_text("Deploy to production")).to_be_visible()

    desk.cut_wire(on=False)  # Forge's pages have no other way to us
    desk.open_config("Runs")
    run = desk.runs(third)
    expect(run.get_by_text("Failed", exact=True)).to_be_visible()
    assert desk.faults == []
