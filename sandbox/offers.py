"""Which rules the workflow editor offers: Forge's, and Connect's that are left."""

from dataclasses import dataclass

from sandbox.datacenter import sending
from sandbox.forge.app import KINDS
from sandbox.jira import Jira
from sandbox.world import POST_FUNCTION


@dataclass(frozen=True)
class Offer:
    key: str
    name: str
    is_creatable: bool


def of(jira: Jira, kind: str) -> list[Offer]:
    """A module of Forge's takes the place of Connect's with the same key.

    A self-managed Jira has neither, but post functions of its own.
    """
    if jira.is_datacenter:
        own = sending.NAMES if kind == POST_FUNCTION else {}
        return [Offer(key, name, is_creatable=False) for key, name in own.items()]
    found = {
        str(m["key"]): Offer(str(m["key"]), str(m["name"]["value"]), "create" in m)
        for m in jira.addon.modules(kind)
    }
    for m in jira.forge.app.modules(KINDS[kind]):
        key = str(m["key"])
        found[key] = Offer(key, str(m["name"]), "create" in m)
    return list(found.values())


def kind_of(jira: Jira, key: str) -> str | None:
    """Of the module with this key; None when nobody has one."""
    return next((k for k in KINDS if key in {o.key for o in of(jira, k)}), None)
