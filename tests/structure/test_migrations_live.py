"""Migrations on a database that is in use: nobody waits for them for long.

What counts is what PostgreSQL is told, so it is told, and listened to.
"""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from app import db
from app.cli import migrating
from app.patience import Patience
from tests import services
from tests.structure.test_migrations import BEFORE, NOW, config

SAFE_SINCE = "0007"
"""The last one that may build as it likes: nobody had a big database then."""

UNSAFE = {
    "an index that is built while nobody writes: op.build_index": (
        r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)\S+ ON (?P<table>\w+)"
    ),
    "a constraint that reads the whole table: NOT VALID first, VALIDATE later": (
        r"ALTER TABLE (?P<table>\w+) ADD (CONSTRAINT|UNIQUE|FOREIGN|CHECK|PRIMARY)"
        r"(?!.*NOT VALID)"
    ),
    "a column that old processes do not fill in": (
        r"ALTER TABLE (?P<table>\w+) ADD COLUMN (?!.*DEFAULT).*NOT NULL"
    ),
    "every row is looked at, or written anew": (
        r"ALTER TABLE (?P<table>\w+) ALTER COLUMN \w+ (SET NOT NULL|TYPE)"
    ),
    "old processes still use it": (
        r"(ALTER TABLE (?P<table>\w+) (DROP COLUMN|RENAME)|DROP TABLE (?P<whole>\w+))"
    ),
    "all rows in one transaction: in batches, by a worker": (
        r"(UPDATE|DELETE FROM) (?P<table>\w+)"
    ),
}


@pytest.fixture
def url() -> Iterator[str]:
    with services.postgres_database() as made:
        yield made


@contextmanager
def heard() -> Iterator[list[str]]:
    """Listen to all that any database is told inside the block."""
    statements: list[str] = []

    def note(*told: Any) -> None:
        statements.append(" ".join(told[2].split()))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def tables(url: str) -> frozenset[str]:
    engine = db.make_engine(url)
    found = frozenset(sa.inspect(engine).get_table_names())
    engine.dispose()
    return found


def unsafe(statements: list[str], old: frozenset[str]) -> list[str]:
    """Name what keeps others waiting at a table that was there before."""
    found = []
    for statement in statements:
        for why, pattern in UNSAFE.items():
            match = re.match(pattern, statement)
            if match and {*match.groupdict().values()} & (old - {"alembic_version"}):
                found.append(f"{statement}: {why}")
    return found


REPEATABLE = (
    r"SHOW|SET|SELECT|(DROP|CREATE) INDEX CONCURRENTLY|.* IF NOT EXISTS|.*pg_catalog"
)


def half_done(statements: list[str]) -> list[str]:
    """Name what would fail the second time, where an index comes behind it."""
    found, migration = [], list[str]()
    for statement in statements:
        migration.append(statement)
        if statement.startswith("CREATE INDEX CONCURRENTLY"):
            found += [each for each in migration if not re.match(REPEATABLE, each)]
        if statement.startswith("UPDATE alembic_version"):
            migration = []
    return found


def test_migrations_let_calls_and_old_processes_go_on(url: str) -> None:
    made = config(url)
    command.upgrade(made, SAFE_SINCE)
    old = tables(url)

    with heard() as statements:
        command.upgrade(made, "head")

    assert any("CREATE INDEX CONCURRENTLY" in each for each in statements)
    assert unsafe(statements, old) == []
    assert half_done(statements) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ix_run_x ON run (x)",
        "CREATE UNIQUE INDEX uq_run_x ON run (x) WHERE y",
        "ALTER TABLE run ADD CONSTRAINT fk_run_x FOREIGN KEY(x) REFERENCES y (id)",
        "ALTER TABLE run ADD COLUMN x INTEGER NOT NULL",
        "ALTER TABLE run ALTER COLUMN x SET NOT NULL",
        "ALTER TABLE run ALTER COLUMN x TYPE BIGINT",
        "ALTER TABLE run DROP COLUMN x",
        "ALTER TABLE run RENAME x TO y",
        "DROP TABLE run",
        "UPDATE run SET x = 1",
    ],
)
def test_what_would_hold_up_calls_is_noticed(statement: str) -> None:
    assert unsafe([statement], frozenset({"run"}))
    assert unsafe([statement], frozenset({"tenant"})) == []
    assert half_done([statement, "CREATE INDEX CONCURRENTLY ix ON run (y)"])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY ix_run_x ON run (x)",
        "ALTER TABLE run ADD CONSTRAINT ck_run_x CHECK (x > 0) NOT VALID",
        "ALTER TABLE run VALIDATE CONSTRAINT ck_run_x",
        "ALTER TABLE run ADD COLUMN x INTEGER",
        "ALTER TABLE run ADD COLUMN x INTEGER DEFAULT 0 NOT NULL",
        "UPDATE alembic_version SET version_num='0008'",
    ],
)
def test_what_holds_up_nobody_is_let_through(statement: str) -> None:
    assert unsafe([statement], frozenset({"run", "alembic_version"})) == []


CUT_OFF = """
    ALTER TABLE run ADD COLUMN candidate_id UUID;
    CREATE INDEX ix_run_tenant_id_candidate_id ON run (candidate_id);
    UPDATE pg_index SET indisvalid = false
    WHERE indexrelid = 'ix_run_tenant_id_candidate_id'\\:\\:regclass
"""


def test_index_whose_building_was_cut_off_is_built_anew(url: str) -> None:
    """What came before it in its migration is done by then, too."""
    made = config(url)
    command.upgrade(made, SAFE_SINCE)
    engine = db.make_engine(url)
    with engine.begin() as connection:
        for statement in CUT_OFF.split(";"):
            connection.execute(sa.text(statement))

    command.upgrade(made, "head")

    command.check(made)
    with engine.connect() as connection:
        invalid = sa.text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
        assert connection.scalar(invalid) == 0
    engine.dispose()


# --- calls that are recorded meanwhile, as the version before records them

CALL = sa.text(
    """
    INSERT INTO run (id, tenant_id, door, state, received_at, fence, tries, issue_id,
                     config, rule_hash, unverified_hint, token_hash, call_hash, depth)
    VALUES (:id, :t, 'connect', 'received', :now, 0, 0, '1', '', '', '{}', '', :call, 0)
    """
)


@dataclass
class Recorder:
    """Records one call after the other, and notes how many seconds each took."""

    engine: sa.Engine
    took: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.01):
            begun, one = time.monotonic(), uuid.uuid4()
            values = {"t": "a" * 32, "now": NOW, "id": one.hex, "call": str(one)}
            with self.engine.begin() as connection:
                connection.execute(CALL, values)
            self.took.append(time.monotonic() - begun)


@pytest.fixture
def recorder(url: str) -> Iterator[Recorder]:
    """A site of the version before, whose calls are being recorded."""
    command.upgrade(config(url), SAFE_SINCE)
    made = Recorder(db.make_engine(url))
    with made.engine.begin() as connection:
        tenant = sa.text(BEFORE.split(";")[0])
        connection.execute(tenant, {"t": "a" * 32, "now": NOW})
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.over.set()
    thread.join()
    made.engine.dispose()


def test_calls_are_recorded_while_a_migration_waits_behind_a_long_reader(
    url: str, recorder: Recorder
) -> None:
    """A report is read, a table is to change, and Jira's calls queue up behind it."""
    made, said = config(url), list[str]()
    made.attributes["patience"] = Patience(lock=1)
    upgrade = partial(command.upgrade, made, "head")
    with recorder.engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM run"))
        upgrading = threading.Thread(
            target=migrating.repeat, args=[upgrade], kwargs={"say": said.append}
        )
        upgrading.start()
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        reader.rollback()
    upgrading.join(30)

    command.check(made)
    assert said
    assert "a table is in use" in said[0]
    recorder.over.set()
    assert len(recorder.took) > 20
    assert max(recorder.took) < 3  # the second that it waits, on a busy machine
