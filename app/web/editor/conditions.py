"""The form of our workflow condition: only we, and perhaps a role, may move it on."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.http import SendError
from app.jira import Jira, JiraError, open_jira, segment
from app.rules import soundness
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError
from app.web.fragments import fragment, reads_only

bp = Blueprint("conditions", __name__, url_prefix="/api/v1")
log = logging.getLogger(__name__)

MAX_STORED = 10_000
"""Characters of a stored condition that we look at; ours have about a hundred."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One entry of the form's list, with the very text that Jira is to keep for it."""

    label: str
    value: str
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A condition as Jira keeps it, as far as it can be read."""

    account: str | None
    role: int | None
    is_ours: bool
    """Whether it is a text that our form could have written."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What Jira told for the form."""

    account: str
    roles: Mapping[int, str]


@bp.post("/pages/condition-editor")
@reads_only
def condition_editor() -> ResponseReturnValue:
    """Draw the form for the condition that Jira keeps, or for a new one."""
    text = _text(bodies.read_object())
    site = _site()
    if site is None:
        return fragment("condition_unreachable.html")
    stored = read(text)
    return fragment(
        "condition_editor.html",
        choices=_choices(site, stored),
        is_foreign=bool(text) and _is_foreign(stored, site),
    )


@bp.post("/pages/condition-view")
@reads_only
def condition_view() -> ResponseReturnValue:
    """Say in words who may pass, and what is wrong with a stored condition."""
    text = _text(bodies.read_object())
    site = _site()
    if site is None:
        return fragment("condition_unreachable.html")
    stored = read(text)
    role = stored.role
    name = site.roles.get(role, f"number {role}") if role is not None else ""
    return fragment(
        "condition_view.html", role=name, is_foreign=_is_foreign(stored, site)
    )


def read(text: str) -> Stored:
    """Read what Jira keeps for us, however broken."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    known = data if isinstance(data, dict) else {}
    account, role = known.get("account"), known.get("role")
    return Stored(
        account=account if isinstance(account, str) else None,
        role=role if type(role) is int else None,
        # Attack: an "expression" of its own replaces the one of our descriptor.
        is_ours=set(known) == {"v", "account", "role"} and known["v"] == 1,
    )


def _is_foreign(stored: Stored, site: Site) -> bool:
    return not stored.is_ours or stored.account != site.account


def _choices(site: Site, stored: Stored) -> Sequence[Choice]:
    offered: list[tuple[int | None, str]] = [(None, "(none)"), *site.roles.items()]
    if stored.role is not None and stored.role not in site.roles:
        gone = f"role {stored.role}, which this site shows no more"
        offered.append((stored.role, gone))
    return [
        Choice(
            label=label,
            value=soundness.config_of(site.account, role),
            chosen=role == stored.role,
        )
        for role, label in offered
    ]


def _site() -> Site | None:
    """Ask Jira who we are and which roles there are; None if it does not say."""
    with runtime().sessions.begin() as session:
        jira = open_jira(session, runtime(), caller().tenant_id)
    try:
        return Site(account=jira.own_account(), roles=roles(jira))
    except (JiraError, SendError, KeyError, ValueError) as error:
        log.info("tenant=%s no roles: %s", caller().tenant_id, type(error).__name__)
        return None


def roles(jira: Jira) -> Mapping[int, str]:
    """Return the site's roles by id; every project has the same ones.

    The list of the whole site is for apps with the scope ADMIN; a project's is not.
    Source: Jira Cloud REST API v3, "Get project roles for project". The account that
    Jira gave us may read it in a project that lets its apps in; the first will do.
    """
    projects = jira.get("/rest/api/3/project/search", {"maxResults": "10"})
    for project in projects["values"]:
        try:
            found = jira.get(f"/rest/api/3/project/{segment(str(project['id']))}/role")
        except JiraError:
            continue
        return dict(sorted(_named(found), key=lambda role: role[1].casefold()))
    return {}


def _named(found: Mapping[str, Any]) -> Sequence[tuple[int, str]]:
    # The id of a role is the end of its address.
    return [
        (int(str(url).rpartition("/")[2]), str(name)) for name, url in found.items()
    ]


def _text(body: Mapping[str, Any]) -> str:
    value = body.get("value")
    if not isinstance(value, str) or len(value) > MAX_STORED:
        raise BadRequestError(f"value must be text of at most {MAX_STORED} characters")
    return value
