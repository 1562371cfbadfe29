"""Jira's call after a transition: verified, recorded, answered; nothing more here."""

import logging
import re
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from app import audit, rules, runs, tenants
from app.queue import QueueError
from app.runs import Call
from app.tenants import Door
from app.tokens.checks import is_storable
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError

bp = Blueprint("triggered", __name__)
log = logging.getLogger(__name__)

_ISSUE_ID = re.compile(r"[0-9]{1,19}", re.ASCII)
_HINTS = (
    "workflowName",
    "transitionId",
    "transitionName",
    "from_status",
    "to_status",
)


@bp.post("/post-function/triggered")
def triggered() -> ResponseReturnValue:
    """Record the call and answer; whether it is so, the worker asks Jira.

    The body is not signed: it says only where to look (rule T1). A broken rule is
    recorded like any other and becomes a failed run that names what is wrong.
    """
    body = bodies.read_object()
    now, verified = runtime().now(), caller().verified
    config = _config(body)
    call = Call(
        door=Door.CONNECT,
        tenant_id=caller().tenant_id,
        token_hash=verified.token_hash,
        raw_body=request.get_data(),
        issue_id=_issue_id(body),
        config=config[: rules.MAX_SIZE + 1],
        rule_hash=rules.rule_hash(config),
        unverified_hint=_hint(body),
        webhook_id=_webhook_id(),
    )
    with runtime().sessions.begin() as session:
        tenants.refuse_unless_active(session, call.tenant_id)
        run_id = runs.record(session, call, now=now)
        audit.record(
            session,
            caller().tenant_id,
            "verification-accepted" if run_id else "verification-duplicate",
            actor="jira",
            now=now,
            route=str(request.endpoint),
            run=str(run_id) if run_id else None,
            age=int((now - verified.issued_at).total_seconds()),
            secret_generation=verified.generation,
        )
    if run_id:
        _wake()
    return "", 204


def _wake() -> None:
    try:
        runtime().queue.wake()
    except QueueError as error:
        # The run is recorded, and workers sweep: it only starts a second later.
        log.warning("queue: %s", error)


def _issue_id(body: dict[str, Any]) -> str:
    issue = body.get("issue")
    issue_id = str(issue.get("id")) if isinstance(issue, dict) else ""
    if not _ISSUE_ID.fullmatch(issue_id):
        raise BadRequestError("issue.id must be a number")
    return issue_id


def _config(body: dict[str, Any]) -> str:
    configuration = body.get("configuration")
    value = configuration.get("value") if isinstance(configuration, dict) else None
    # Added to the workflow and never saved: no rule yet, so a run that fails and
    # says so.
    text = value if isinstance(value, str) else ""
    if not is_storable(text):
        raise BadRequestError("configuration.value holds what cannot be stored")
    return text


def _hint(body: dict[str, Any]) -> dict[str, str]:
    transition = body.get("transition")
    if not isinstance(transition, dict):
        raise BadRequestError("transition must be an object")
    hint = {name: transition.get(name) for name in _HINTS}
    if not all(isinstance(value, str | int | None) for value in hint.values()):
        raise BadRequestError("transition holds what is neither text nor number")
    texts = {name: "" if v is None else str(v)[:255] for name, v in hint.items()}
    if not all(is_storable(value) for value in texts.values()):
        raise BadRequestError("transition holds what cannot be stored")
    return texts


def _webhook_id() -> str | None:
    return request.headers.get("X-Atlassian-Webhook-Identifier", "")[:200] or None
