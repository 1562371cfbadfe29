"""What a monitor reads of runs and destinations: right, and cheap with any number."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import stops
from app.db import new_id
from app.destinations import (
    Destination,
    DestinationHealth,
    DestinationState,
    Pace,
    breakers,
)
from app.destinations.tables import Signing
from app.runs import Run, RunState, backlog, count_backlog
from app.stops import By
from app.tenants import Door
from tests.unit.conftest import NOW

SECOND = timedelta(seconds=1)
AddTenant = Callable[[], uuid.UUID]


def add_run(session: Session, tenant_id: uuid.UUID, **changes: Any) -> None:
    values: dict[str, Any] = {
        "id": new_id(NOW),
        "tenant_id": tenant_id,
        "door": Door.CONNECT,
        "state": RunState.RECEIVED,
        "received_at": NOW,
        "due_at": NOW - SECOND,
        "issue_id": "1",
        "config": "",
        "rule_hash": "",
        "unverified_hint": {},
        "token_hash": "",
        "call_hash": str(uuid.uuid4()),
    }
    session.add(Run(**(values | changes)))
    session.flush()


def test_runs_are_counted_by_state_and_the_oldest_due_one_is_found(
    session: Session, add_tenant: AddTenant
) -> None:
    site = add_tenant()
    add_run(session, site, due_at=NOW - 9 * SECOND)
    add_run(session, site, due_at=NOW - 99 * SECOND, lease_until=NOW + SECOND)
    add_run(session, site, due_at=NOW - 5 * SECOND, lease_until=NOW - SECOND)
    add_run(session, site, state=RunState.RUNNING, due_at=NOW + SECOND)
    add_run(session, site, state=RunState.AMBIGUOUS, due_at=None)
    add_run(session, site, state=RunState.SUCCEEDED, due_at=None)

    found = count_backlog(session, now=NOW)

    assert found.states == {
        RunState.RECEIVED: 3,
        RunState.RUNNING: 1,
        RunState.FAILING: 0,
        RunState.AMBIGUOUS: 1,
    }
    assert (found.due, found.due_since) == (2, NOW - 9 * SECOND)


def test_what_is_stopped_is_not_late(session: Session, add_tenant: AddTenant) -> None:
    stopped, other = add_tenant(), add_tenant()
    add_run(session, stopped, due_at=NOW - 9 * SECOND)
    add_run(session, other, due_at=NOW - 3 * SECOND)
    stops.stop(session, stopped, By(who="olga", now=NOW))

    assert count_backlog(session, now=NOW).due_since == NOW - 3 * SECOND
    stops.stop(session, None, By(who="olga", now=NOW))
    assert count_backlog(session, now=NOW).due_since is None


def test_counting_ends_at_its_bound(
    session: Session, add_tenant: AddTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MOST", 3)
    monkeypatch.setattr(backlog, "MOST_IN_DOUBT", 2)
    site = add_tenant()
    for _ in range(5):
        add_run(session, site)
        add_run(session, site, state=RunState.AMBIGUOUS, due_at=None)

    found = count_backlog(session, now=NOW)

    assert found.states[RunState.RECEIVED] == found.due == 3
    assert found.states[RunState.AMBIGUOUS] == 2


def test_no_run_is_read_but_by_an_index(session: Session) -> None:
    asked: list[tuple[str, Any]] = []
    engine = session.get_bind()
    sa.event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2:4]))

    count_backlog(session, now=NOW)

    plans = [
        row[3]
        for statement, parameters in list(asked)
        for row in session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
    ]
    read = [plan for plan in plans if " run " in f"{plan} "]
    assert sorted(read) == [
        f"SEARCH run USING {by}"
        for by in (
            "COVERING INDEX ix_run_tenant_id_state_id (tenant_id=? AND state=?)",
            "INDEX ix_run_due_at (due_at>?)",
        )
    ]


def add_destination(
    session: Session, tenant_id: uuid.UUID, *, state: str = "active", **health: Any
) -> uuid.UUID:
    row = Destination(
        id=new_id(NOW),
        tenant_id=tenant_id,
        name=str(uuid.uuid4()),
        kind="webhook",
        state=DestinationState(state),
        url="https://deploy.example",
        signing=Signing.KEY_SET,
        audience="",
        header_names=[],
        project_ids=["1"],
        environment="",
        pace=Pace.NOTIFY,
        honours_delivery_id=False,
        per_minute=60,
        is_protected=False,
        created_at=NOW,
        changed_at=NOW,
    )
    session.add(row)
    session.flush()
    values = {"tokens": 1.0, "filled_at": NOW, "tenant_id": tenant_id}
    session.add(DestinationHealth(destination_id=row.id, **(values | health)))
    session.flush()
    return row.id


def test_breakers_are_counted_and_the_open_ones_named_by_ids(
    session: Session, add_tenant: AddTenant
) -> None:
    site, since = add_tenant(), NOW - 60 * SECOND
    shut: dict[str, Any] = {"open_until": NOW + SECOND, "failing_since": since}
    failing = add_destination(session, site, **shut)
    add_destination(session, site, open_until=NOW - SECOND, failing_since=since)
    add_destination(session, site)
    add_destination(session, site, state="paused", **shut)
    add_destination(session, site, state="disabled")
    add_destination(session, site, state="deleted")

    counted = breakers.numbers(session, now=NOW)
    named = breakers.failing(session, now=NOW)

    assert {(n.kind, n.state): n.number for n in counted} == {
        ("webhook", state): 1 for state in breakers.STATES
    }
    assert [(f.tenant_id, f.id, f.since) for f in named] == [(site, failing, since)]


def test_no_more_destinations_are_named_than_a_monitor_can_keep(
    session: Session, add_tenant: AddTenant
) -> None:
    site = add_tenant()
    for _ in range(breakers.NAMED + 3):
        add_destination(session, site, open_until=NOW + SECOND, failing_since=NOW)

    assert len(breakers.failing(session, now=NOW)) == breakers.NAMED
