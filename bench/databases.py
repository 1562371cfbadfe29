"""Databases to measure on: empty, on the disk, and durable, unlike those of tests."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from app import db
from tests import services
from tests.processes import ROOT

NAMES = ("sqlite", "postgresql")


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder on the disk of the checkout: one in memory would wait for none."""
    within = ROOT / "var"
    within.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=within) as made:
        yield Path(made)


@contextmanager
def empty(name: str, within: Path, purpose: str) -> Iterator[str]:
    """Yield the URL of a database without a table; a commit there is on the disk."""
    if name == "sqlite":
        yield f"sqlite:///{within}/{purpose}.sqlite"
        return
    with services.postgres_database() as url:
        database = sa.make_url(url).database
        with _alone(url) as connection:
            statement = f"ALTER DATABASE {database} SET synchronous_commit = on"
            connection.exec_driver_sql(statement)
        yield url


@contextmanager
def migrated(name: str, within: Path, purpose: str) -> Iterator[str]:
    """Yield the URL of a database with our tables."""
    with empty(name, within, purpose) as url:
        config = Config(toml_file=ROOT / "pyproject.toml")
        config.attributes["database_url"] = url
        command.upgrade(config, "head")
        yield url


@contextmanager
def queue(name: str, within: Path, purpose: str) -> Iterator[str]:
    """Yield the URL of the queue that goes with a database: a file, or Redis."""
    if name == "sqlite":
        yield f"sqlite:///{within}/{purpose}-queue.sqlite"
        return
    with services.redis_database() as url:
        yield url


def count(url: str, table: str) -> int:
    """Return how many rows a table has."""
    with _alone(url) as connection:
        statement = f"SELECT count(*) FROM {table}"  # noqa: S608 -- our own names
        return int(connection.exec_driver_sql(statement).scalar_one())


def settle(url: str) -> None:
    """Let the database have done what it does by itself in quiet hours."""
    with _alone(url) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
        else:
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def for_node(url: str) -> str:
    """Return a PostgreSQL URL as drivers outside Python know it."""
    parts = urlsplit(url)
    return parts._replace(scheme="postgresql").geturl()


@contextmanager
def _alone(url: str) -> Iterator[sa.Connection]:
    """Connect outside of transactions, which some statements want."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def versions() -> dict[str, str]:
    """Return what the databases are, and what a commit costs on this disk."""
    with folder() as within, services.postgres_database() as url:
        with _alone(url) as connection:
            asked = {
                "PostgreSQL": "SHOW server_version",
                "PostgreSQL's fsync": "SHOW fsync",
            }
            found = {
                name: str(connection.exec_driver_sql(statement).scalar_one())
                for name, statement in asked.items()
            }
        with _alone(f"sqlite:///{within}/one.sqlite") as connection:
            version = connection.exec_driver_sql("SELECT sqlite_version()")
            found["SQLite"] = str(version.scalar_one())
        found["one commit on SQLite, µs"] = f"{_commit_us(within):.0f}"
    return found


def _commit_us(within: Path) -> float:
    engine, times = db.make_engine(f"sqlite:///{within}/commit.sqlite"), 200
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE one (id INTEGER PRIMARY KEY)")
    began = time.perf_counter()
    for _ in range(times):
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO one DEFAULT VALUES")
    took = time.perf_counter() - began
    engine.dispose()
    return took / times * 1e6
