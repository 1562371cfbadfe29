"""No page of runs makes SQLite read through all the runs of a site.

It has no statistics to plan by: a small change of a question can make it choose the
index that has the order instead of the one that has the answer.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session, sessionmaker

from app import db, runs
from app.db import least_id
from app.runs import RunState, Wanted
from app.tenants import Door, State, Tenant
from tests.shared import ROOT

TENANT, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
THEN = datetime(2026, 11, 23, tzinfo=UTC)
FAILED = frozenset({RunState.FAILED})

Statement = tuple[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def sessions(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[sessionmaker[Session]]:
    """An empty database, as the migrations make it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('plans') / 'test.sqlite'}"
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = url
    command.upgrade(config, "head")
    made = db.make_sessions(url)
    yield made
    made.kw["bind"].dispose()


@pytest.fixture
def asked(sessions: sessionmaker[Session]) -> Iterator[list[Statement]]:
    """Every question that is sent."""
    found: list[Statement] = []

    def sent(*about: object) -> None:
        statement, parameters = about[2], about[3]
        assert isinstance(statement, str)
        assert isinstance(parameters, tuple)
        if statement.lstrip().startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    sa.event.listen(sessions.kw["bind"], "before_cursor_execute", sent)
    yield found
    sa.event.remove(sessions.kw["bind"], "before_cursor_execute", sent)


def plans(sessions: sessionmaker[Session], asked: list[Statement]) -> list[str]:
    """Return how SQLite reads tables for what was asked so far."""
    with sessions.kw["bind"].connect() as connection:
        rows = [
            row[3]
            for statement, parameters in list(asked)
            for row in connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
        ]
    tables = ("run ", "run_step ", "attempt ")
    return [
        row
        for row in rows
        if row.startswith(("SCAN ", "SEARCH "))
        and row.split(" ", 1)[1].startswith(tables)
    ]


@pytest.mark.parametrize("before", [None, least_id(THEN)])
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(states=FAILED),
        Wanted(states=runs.UNDER_WAY),
        Wanted(rule=OTHER),
        Wanted(issue="DEMO-1"),
        Wanted(issue="10001"),
        Wanted(destination=OTHER),
        Wanted(rule=OTHER, states=FAILED),
        Wanted(destination=OTHER, states=runs.UNDER_WAY),
        Wanted(issue="10001", destination=OTHER, rule=OTHER, states=FAILED),
        Wanted(rule=OTHER, states=FAILED, since=THEN, until=THEN),
    ],
)
def test_filter_is_answered_by_its_index(
    sessions: sessionmaker[Session],
    asked: list[Statement],
    wanted: Wanted,
    before: uuid.UUID | None,
) -> None:
    with sessions.begin() as session:
        runs.page(session, TENANT, wanted, before=before)

    found = plans(sessions, asked)
    assert found
    for plan in found:
        assert plan.startswith("SEARCH"), plan
        assert "(tenant_id=? AND " in plan, plan
        assert "(tenant_id=? AND id<?)" not in plan, plan


def test_all_runs_are_read_in_the_order_of_their_ids(
    sessions: sessionmaker[Session], asked: list[Statement]
) -> None:
    with sessions.begin() as session:
        runs.page(session, TENANT, Wanted())

    first = plans(sessions, asked)[0]
    assert first.startswith("SEARCH run USING COVERING INDEX")


def test_run_finds_its_relatives_by_their_own_indexes(
    sessions: sessionmaker[Session], asked: list[Statement]
) -> None:
    with sessions.begin() as session:
        site = Tenant(
            id=OTHER,
            state=State.ACTIVE,
            base_url="https://acme.atlassian.net",
            enabled=True,
            installed_at=THEN,
            lifecycle_at=THEN,
        )
        session.add(site)
        session.flush()
        run_id = runs.record(session, call(), now=THEN)
        assert run_id is not None
    asked.clear()
    with sessions.begin() as session:
        runs.get(session, OTHER, run_id)

    found = plans(sessions, asked)
    assert any("ix_run_tenant_id_replay_of" in plan for plan in found)
    assert any("ix_run_tenant_id_caused_by" in plan for plan in found)
    assert not [plan for plan in found if plan.endswith("(tenant_id=?)")]


def call() -> runs.Call:
    return runs.Call(
        door=Door.CONNECT,
        tenant_id=OTHER,
        token_hash="t",
        raw_body=b"",
        issue_id="1",
        config="",
        rule_hash="",
        unverified_hint={},
        webhook_id=None,
    )


def test_claim_goes_from_site_to_site_and_asks_once_what_is_stopped_or_rests(
    sessions: sessionmaker[Session], asked: list[Statement]
) -> None:
    """Not once for each due run: after a long stop there are many."""
    with sessions.begin() as session:
        if session.get(Tenant, TENANT) is None:
            session.add(
                Tenant(
                    id=TENANT,
                    state=State.ACTIVE,
                    base_url="https://other.atlassian.net",
                    enabled=True,
                    installed_at=THEN,
                    lifecycle_at=THEN,
                )
            )
            session.flush()
        runs.record(session, replace(call(), tenant_id=TENANT), now=THEN)
    asked.clear()
    with sessions() as session:
        runs.claim(session, now=THEN)
        session.rollback()

    found = plans(sessions, asked)
    by_site = "USING COVERING INDEX ix_run_tenant_id_due_at_id (tenant_id"
    assert len([plan for plan in found if by_site in plan]) > 1
    due = "USING INDEX ix_run_tenant_id_due_at_id (tenant_id=? AND due_at<?)"
    assert any(due in plan for plan in found)
    scans = {plan for plan in found if plan.startswith("SCAN")}
    assert scans <= {"SCAN run USING COVERING INDEX ix_run_tenant_id_due_at_id"}
