"""A gate in the sandbox's workflow: its rule, its hold, and how an issue gets there."""

import json
from typing import Any

from app.rules import soundness
from sandbox import Jira, people
from tests.functional.conftest import rule

HOLD = "10005"
"""The status "Deploying"."""

WAYS_OUT = ("Deployed", "Deploy failed", "Deployment failed")
"""Every transition that leads out of it; the last one is global."""

COMMENT = {"do": "add-comment", "body": "Deployed"}


def gate(*steps: dict[str, Any], **members: Any) -> str:
    """Return a rule that holds the issue."""
    failure = {"mode": "gate", "transition": "Deploy failed", "comment": True}
    default: dict[str, Any] = {
        "id": "r_gate",
        "name": "Deploy",
        "hold": {"status": HOLD, "deadline": "30m"},
        "on_success": {"transition": "Deployed"},
        "on_failure": failure,
    }
    return rule(*(steps or (COMMENT,)), **(default | members))


def shut(site: Jira, *ways: str, role: int | None = None) -> None:
    """Put our condition on these ways out, as its form stores it."""
    for way in ways or WAYS_OUT:
        config = soundness.config_of(people.APP.account_id, role)
        site.add_condition(way, config)


def dispatch(site: Jira, key: str = "DEMO-1") -> None:
    """Move an issue into the hold; what Jira tells the add-on waits to be delivered."""
    site.set_status(key, "In Review")
    site.transition(key, "Dispatch")


def lost(site: Jira, key: str = "DEMO-1") -> None:
    """Move an issue into the hold while the wire to the add-on is cut."""
    site.addon.wire_is_cut = True
    dispatch(site, key)
    site.deliver_pending()
    site.addon.wire_is_cut = False


def said(site: Jira, key: str = "DEMO-1") -> str:
    """Return our comments on the issue, as one text."""
    return json.dumps([c["body"] for c in site.issue(key).comments])
