"""The schema: made by migrations alone, up and down, on both databases."""

from collections.abc import Iterator
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
