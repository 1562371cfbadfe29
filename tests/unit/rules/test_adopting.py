"""Conditions that name the account we had before come to name today's, no others."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.jira import Jira
from app.rules import adopting, soundness
from tests.unit.rules.jira import ACCOUNT, KEY, FakeJira, condition, workflow

FORMER = frozenset({"connect-account"})
PATH = "/rest/api/3/workflow/rule/config"
OURS = soundness.config_of("connect-account", 7)


def adopt(site: FakeJira, former: frozenset[str] = FORMER) -> int:
    return adopting.adopt(cast("Jira", site), former=former)


def test_former_account_is_replaced_and_the_role_stays() -> None:
    mine = condition(OURS, tag="kept")
    site = FakeJira([workflow(mine, condition(OURS, transition="51"))])

    assert adopt(site) == 2

    [(method, path, body)] = site.stored
    [sent] = body["workflows"]
    assert (method, path) == ("PUT", PATH)
    assert sent["workflowId"] == {"name": "W", "draft": False}
    assert [each["id"] for each in sent["conditions"]] == ["c-41", "c-51"]
    value = soundness.config_of(ACCOUNT, 7)
    assert sent["conditions"][0] == {
        "id": "c-41",
        "key": KEY,
        "configuration": {"value": value, "tag": "kept"},
    }


def test_draft_may_go_live_and_is_mended_too() -> None:
    site = FakeJira([workflow(condition(OURS), draft=True)])

    assert adopt(site) == 1


@pytest.mark.parametrize(
    "other",
    [
        condition(OURS, key="somebody-elses"),
        condition(soundness.config_of("an-admins-own", 7)),
        condition(soundness.config_of(ACCOUNT, 7)),
        condition(OURS.replace("}", ',"expression":"true"}')),
        condition('{"v":1,"account":["connect-account"],"role":7}'),
        condition("[]"),
        condition('["v","account","role"]'),
        condition("no JSON"),
        condition("[" * 100_000),
        {"id": "c", "key": KEY},
        {"id": "c", "key": KEY, "configuration": None},
    ],
)
def test_what_is_not_ours_of_before_stays_as_it_is(other: dict[str, Any]) -> None:
    bare = {"workflowId": {"name": "Bare"}, "conditions": None}
    untouched = FakeJira([workflow(other), bare])
    assert adopt(untouched, FORMER | {ACCOUNT}) == 0
    assert untouched.stored == []

    mixed = FakeJira([workflow(other, condition(OURS, transition="51")), bare])
    assert adopt(mixed, FORMER | {ACCOUNT}) == 1
    [sent] = mixed.stored[0][2]["workflows"]
    assert [each["id"] for each in sent["conditions"]] == ["c-51"]


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (None, 2),
        ({}, 2),
        ({"updateResults": None}, 2),
        ({"updateResults": [{"updateErrors": [], "ruleUpdateErrors": {}}]}, 2),
        ({"updateResults": [{"updateErrors": ["gone"]}]}, 1),
        ({"updateResults": [{"ruleUpdateErrors": {"c-41": ["no"]}}, {}]}, 1),
        ({"updateResults": [{"ruleUpdateErrors": {"a": [], "b": []}}]}, 0),
    ],
)
def test_what_jira_did_not_store_is_not_counted(answer: Any, count: int) -> None:
    site = FakeJira([workflow(condition(OURS)), workflow(condition(OURS), name="V")])
    site.answers[PATH] = answer

    assert adopt(site) == count


def test_how_many_were_mended_is_in_the_audit(
    session: Session, add_tenant: Callable[[], uuid.UUID]
) -> None:
    tenant_id, now = add_tenant(), datetime(2026, 11, 23, 12, tzinfo=UTC)

    adopting.note(session, tenant_id, 3, now=now)

    session.flush()
    [event] = session.scalars(sa.select(AuditEvent))
    assert (event.kind, event.actor) == ("conditions-mended", "countersign")
    assert (event.tenant_id, event.happened_at) == (tenant_id, now)
    assert json.loads(event.detail) == {"count": 3}
