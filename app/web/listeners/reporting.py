"""What a self-managed Jira reports of a transition: recorded, answered, nothing more.

Whether it is so, the worker asks Jira (rule T1). Which rule it sets off, the listener
says and not the call: no signature of a webhook covers the address (ADR 21).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import request

from app import listeners
from app.jira import is_of_status
from app.listeners import Called, Transition, Version
from app.runs import Call
from app.tenants import Door
from app.tokens.checks import Reason, Refused, Verified
from app.tokens.listener import Heard
from app.web import recording, triggered
from app.web.context import runtime
from app.web.errors import BadRequestError

CREATED_EVENT = "jira:issue_created"
_SAID = ("workflowName", "transitionId", "transitionName", "from_status", "to_status")


def hear(
    called: Called, place: Transition, heard: Heard, body: Mapping[str, Any]
) -> bool:
    """Record the call if it is about the listener's transition; return whether it is.

    A webhook may come for every change of an issue. What is about another one is not
    served and no fault: nothing is written.
    """
    if not runtime().settings.is_datacenter_open:
        raise Refused(Reason.UNKNOWN_LISTENER, "the door is shut", proven=True)
    said = _said(body)
    if said is None or not _is_about(place, said):
        return False
    version = _current(called)
    call = Call(
        door=Door.DATACENTER,
        tenant_id=called.tenant_id,
        token_hash=heard.token_hash,
        raw_body=request.get_data(),
        issue_id=triggered.issue_id(body),
        config=version.config,
        rule_hash=version.rule_hash,
        unverified_hint=_hint(called, version, said),
        webhook_id=_webhook_id(called),
    )
    once = partial(
        listeners.rules.use_once,
        heard=heard,
        listener_id=called.id,
        now=runtime().now(),
    )
    recording.record(
        call,
        _verified(heard),
        once=once,
        facts={
            "listener": str(called.id),
            "rule_version": version.number,
            "secret_generation": heard.generation,
        },
    )
    return True


def _current(called: Called) -> Version:
    with runtime().sessions.begin() as session:
        row = listeners.find(session, called.tenant_id, called.id)
        version = listeners.rules.current(session, row) if row is not None else None
    if version is None:
        raise Refused(Reason.UNKNOWN_LISTENER, str(called.id), proven=True)
    return version


def _verified(heard: Heard) -> Verified:
    return Verified(
        issuer=heard.issuer,
        account_id=None,
        issued_at=heard.issued_at,
        expires_at=heard.expires_at,
        token_hash=heard.token_hash,
        generation=heard.generation,
    )


def _said(body: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what the call says of a transition; None if it is about something else.

    The post function "Trigger a Webhook" adds `transition`; any other webhook says by
    `changelog` which status there was, and by its event that the issue is new.
    Source: "Webhooks" and "Managing webhooks" (Jira Data Center).
    """
    transition = body.get("transition")
    if isinstance(transition, dict):
        return triggered.texts({name: transition.get(name) for name in _SAID})
    if body.get("webhookEvent") == CREATED_EVENT:
        return triggered.texts({"from_status": "", "to_status": _status(body)})
    moved = _moved(body.get("changelog"))
    return triggered.texts(moved) if moved is not None else None


def _moved(changelog: object) -> dict[str, object] | None:
    items = changelog.get("items") if isinstance(changelog, dict) else None
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and is_of_status(item):
            return {
                "from_status": item.get("fromString"),
                "to_status": item.get("toString"),
            }
    return None


def _status(body: Mapping[str, Any]) -> object:
    try:
        return body["issue"]["fields"]["status"]["name"]
    except (LookupError, TypeError) as error:
        raise BadRequestError("issue.fields.status.name is missing") from error


def _is_about(place: Transition, said: Mapping[str, str]) -> bool:
    """Say whether a call is about the listener's transition, by all that it says."""

    def is_other(name: str, wanted: str) -> bool:
        return said.get(name, "").casefold() != wanted.casefold()

    # Only the post function says these two; what is not said tells nothing apart.
    for name, wanted in (
        ("workflowName", place.workflow),
        ("transitionId", place.transition_id),
    ):
        if said.get(name) and is_other(name, wanted):
            return False
    if place.from_status and is_other("from_status", place.from_status):
        return False
    return not is_other("to_status", place.to_status)


def _hint(called: Called, version: Version, said: Mapping[str, str]) -> dict[str, Any]:
    """Return where to look; the place is the listener's own word."""
    place = version.place
    return {
        "workflowName": place.workflow,
        "transitionId": place.transition_id,
        "transitionName": place.transition,
        "from_status": said.get("from_status", ""),
        "to_status": said.get("to_status", ""),
        "listener": str(called.id),
        "version": version.number,
    }


def _webhook_id(called: Called) -> str | None:
    """Return Jira's own name of the webhook, for this listener alone.

    Attack: it is unsigned. One listener's caller names what Jira is about to send to
    another one.
    """
    said = request.headers.get("X-Atlassian-Webhook-Identifier", "")[:200]
    return f"{called.id}:{said}" if said and said.isprintable() else None
