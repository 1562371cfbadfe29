"""Connections to the two databases, each made as strict as it can be."""

import contextlib
import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_SECONDS = 10
"""How long SQLite waits for another writer before it gives up."""

_LOOKS = (0.0002,) * 100 + (0.001,) * ((BUSY_SECONDS - 1) * 1000)
"""Seconds between looks whether the other writer has finished. The last second of the
wait is SQLite's own."""

_READS = "countersign_reads"
"""The execution option of a connection whose transactions only read."""


def make_engine(database_url: str) -> sa.Engine:
    """Return the engine, with SQLite made as strict as it can be."""
    # `hide_parameters`: an error's text ends in logs, and rules are in the parameters.
    engine = sa.create_engine(
        database_url,
        hide_parameters=True,
        pool_pre_ping=True,
        max_overflow=-1,  # the threads that use it are limited already
    )
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)
    return engine


def reading_engine(engine: sa.Engine) -> sa.Engine:
    """Return the same engine for transactions that only read."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    return engine.execution_options(**{_READS: True})


def _prepare_postgresql(engine: sa.Engine) -> None:
    """Let PostgreSQL plan each statement for its values, and compile none.

    From a statement's sixth time on it may plan for any values instead. It then takes
    a range of ids without ends for a small one, and reads a whole table through it.
    Compiling takes a tenth of a second, for statements that take a hundredth.
    """

    @sa.event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, record: object) -> None:
        del record
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET plan_cache_mode = force_custom_plan")
        cursor.execute("SET jit = off")
        cursor.close()
        connection.autocommit = False


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Make SQLite durable (an answer means "recorded") and its writers take turns.

    Its own way to wait for another writer is to sleep, for ever longer, while others
    come and go: with two processes the slowest of a hundred waits for half a second. We
    look often instead.
    """

    @sa.event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, record: object) -> None:
        del record
        # The driver's own BEGIN is deferred: two readers that both go on to write
        # end in "database is locked" at once. We say BEGIN IMMEDIATE ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.get_execution_options().get(_READS):
            driver.execute("PRAGMA query_only = 1")
            connection.exec_driver_sql("BEGIN")
            return
        driver.execute("PRAGMA query_only = 0")
        if not _takes_turn(driver):
            # Waited for long enough: SQLAlchemy says so in its own words.
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _takes_turn(driver: sqlite3.Connection) -> bool:
    """Begin to write as soon as nobody else does; return whether it came to that."""
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        for wait in _LOOKS:
            with contextlib.suppress(sqlite3.OperationalError):
                driver.execute("BEGIN IMMEDIATE")
                return True
            time.sleep(wait)
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
