"""The manifest that Forge reads when the app is deployed.

What both doors say comes from `atlassian-connect.json`: names, descriptions, the
condition's expression, the indexed property. What only Forge has is here.
Source: Forge documentation, "Manifest overview" and its pages on modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from app.connect import descriptor

REMOTE = "countersign"
"""Our own server, as modules of the manifest name it."""

NO_APP = "ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000"
"""Stands in the committed manifest for the app that the operator registers."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One way in for Forge; the token of each call names it by `key` (rule T16)."""

    key: str
    path: str = ""
    """Where Forge calls it; empty where our page says so itself, call by call."""
    acts_as: Literal["nobody", "app", "person"] = "nobody"
    """As whom we may call Jira with the token that Forge sends along."""


TOKENS = {"app": "appSystemToken", "person": "appUserToken"}
POST_FUNCTION = Endpoint(
    key="post-function", path="/forge/post-function", acts_as="app"
)
LIFECYCLE = Endpoint(key="lifecycle", path="/forge/lifecycle", acts_as="app")
PRE_UNINSTALL = Endpoint(key="pre-uninstall", path="/forge/pre-uninstall")
TICK = Endpoint(key="tick", path="/forge/tick", acts_as="app")
PAGES = Endpoint(key="pages", acts_as="person")
ENDPOINTS = (POST_FUNCTION, LIFECYCLE, PRE_UNINSTALL, TICK, PAGES)

SCOPES = (
    "read:jira-work",
    "write:jira-work",
    "manage:jira-configuration",  # the rule inventory, and to be a post function at all
    "read:jira-user",
    "write:build-info:jira",  # the development panel; Jira has no classic scope for it
    "write:deployment-info:jira",
    "read:app-system-token",
    "read:app-user-token",
)
"""The least that works; tests/structure/test_forge_scopes.py derives it from calls."""

VIEWS: Mapping[str, str] = {
    "rule-create": "create",
    "rule-edit": "edit",
    "rule-view": "view",
    "condition-create": "condition-create",
    "condition-edit": "condition-edit",
    "condition-view": "condition-view",
    "config": "config",
    "issue": "issue",
}
"""Which view of ours each resource shows."""

PROVIDERS: Mapping[str, str] = {
    "jiraBuildInfoProvider": "devops:buildInfoProvider",
    "jiraDeploymentInfoProvider": "devops:deploymentInfoProvider",
}
"""What Connect's descriptor calls them, and what the manifest does."""

RULE = "rule"
CONDITION = "condition"
ICON = "icon.svg"

# Elsewhere whoever administers a project edits its workflow, and our forms are for who
# administers Jira (rule T10).
PROJECT_TYPES = ["company-managed"]

HEADER = """\
# What Forge reads of Countersign. `countersign forge manifest` writes it, from
# atlassian-connect.json and app/forge/manifest.py: edit those. In the committed one the
# address and the app id are placeholders.
"""


def render(base_url: str, app_id: str, *, connect_key: str = "") -> dict[str, Any]:
    """Return the manifest with what only the operator knows filled in.

    `connect_key` is for an app that Atlassian already knows as a Connect app of that
    key: then a site's Forge installation takes the place of the Connect one.
    """
    described = descriptor.read()
    app: dict[str, Any] = {
        "id": app_id,
        "description": described["description"],
        # We have no function that would run in it; the schema asks for it all the same.
        "runtime": {"name": "nodejs22.x"},
    }
    if connect_key:
        app["connect"] = {"key": connect_key, "remote": REMOTE}
    return {
        "app": app,
        "modules": {
            **_pages(described["modules"]),
            **_providers(described["modules"], base_url),
            **_calls(),
        },
        "resources": [{"key": key, "path": f"static/{key}"} for key in VIEWS],
        "remotes": [
            {
                "key": REMOTE,
                "baseUrl": base_url,
                "operations": ["compute", "storage"],
                # Runs and logs hold account ids, issue keys and names of rules.
                "storage": {"inScopeEUD": True},
            }
        ],
        "permissions": {"scopes": list(SCOPES)},
    }


def page_modules() -> frozenset[str]:
    """Return the keys of the modules that show a page of ours."""
    shown = _pages(descriptor.read()["modules"])
    return frozenset(module["key"] for kind in shown.values() for module in kind)


def dump(manifest: Mapping[str, Any]) -> str:
    """Write a manifest as Forge's command line reads it."""
    body = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=88)
    return HEADER + body


def _pages(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the modules that people meet in Jira."""
    [rule] = described["jiraWorkflowPostFunctions"]
    [condition] = described["jiraWorkflowConditions"]
    [panel] = described["webPanels"]
    [indexed] = described["jiraEntityProperties"]
    return {
        "jira:workflowPostFunction": [
            {
                **_workflow_module(rule, RULE),
                "endpoint": POST_FUNCTION.key,
                # What the workflow editor shows of it; without a name, the description.
                "configurationDescription": {"expression": "config['name']"},
            }
        ],
        "jira:workflowCondition": [
            {
                **_workflow_module(condition, CONDITION),
                "expression": condition["expression"],
            }
        ],
        "jira:adminPage": [
            {**_page(described["configurePage"], "config"), "useAsConfig": True}
        ],
        "jira:issuePanel": [
            {
                **_page(panel, "issue"),
                "icon": f"resource:issue;{ICON}",
                # Whoever is shown an issue may browse it: that needs no condition here.
                "displayConditions": {"isLoggedIn": True},
            }
        ],
        "jira:entityProperty": _properties(indexed),
    }


def _providers(described: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """Return the modules that let us say what an issue's development panel shows."""
    return {
        name: [
            {
                "key": described[connect]["key"],
                "name": dict(described[connect]["name"]),
                "homeUrl": base_url,
            }
        ]
        for connect, name in PROVIDERS.items()
    }


def _calls() -> dict[str, Any]:
    """Return the modules by which Forge calls us."""
    return {
        "endpoint": [_endpoint(endpoint) for endpoint in ENDPOINTS],
        "trigger": [
            {
                "key": "on-lifecycle",
                "endpoint": LIFECYCLE.key,
                "events": ["avi:forge:installed:app", "avi:forge:upgraded:app"],
            }
        ],
        # System tokens cannot be asked for: they come with calls, and live four hours.
        "scheduledTrigger": [
            {"key": "hourly", "endpoint": TICK.key, "interval": "hour"}
        ],
        "preUninstall": [{"key": "on-uninstall", "endpoint": PRE_UNINSTALL.key}],
    }


def _workflow_module(described: Mapping[str, Any], what: str) -> dict[str, Any]:
    return {
        # The same key as Connect's: a site's stored rules then become Forge's.
        "key": described["key"],
        "name": described["name"]["value"],
        "description": described["description"]["value"],
        "projectTypes": PROJECT_TYPES[:],
        **{how: {"resource": f"{what}-{how}"} for how in ("create", "edit", "view")},
        "resolver": {"endpoint": PAGES.key},
    }


def _page(described: Mapping[str, Any], resource: str) -> dict[str, Any]:
    return {
        "key": described["key"],
        "title": described["name"]["value"],
        "resource": resource,
        "resolver": {"endpoint": PAGES.key},
    }


def _properties(described: Mapping[str, Any]) -> list[dict[str, Any]]:
    [configuration] = described["keyConfigurations"]
    return [
        {
            "key": described["key"],
            "entityType": described["entityType"],
            "propertyKey": configuration["propertyKey"],
            "values": [
                {
                    "path": extraction["objectName"],
                    "type": extraction["type"],
                    "searchAlias": extraction["alias"],
                }
                for extraction in configuration["extractions"]
            ],
        }
    ]


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    module: dict[str, Any] = {"key": endpoint.key, "remote": REMOTE}
    if endpoint.path:
        module["route"] = {"path": endpoint.path}
    if endpoint.acts_as in TOKENS:
        module["auth"] = {TOKENS[endpoint.acts_as]: {"enabled": True}}
    return module
