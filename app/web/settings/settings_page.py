"""What a site's admins choose for it, and what the operator chose for all sites."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app import personal
from app.http import SendError
from app.jira import JiraError, open_jira
from app.personal import places
from app.settings import Settings
from app.tenants import preferences
from app.tenants.preferences import Choices, Wanted
from app.web import bodies
from app.web.context import caller, runtime
from app.web.editor import conditions
from app.web.fragments import fragment

bp = Blueprint("settings", __name__, url_prefix="/api/v1")
log = logging.getLogger(__name__)

PEOPLE = "people"
"""The part of the page about personal data; `?part=` asks for it."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One choice of the operator's, which a site's admins only see."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class RoleChoice:
    """One project role, as the form offers it."""

    id: str
    name: str


@bp.get("/pages/settings")
def show() -> ResponseReturnValue:
    """Show what holds for the site, or what is kept of people."""
    if request.args.get("part") == PEOPLE:
        return _people()
    with runtime().sessions.begin() as session:
        chosen = preferences.find(session, caller().tenant_id)
    return fragment(
        "settings.html",
        chosen=chosen,
        bounds=preferences,
        roles=_choices(chosen, _roles()),
        limits=_limits(runtime().settings),
        has_mail=bool(runtime().settings.smtp_url),
    )


@bp.put("/preferences")
def change() -> ResponseReturnValue:
    """Let other choices hold from now on."""
    wanted = _read(bodies.read_object())
    tenant_id = caller().tenant_id
    with runtime().sessions.begin() as session:
        role = preferences.find(session, tenant_id).on_call_role
    _check_role(wanted, role)
    with runtime().sessions.begin() as session:
        preferences.change(
            session,
            tenant_id,
            wanted,
            actor=caller().account_id,
            now=runtime().now(),
        )
    return "", 204


class InvalidWantedError(Exception):
    """Not to be had so; `problems` says why, by key."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = dict(problems)


@bp.errorhandler(InvalidWantedError)
def _invalid(error: InvalidWantedError) -> ResponseReturnValue:
    problems = [{"key": k, "message": m} for k, m in error.problems.items()]
    return {"error": "invalid-preferences", "problems": problems}, 422


def _people() -> ResponseReturnValue:
    with runtime().sessions.begin() as session:
        erasures = personal.listed(session, caller().tenant_id)
        chosen = preferences.find(session, caller().tenant_id)
    return fragment(
        "personal.html", erasures=erasures, chosen=chosen, erased=places.ERASED
    )


def _read(body: Mapping[str, Any]) -> Wanted:
    try:
        return Wanted.model_validate(body)
    except ValidationError as error:
        problems = dict(map(_problem, error.errors(include_url=False)))
        raise InvalidWantedError(problems) from error


def _problem(detail: ErrorDetails) -> tuple[str, str]:
    if not detail["loc"]:
        return detail["type"], str(detail["msg"])
    key = str(detail["loc"][0])[:80]
    match detail["type"]:
        case "missing":
            return key, "it is missing"
        case "extra_forbidden":
            return key, "this key is unknown"
        case "too_long":
            return key, f"at most {preferences.MAX_NOTICES} addresses"
        case "value_error":
            return key, str(detail.get("ctx", {})["error"])
        case _:
            return key, _OF_KEYS.get(key, "this is not what belongs here")


def _days(least: int, most: int) -> str:
    return f"write a whole number from {least} to {most}"


_OF_KEYS = {
    "run_days": _days(preferences.MIN_RUN_DAYS, preferences.MAX_RUN_DAYS),
    "audit_days": _days(preferences.MIN_AUDIT_DAYS, preferences.MAX_AUDIT_DAYS),
    "exchange_days": _days(0, preferences.MAX_RUN_DAYS),
    "notice_to": "write mail addresses, one a line",
    "on_call_role": "choose one of those that are offered",
}


def _check_role(wanted: Wanted, present: str | None) -> None:
    """Refuse a role that Jira does not have; the one that is chosen may stay."""
    if wanted.on_call_role in {"", present}:
        return
    roles = _roles()
    if roles is None:
        words = "Jira did not answer, so the role could not be looked up"
        raise InvalidWantedError({"on_call_role": words})
    if wanted.on_call_role not in roles:
        raise InvalidWantedError({"on_call_role": _OF_KEYS["on_call_role"]})


def _roles() -> Mapping[str, str] | None:
    """Ask Jira which project roles the site has; None if it does not say."""
    with runtime().sessions.begin() as session:
        jira = open_jira(session, runtime(), caller().tenant_id)
    try:
        return {str(id_): name for id_, name in conditions.roles(jira).items()}
    except (JiraError, SendError, KeyError, ValueError) as error:
        log.info("tenant=%s no roles: %s", caller().tenant_id, type(error).__name__)
        return None


def _choices(
    chosen: Choices, roles: Mapping[str, str] | None
) -> Sequence[RoleChoice] | None:
    """Return what the form offers; None if Jira does not say and nothing is chosen."""
    present = chosen.on_call_role
    offered = [RoleChoice(id=id_, name=name) for id_, name in (roles or {}).items()]
    if present and present not in (roles or {}):
        offered.append(RoleChoice(id=present, name=f"Role {present}, as chosen before"))
    return None if roles is None and not offered else offered


def _limits(settings: Settings) -> Sequence[Limit]:
    return tuple(_told_limits(settings))


def _told_limits(settings: Settings) -> Iterator[Limit]:
    yield Limit(
        name="Runs an hour",
        value=f"{settings.runs_per_hour}",
        meaning="What exceeds it fails and says so.",
    )
    yield Limit(
        name="A signing key signs for",
        value=f"{settings.key_rotation_days} days",
        meaning="Then the next key takes over by itself.",
    )
    yield Limit(
        name="Before that, it is published for",
        value=f"{settings.key_publish_hours} hours",
        meaning="Receivers have that long to learn of it.",
    )
    yield Limit(
        name="The watchdog looks every",
        value=f"{settings.watch_seconds} seconds",
        meaning="It looks for issues that are stuck in a hold.",
    )
    yield Limit(
        name="A replaced shared secret is accepted for",
        value=f"{settings.secret_grace_minutes} minutes",
        meaning="Calls that were under way when Jira got a new one are not lost.",
    )
    yield Limit(
        name="After an uninstallation, the sealed secret is kept for",
        value=f"{settings.secret_retention_days} days",
        meaning="Then it is deleted. It is used for nothing meanwhile.",
    )
