"""What Forge tells us: a transition, an install, a removal, that it is still there."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import forge, rules, tenants, tracing
from app.runs import Call
from app.tenants import Door
from app.tokens.checks import Refused, is_storable
from app.tokens.forge import Invocation
from app.web import bodies, recording, triggered
from app.web.context import runtime
from app.web.errors import BadRequestError
from app.web.forge import guarding
from app.web.forge.learning import UnprovenError, learn
from app.web.recording import Once

log = logging.getLogger(__name__)

post_function = Blueprint("forge_post_function", __name__, url_prefix="/forge")
lifecycle = Blueprint("forge_lifecycle", __name__, url_prefix="/forge")
tick = Blueprint("forge_tick", __name__, url_prefix="/forge")
pre_uninstall = Blueprint("forge_pre_uninstall", __name__, url_prefix="/forge")

LOW = timedelta(minutes=45)
"""A token that ends sooner is replaced by the one that a transition brings: the hourly
event must have failed."""

DONE: tuple[dict[str, str], int] = ({}, 200)
"""Forge wants JSON."""


@post_function.post("/post-function")
def triggered_by_forge() -> ResponseReturnValue:
    """Record the call and answer; whether it is so, the worker asks Jira (rule T1)."""
    invocation: Invocation = g.invocation
    event = _event(bodies.read_object())
    once: Once = partial(forge.use_once, invocation=invocation, now=runtime().now())
    name = invocation.installation_id
    if g.tenant_id is None:
        # Its install was lost, or is still under way: the call shall not be.
        with runtime().sessions.begin() as session:
            if not once(session):
                return DONE
        learn(invocation, guarding.system_token())
        once = _was_used_just_now
    with runtime().sessions.begin() as session:
        g.tenant_id = tenants.get_calling(session, name, Door.FORGE).id
    config = _config(event)
    call = Call(
        door=Door.FORGE,
        tenant_id=g.tenant_id,
        token_hash=invocation.verified.token_hash,
        raw_body=request.get_data(),
        issue_id=triggered.issue_id(event),
        config=config[: rules.MAX_SIZE + 1],
        rule_hash=rules.rule_hash(config),
        unverified_hint=_hint(event)
        | tracing.hint(request.headers.get(tracing.HEADER)),
        webhook_id=_execution(event),
    )
    if recording.record(
        call, invocation.verified, once=once, facts={"endpoint": "post-function"}
    ):
        _renew_if_low(invocation)
    return DONE


@lifecycle.post("/lifecycle")
def installed() -> ResponseReturnValue:
    """Note that a site installed us, or took a new version, and keep its token."""
    return _heard()


@tick.post("/tick")
def still_there() -> ResponseReturnValue:
    """Keep the site's token of this hour; a site that we do not know becomes known."""
    return _heard()


@pre_uninstall.post("/pre-uninstall")
def removed() -> ResponseReturnValue:
    """Close the Forge door: the site is about to remove the app."""
    invocation: Invocation = g.invocation
    now = runtime().now()
    with runtime().sessions.begin() as session:
        if forge.use_once(session, invocation, now=now):
            forge.end(session, invocation, now=now)
    return DONE


@post_function.errorhandler(UnprovenError)
@lifecycle.errorhandler(UnprovenError)
@tick.errorhandler(UnprovenError)
def _unproven(_: UnprovenError) -> ResponseReturnValue:
    # Forge tries again in a minute, with another token.
    return {"error": "unavailable"}, 503


def _heard() -> ResponseReturnValue:
    invocation: Invocation = g.invocation
    with runtime().sessions.begin() as session:
        is_new = forge.use_once(session, invocation, now=runtime().now())
    if is_new:
        learn(invocation, guarding.system_token())
    return DONE


def _was_used_just_now(_: Session) -> bool:
    """Say of a token that was used for its site's install that it is good for this."""
    return True


def _renew_if_low(invocation: Invocation) -> None:
    now = runtime().now()
    with runtime().sessions.begin() as session:
        access = forge.find_access(session, runtime().keyring, g.tenant_id, now=now)
    token = guarding.system_token()
    if token is None or access is None or access.is_good_until(now + LOW):
        return
    try:
        learn(invocation, token)
    except (UnprovenError, Refused) as error:
        # The call is recorded, and waits for a token that Jira takes.
        log.warning("tenant=%s token not kept: %s", g.tenant_id, type(error).__name__)


def _event(body: dict[str, Any]) -> dict[str, Any]:
    """Return the event itself, which may come wrapped (docs/adr/0011)."""
    payload = body.get("payload")
    return payload if isinstance(payload, dict) else body


def _config(event: Mapping[str, Any]) -> str:
    """Return the rule as text: Forge hands it over as JSON, read already."""
    value = event.get("configuration")
    if isinstance(value, str):
        text = value
    else:
        # Added to the workflow and never saved: no rule yet, so a run that fails and
        # says so.
        text = json.dumps(value, separators=(",", ":")) if value else ""
    if not is_storable(text):
        raise BadRequestError("configuration holds what cannot be stored")
    return text


def _hint(event: Mapping[str, Any]) -> dict[str, str]:
    """Return where to look: names as Jira's history writes them, never believed.

    The layout of transition and workflow is not published in full, so what Connect
    calls them is understood as well.
    """
    transition = event.get("transition")
    if not isinstance(transition, dict):
        raise BadRequestError("transition must be an object")
    workflow = event.get("workflow")
    moved = {
        "workflowName": _first(_name(workflow), transition, "workflowName"),
        "transitionId": _first(transition.get("id"), transition, "transitionId"),
        "transitionName": _first(transition.get("name"), transition, "transitionName"),
        "from_status": _first(_name(transition.get("from")), transition, "from_status"),
        "to_status": _first(_name(transition.get("to")), transition, "to_status"),
    }
    return triggered.texts(moved)


def _first(value: object, other: Mapping[str, Any], name: str) -> object:
    return other.get(name) if value is None else value


def _name(value: object) -> object:
    return value.get("name") if isinstance(value, dict) else None


def _execution(event: Mapping[str, Any]) -> str | None:
    """Return what stays the same over Forge's retries of one post function's call."""
    transition, function = event.get("transition"), event.get("postFunction")
    execution = transition.get("executionId") if isinstance(transition, dict) else None
    function_id = function.get("id") if isinstance(function, dict) else None
    if not isinstance(execution, str) or not isinstance(function_id, str):
        return None
    name = f"{execution[:100]}:{function_id[:99]}"
    return name if is_storable(name) else None
