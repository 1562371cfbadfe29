"""Jira's call after a transition: verified, recorded, answered; nothing more here."""

import functools
import re
import uuid
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, request
from flask.typing import ResponseReturnValue

from app import audit, rules, tracing
from app.runs import Call
from app.tenants import Door
from app.tokens.checks import Verified, is_storable
from app.web import bodies, recording
from app.web.context import caller, runtime, web
from app.web.errors import BadRequestError

bp = Blueprint("triggered", __name__)

_rule_hash = functools.lru_cache(maxsize=512)(rules.rule_hash)
"""The same few rules come again and again, each at most 8 kB."""

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
    verified = caller().verified
    call = read_call(
        request.get_data(),
        tenant_id=caller().tenant_id,
        verified=verified,
        webhook_id=request.headers.get("X-Atlassian-Webhook-Identifier", ""),
        traceparent=request.headers.get(tracing.HEADER),
        candidate_id=caller().candidate_id,
    )
    recording.record(call, verified, facts=facts_of(verified))
    if call.candidate_id is None:
        web().remembered.keep(g.known, now=runtime().now())
    return "", 204


def read_call(
    octets: bytes,
    *,
    tenant_id: uuid.UUID,
    verified: Verified,
    webhook_id: str,
    traceparent: str | None,
    candidate_id: uuid.UUID | None = None,
) -> Call:
    """Return what Jira says of a transition; raise `BadRequestError` for nonsense."""
    body = bodies.object_of(octets)
    config = _config(body)
    is_long = len(config) > rules.MAX_SIZE
    return Call(
        door=Door.CONNECT,
        tenant_id=tenant_id,
        token_hash=verified.token_hash,
        raw_body=octets,
        issue_id=issue_id(body),
        config=config[: rules.MAX_SIZE + 1],
        rule_hash=rules.rule_hash(config) if is_long else _rule_hash(config),
        unverified_hint=_hint(body) | tracing.hint(traceparent),
        webhook_id=webhook_id[:200] or None,
        candidate_id=candidate_id,
    )


def facts_of(verified: Verified) -> dict[str, audit.Value]:
    """Return what the history has of this door's calls beside what all have."""
    return {
        "qsh": "matched",  # nothing else is let in
        "subject": verified.account_id,
        "secret_generation": verified.generation,
    }


def issue_id(body: Mapping[str, Any]) -> str:
    """Return the number of the issue that a call names."""
    issue = body.get("issue")
    number = str(issue.get("id")) if isinstance(issue, dict) else ""
    if not _ISSUE_ID.fullmatch(number):
        raise BadRequestError("issue.id must be a number")
    return number


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
    return texts({name: transition.get(name) for name in _HINTS})


def texts(hint: Mapping[str, object]) -> dict[str, str]:
    """Return a hint as text that can be stored; raise `BadRequestError` otherwise."""
    return {name: _text(value) for name, value in hint.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, (str, int)):
        raise BadRequestError("transition holds what is neither text nor number")
    text = str(value)[:255]
    if not is_storable(text):
        raise BadRequestError("transition holds what cannot be stored")
    return text
