"""A Forge app's manifest.yml: which modules it has, and who answers for them."""

import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

POST_FUNCTION = "jira:workflowPostFunction"
CONDITION = "jira:workflowCondition"
ADMIN_PAGE = "jira:adminPage"
ISSUE_PANEL = "jira:issuePanel"
ENTITY_PROPERTY = "jira:entityProperty"
TRIGGER = "trigger"
SCHEDULED = "scheduledTrigger"
PRE_UNINSTALL = "preUninstall"
_ID = "ari:cloud:ecosystem::app/"


class ManifestError(Exception):
    """It cannot be deployed; the text is for the person at the screen."""


@dataclass(frozen=True)
class Endpoint:
    """A place of the app's remote that Forge calls."""

    key: str
    path: str
    """Empty where the page says which path it wants."""
    wants_system_token: bool
    wants_user_token: bool


@dataclass(frozen=True)
class Manifest:
    raw: Json
    folder: Path

    @property
    def id(self) -> str:
        return str(self.raw["app"]["id"])

    @property
    def uuid(self) -> str:
        return self.id.removeprefix(_ID)

    @property
    def connect_key(self) -> str:
        """The add-on it replaces; empty for an app that was never one."""
        return str(self.raw["app"].get("connect", {}).get("key", ""))

    @property
    def scopes(self) -> frozenset[str]:
        # a scope may stand there as an object with a name and options
        given = self.raw.get("permissions", {}).get("scopes", [])
        return frozenset(s if isinstance(s, str) else str(s["name"]) for s in given)

    def content(self, kind: str) -> list[str]:
        """What the Custom UI may have beyond its own files: scripts or styles."""
        allowed = self.raw.get("permissions", {}).get("content", {})
        return [str(source) for source in allowed.get(kind, [])]

    def modules(self, kind: str) -> list[Json]:
        return list(self.raw.get("modules", {}).get(kind, []))

    def module(self, kind: str, key: str) -> Json | None:
        return next((m for m in self.modules(kind) if m["key"] == key), None)

    def endpoint(self, key: str) -> Endpoint:
        found = self.module("endpoint", key)
        if found is None:
            raise ManifestError(f"The manifest has no endpoint {key!r}.")
        wanted = found.get("auth", {})
        return Endpoint(
            key,
            str(found.get("route", {}).get("path", "")),
            bool(wanted.get("appSystemToken", {}).get("enabled"))
            and "read:app-system-token" in self.scopes,
            bool(wanted.get("appUserToken", {}).get("enabled"))
            and "read:app-user-token" in self.scopes,
        )

    def resource(self, key: str) -> Path | None:
        """The folder of a static resource; None for one that is not declared."""
        for one in self.raw.get("resources", []):
            if one["key"] == key:
                return self.folder / str(one["path"])
        return None


def read(path: Path) -> Manifest:
    try:
        raw = copy.deepcopy(_parsed(path.read_text()))  # a site may change its own
    except OSError as error:
        raise ManifestError(f"The manifest cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ManifestError(f"The manifest is not YAML: {error}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("app"), dict):
        raise ManifestError("The manifest has no app.")
    return _checked(Manifest(raw, path.parent.resolve()))


@functools.cache
def _parsed(text: str) -> object:
    """Parse it once: that takes longer than all the rest of a deployment."""
    return yaml.safe_load(text)


def _checked(made: Manifest) -> Manifest:
    """Little of what `forge lint` looks at: what would make no sense here."""
    if not str(made.raw["app"].get("id", "")).startswith(_ID):
        raise ManifestError(f"app.id is no {_ID}...")
    if not made.raw.get("remotes"):
        raise ManifestError("The manifest has no remote: nobody could be called.")
    for kind in made.raw.get("modules", {}):
        for module in made.modules(kind):
            # named by a module that is called, or by the resolver of a page
            key = module.get("endpoint") or module.get("resolver", {}).get("endpoint")
            if key:
                made.endpoint(key)
    return made
