"""The descriptor that Jira reads when the app is installed."""

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "atlassian-connect.json"

POST_FUNCTION = "countersign-rule"
"""The module key of our post function; Jira's rule inventory names it."""

CONDITION = "countersign-hold"
"""The module key of our condition: only we, and perhaps a role, may move it on."""

PROVIDERS = ("jiraBuildInfoProvider", "jiraDeploymentInfoProvider")
"""The modules without which Jira takes nothing for an issue's development panel."""


def is_of_module(key: str, module: str) -> bool:
    """Say whether Jira's rule inventory means this module of ours by `key`.

    It writes the module's own key, the classic `com.atlassian…__key`, or for Forge the
    end of an extension's ARI.
    """
    return key == module or key.endswith((f"__{module}", f"/{module}"))


def read() -> dict[str, Any]:
    """Return the descriptor as it is written, with placeholders for the operator's."""
    written: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return written


def titles() -> dict[str, str]:
    """Return what each view of our pages is called, by the names that Jira shows."""
    modules = read()["modules"]
    [rule] = modules["jiraWorkflowPostFunctions"]
    [condition] = modules["jiraWorkflowConditions"]
    [panel] = modules["webPanels"]
    hows = ("create", "edit", "view")
    return {
        **dict.fromkeys(hows, rule["name"]["value"]),
        **{f"condition-{how}": condition["name"]["value"] for how in hows},
        "config": modules["configurePage"]["name"]["value"],
        "issue": panel["name"]["value"],
    }


def render(base_url: str, app_key: str) -> dict[str, Any]:
    """Return the descriptor with what only the operator knows filled in."""
    descriptor = read()
    for provider in PROVIDERS:
        descriptor["modules"][provider]["homeUrl"] = base_url
    own = f"{base_url}/atlassian-connect.json"
    return descriptor | {
        "key": app_key,
        "baseUrl": base_url,
        "links": {"self": own},
        "vendor": descriptor["vendor"] | {"url": base_url},
    }
