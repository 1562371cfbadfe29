"""What came of each rule lately: its newest run, and nobody else's."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.db import new_id
from app.rules import KnownRule
from app.rules.outcomes import LastRun, last_runs
from app.runs import Run, RunState
from app.tenants import Door

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def tenant_id(add_tenant: Callable[[], uuid.UUID]) -> uuid.UUID:
    return add_tenant()


def add_rule(session: Session, tenant_id: uuid.UUID) -> KnownRule:
    known_id = new_id(NOW)
    row = KnownRule(
        id=known_id,
        tenant_id=tenant_id,
        rule_id=str(known_id),
        workflow="W",
        transition_id="21",
        transition_name="Ship",
        name="Say hello",
        rule_hash="hash",
        config="{}",
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def add_run(
    session: Session, rule: KnownRule, now: datetime = NOW, **more: Any
) -> uuid.UUID:
    run_id = new_id(now)
    values: dict[str, Any] = {
        "id": run_id,
        "tenant_id": rule.tenant_id,
        "door": Door.CONNECT,
        "state": RunState.SUCCEEDED,
        "received_at": now,
        "issue_id": "10001",
        "config": "{}",
        "rule_hash": "hash",
        "unverified_hint": {},
        "token_hash": str(run_id),
        "call_hash": str(run_id),
        "known_rule_id": rule.id,
    }
    session.add(Run(**(values | more)))
    session.flush()
    return run_id


def test_newest_run_of_each_rule_is_told(
    session: Session, tenant_id: uuid.UUID
) -> None:
    one, other, idle = (add_rule(session, tenant_id) for _ in range(3))
    late = add_run(
        session, one, NOW + HOUR, issue_key="DEMO-1", facts={"project_id": "10000"}
    )
    add_run(session, one)
    failed = add_run(session, other, state=RunState.FAILED)

    found = last_runs(session, tenant_id)

    assert idle.id not in found
    assert found == {
        one.id: LastRun(
            id=late,
            state=RunState.SUCCEEDED,
            received_at=NOW + HOUR,
            issue_key="DEMO-1",
            project_id="10000",
        ),
        other.id: LastRun(
            id=failed,
            state=RunState.FAILED,
            received_at=NOW,
            issue_key=None,
            project_id=None,
        ),
    }


def test_rule_that_is_gone_has_nothing_to_tell(
    session: Session, tenant_id: uuid.UUID
) -> None:
    rule = add_rule(session, tenant_id)
    add_run(session, rule)
    rule.gone_at = NOW

    assert last_runs(session, tenant_id) == {}


def test_t5_other_tenants_runs_are_theirs(
    session: Session, tenant_id: uuid.UUID, add_tenant: Callable[[], uuid.UUID]
) -> None:
    add_run(session, add_rule(session, tenant_id))
    stranger = add_tenant()
    own = add_rule(session, stranger)
    assert last_runs(session, stranger) == {}

    run_id = add_run(session, own)

    assert {k: v.id for k, v in last_runs(session, stranger).items()} == {
        own.id: run_id
    }
