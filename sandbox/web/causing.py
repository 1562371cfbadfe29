"""Mishaps by their names, wherever they happen."""

from typing import Any

from sandbox import mishaps
from sandbox.datacenter import mishaps as datacenter_mishaps
from sandbox.forge import mishaps as forge_mishaps
from sandbox.jira import Jira
from sandbox.mishaps import Outcome

Json = dict[str, Any]


def cause(jira: Jira, name: str, given: Json) -> Outcome:
    """Let it happen; raise `MishapError` if it cannot."""
    if name in forge_mishaps.MISHAPS:
        return forge_mishaps.cause(jira, name, given)
    if name in datacenter_mishaps.MISHAPS:
        return datacenter_mishaps.cause(jira, name, given)
    return mishaps.cause(jira, name, given)
