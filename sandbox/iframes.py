"""Where an iframe of the add-on is loaded from, and the tokens its page gets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sandbox import qsh, tokens
from sandbox.addon import Addon
from sandbox.people import Person
from sandbox.traffic import IFRAME, Entry
from sandbox.world import CONDITION, POST_FUNCTION, Rule

Json = dict[str, Any]

PAGES = ("configurePage", "adminPages", "generalPages", "postInstallPage")
RULES = (POST_FUNCTION, CONDITION)
ADMIN_ONLY = frozenset({"configurePage", "adminPages", "postInstallPage", *RULES})
_VARIABLES_OF = {POST_FUNCTION: "postFunction", CONDITION: "condition"}
VERSION = "1001.0.0-SNAPSHOT"
_VARIABLE = re.compile(r"\{([A-Za-z0-9_.]+)\}")


@dataclass(frozen=True)
class Module:
    """One iframe the descriptor offers."""

    kind: str
    key: str
    name: str
    url: str
    """As the descriptor has it, variables not yet filled in."""


@dataclass(frozen=True)
class Frame:
    """One iframe on a host page."""

    module: Module
    variables: Mapping[str, str] = field(default_factory=dict)
    context: Json = field(default_factory=dict)
    """What AP.context gives, and the context token claims."""


def pages(addon: Addon) -> list[Module]:
    return [
        Module(kind, str(m["key"]), str(m["name"]["value"]), str(m["url"]))
        for kind in PAGES
        for m in addon.modules(kind)
    ]


def page(addon: Addon, key: str) -> Module | None:
    return next((m for m in pages(addon) if m.key == key), None)


def rule(addon: Addon, key: str, view: str) -> Module | None:
    """The iframe that creates, edits or shows a rule; None without one."""
    for kind in RULES:
        for module in addon.modules(kind):
            if module["key"] == key and view in module:
                name = str(module["name"]["value"])
                return Module(kind, key, name, str(module[view]["url"]))
    return None


def variables(made: Rule) -> dict[str, str]:
    """Those of a rule that was saved before."""
    return {
        **new_variables(made.kind, made.id),
        f"{_VARIABLES_OF[made.kind]}.config": made.value,
    }


def new_variables(kind: str, rule_id: str) -> dict[str, str]:
    """Those of a rule in the making, which has no configuration yet."""
    return {f"{_VARIABLES_OF[kind]}.id": rule_id}


def url(addon: Addon, frame: Frame, person: Person) -> str:
    """The signed URL, as Jira would put it into `src`."""
    site, module = addon.site, frame.module
    path = _VARIABLE.sub(
        lambda found: quote(frame.variables.get(found[1], ""), safe=""), module.url
    )
    app_key = str(addon.descriptor["key"])
    query = urlencode(
        {
            "xdm_e": site.base_url,
            "xdm_c": f"channel-{app_key}__{module.key}",
            "cp": "",
            "xdm_deprecated_addon_key_do_not_use": app_key,
            "lic": "none",
            "cv": VERSION,
        }
    )
    plain = addon.url(path + ("&" if "?" in path else "?") + query)
    claims = {
        "iss": site.client_key,
        "sub": person.account_id,
        **tokens.times(addon.world.now()),
        "qsh": qsh.of("GET", plain, addon.base_path()),
        "context": frame.context,
    }
    _record(addon, "GET", plain, claims, f"iframe for {person.name}")
    return f"{plain}&jwt={tokens.sign(claims, site.shared_secret)}"


def context_token(addon: Addon, person: Person, context: Json) -> str:
    """What `AP.context.getToken` gives: bound to no URL, to the API of the add-on."""
    claims = {
        "iss": addon.site.client_key,
        "sub": person.account_id,
        **tokens.times(addon.world.now(), tokens.CONTEXT_LIFETIME),
        "qsh": qsh.CONTEXT,
        "context": context,
    }
    _record(addon, "", "AP.context.getToken()", claims, f"token for {person.name}")
    return tokens.sign(claims, addon.site.shared_secret)


def _record(addon: Addon, method: str, what: str, claims: Json, note: str) -> None:
    addon.traffic.add(
        Entry(
            at=addon.world.stamp(),
            direction=IFRAME,
            method=method,
            url=what,
            claims=claims,
            verdict="issued",
            note=note,
        )
    )
