"""The schema: made by migrations alone, up and down, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import db
from tests import services
from tests.shared import ROOT


def config(url: str) -> Config:
    made = Config(toml_file=ROOT / "pyproject.toml")
    made.attributes["database_url"] = url
    return made


def test_there_is_one_head_and_numbers_follow_each_other() -> None:
    script = ScriptDirectory.from_config(config(""))

    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    assert len(script.get_heads()) == 1
    assert revisions == [f"{n:04}" for n in range(1, len(revisions) + 1)]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/migrated.sqlite"
        return
    with services.postgres_database() as url:
        yield url


def test_migrations_make_the_models_and_go_both_ways(empty_database: str) -> None:
    made = config(empty_database)
    command.upgrade(made, "head")
    command.check(made)

    command.downgrade(made, "base")
    engine = db.make_engine(empty_database)
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()

    command.upgrade(made, "head")
    command.check(made)


def test_upgrade_keeps_what_is_there(empty_database: str) -> None:
    """SQLite builds a changed table anew; what points at the old one must stay."""
    made = config(empty_database)
    command.upgrade(made, "0001")
    engine = db.make_engine(empty_database)
    with engine.begin() as connection:
        for statement in BEFORE.split(";"):
            connection.execute(sa.text(statement), {"t": "a" * 32, "now": NOW})

    command.upgrade(made, "head")
    command.downgrade(made, "0001")
    command.upgrade(made, "head")

    with engine.connect() as connection:
        for table in ("run", "run_step", "attempt", "audit_event"):
            count = sa.select(sa.func.count()).select_from(sa.table(table))
            assert connection.scalar(count) == 1, table
    engine.dispose()


NOW = datetime(2026, 11, 24, tzinfo=UTC)
BEFORE = """
    INSERT INTO tenant (id, state, base_url, enabled, installed_at, lifecycle_at)
    VALUES (:t, 'active', 'https://acme.atlassian.net', true, :now, :now);
    INSERT INTO run (id, tenant_id, door, state, received_at, fence, tries, issue_id,
                     config, rule_hash, unverified_hint, token_hash, call_hash, depth)
    VALUES (:t, :t, 'connect', 'running', :now, 0, 0, '1', '', '', '{}', '', '', 0);
    INSERT INTO run_step (id, tenant_id, run_id, role, position, state, config, tries)
    VALUES (:t, :t, :t, 'step', 0, 'begun', '{}', 1);
    INSERT INTO attempt (id, tenant_id, run_step_id, begun_at, issue_id)
    VALUES (:t, :t, :t, :now, '1');
    INSERT INTO audit_event (id, tenant_id, kind, actor, happened_at, detail)
    VALUES (:t, :t, 'enabled', 'jira', :now, '{}')
"""
