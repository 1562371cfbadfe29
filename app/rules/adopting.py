"""Conditions of holds that name the account we had before: they shall name today's.

Our condition lets one account by, that of the app, and a site that goes over from
Connect to Forge gives us another one. Until its conditions name it, nobody but the
admins' role moves its held tickets on (docs/adr/0011).
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit
from app.connect import descriptor
from app.jira import Jira
from app.rules import soundness


def note(session: Session, tenant_id: uuid.UUID, count: int, *, now: datetime) -> None:
    """Write down how many conditions name us anew."""
    audit.record(
        session,
        tenant_id,
        "conditions-mended",
        actor="countersign",
        now=now,
        count=count,
    )


def adopt(jira: Jira, *, former: frozenset[str]) -> int:
    """Let conditions that name one of our former accounts name ours; return how many.

    A condition that names anybody else stays as it is: that is an admin's own affair.
    `JiraError` and `SendError` are passed on. Source: Jira Cloud REST API v3, "Update
    workflow transition rule configurations".
    """
    account = jira.own_account()
    workflows = [
        {"workflowId": workflow["workflowId"], "conditions": renamed}
        for workflow in jira.rule_inventory("condition")
        if (renamed := list(_renamed(workflow, former - {account}, account)))
    ]
    if not workflows:
        return 0
    path = "/rest/api/3/workflow/rule/config"
    answer = jira.call("PUT", path, body={"workflows": workflows})
    asked = sum(len(each["conditions"]) for each in workflows)
    return asked - _refused(answer or {})


def _refused(answer: Mapping[str, Any]) -> int:
    """Return how many Jira did not store, as far as it says: its answer is 200."""
    results = answer.get("updateResults") or []
    whole = sum(1 for each in results if each.get("updateErrors"))
    return whole + sum(len(each.get("ruleUpdateErrors") or {}) for each in results)


def _renamed(
    workflow: Mapping[str, Any], former: frozenset[str], account: str
) -> Iterator[Mapping[str, Any]]:
    """Yield the conditions to be stored anew, a draft's too: it may go live."""
    for condition in workflow.get("conditions") or []:
        key, stored = str(condition.get("key")), condition.get("configuration") or {}
        config = _read(stored.get("value"))
        is_of_module = descriptor.is_of_module(key, descriptor.CONDITION)
        if not is_of_module or config is None or config["account"] not in former:
            continue
        value = soundness.config_of(account, config["role"])
        configuration = {**stored, "value": value}
        yield {"id": condition["id"], "key": key, "configuration": configuration}


def _read(text: object) -> Mapping[str, Any] | None:
    """Return a condition as our form writes it; None for any other text."""
    try:
        config = json.loads(str(text))
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(config, dict) and set(config) == {"v", "account", "role"}
    return config if is_ours and isinstance(config["account"], str) else None
