"""The configuration page's rules: which gates are open, and what an admin does then."""

import json
import re
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app.audit import AuditEvent
from app.rules import KnownRule
from app.runs import Run, Why
from app.runtime import Runtime
from app.watchdog import Watchdog
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.fakes import Clock
from tests.functional.gates import dispatch, gate, lost, shut
from tests.functional.opening import shown

Sessions = sessionmaker[Session]
Runs = Callable[[], list[Run]]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def watchdog(runtime: Runtime) -> Watchdog:
    return Watchdog(runtime=runtime)


@pytest.fixture
def known(caller: Caller, watchdog: Watchdog, sessions: Sessions) -> uuid.UUID:
    """Return the id of a gate that the watchdog saw."""
    caller.jira.add_post_function("Dispatch", gate())
    watchdog.watch()
    with sessions.begin() as session:
        return session.scalars(sa.select(KnownRule.id)).one()


def switch(caller: Caller, known: object, act: str, user: str = "ada") -> int:
    path = f"/api/v1/rules/{known}/{act}"
    return caller.send("POST", path, token=caller.context(user)).status


@pytest.mark.usefixtures("known")
def test_gate_that_held_nothing_yet_is_not_judged(caller: Caller) -> None:
    page = shown(caller)

    assert "Gate not judged yet" in page
    assert "No issue was in its hold yet" in page


@pytest.mark.usefixtures("known")
def test_open_ways_are_named_until_they_are_shut(
    caller: Caller, watchdog: Watchdog
) -> None:
    lost(caller.jira)
    caller.later(minutes=1)
    watchdog.watch()
    assert "“Deployed” (81)" in shown(caller)
    assert "Gate is open" in shown(caller)

    shut(caller.jira)
    watchdog.watch()

    assert "Gate is shut" in shown(caller)
    assert "“Deployed” (81)" not in shown(caller)


def test_rule_is_paused_and_resumed_by_a_person_who_is_named(
    caller: Caller,
    known: uuid.UUID,
    worker: Worker,
    sessions: Sessions,
    all_runs: Runs,
) -> None:
    assert switch(caller, known, "pause") == 204
    assert switch(caller, known, "pause") == 409
    assert re.search(r">Paused<.*>Resume<", shown(caller))
    dispatch(caller.jira)
    caller.jira.deliver_pending()
    worker.drain()
    assert all_runs()[0].why is Why.PAUSED

    assert switch(caller, known, "resume") == 204
    assert ">Pause<" in shown(caller)
    with sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind.like("rule-%"))
        events = session.scalars(wanted.order_by(AuditEvent.id)).all()
        assert [e.kind for e in events] == ["rule-paused", "rule-resumed"]
        assert {e.actor for e in events} == {people.ADA.account_id}
        assert json.loads(events[0].detail)["rule"] == "Deploy"


def test_stopped_watch_is_said_and_resumed(
    caller: Caller, known: uuid.UUID, sessions: Sessions, clock: Clock
) -> None:
    with sessions.begin() as session:
        row = session.get_one(KnownRule, known)
        row.watch_stopped_at, row.watch_stopped_because = clock(), "too many"
        row.overdue = 7

    assert "Issues are not rescued: too many." in shown(caller)
    assert "past the deadline of their hold: 7." in shown(caller)
    assert switch(caller, known, "resume") == 204
    assert "not rescued" not in shown(caller)


def test_t5_rule_of_another_tenant_is_not_there(
    caller: Caller, known: uuid.UUID, sessions: Sessions
) -> None:
    del known
    nobodys = uuid.uuid4()

    assert switch(caller, nobodys, "pause") == 404
    assert switch(caller, nobodys, "resume") == 404
    with sessions.begin() as session:
        assert session.scalars(sa.select(KnownRule.paused_at)).one() is None


def test_t10_rule_is_paused_by_jira_administrators_only(
    caller: Caller, known: uuid.UUID
) -> None:
    assert switch(caller, known, "pause", "dee") == 403
    assert switch(caller, known, "resume", "vic") == 403


def test_page_says_that_jira_refuses_us(caller: Caller, watchdog: Watchdog) -> None:
    assert "accepts no call" not in shown(caller)

    caller.jira.refuses_addon = True
    watchdog.watch()
    caller.jira.refuses_addon = False

    assert "Jira accepts no call of Countersign" in shown(caller)
    caller.later(minutes=5)
    watchdog.watch()
    assert "accepts no call" not in shown(caller)
