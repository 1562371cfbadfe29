"""Connections to the two databases, each made as strict as it can be."""

import itertools
import sqlite3
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.patience import Patience

BUSY_SECONDS = 10
"""How long SQLite waits for another writer before it gives up."""

_SHORT, _LOOKS = 0.0002, 100
_LONG = 0.001
"""Seconds between looks whether the other writer has finished: at first, and then."""

WAL_PAGES = 64_000
"""Pages of SQLite's log, 260 MB, from which on whoever commits copies it. A web server
has it copied long before (`log_copying`); a command's is copied when it ends."""

_READS = "countersign_reads"
"""The execution option of a connection whose transactions only read."""

_PATIENCE = "countersign_patience"
"""The execution option by which one engine is made like another."""


def make_engine(
    database_url: str | sa.URL,
    patience: Patience | None = None,
    *,
    plans: str = "force_custom_plan",
    asks_first: bool = True,
) -> sa.Engine:
    """Return the engine, with SQLite made as strict as it can be.

    `plans` is what PostgreSQL calls `plan_cache_mode`. Unless it `asks_first`, a
    connection may turn out to be gone when it is used.
    """
    patience = patience or Patience(lock=BUSY_SECONDS)
    url = sa.make_url(database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    # `hide_parameters`: an error's text ends in logs, and rules are in the parameters.
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        # A server may have gone since; a file is where it was.
        pool_pre_ping=asks_first and not is_sqlite,
        # The one that was used last has the most of the database in memory.
        pool_use_lifo=True,
        max_overflow=-1,  # the threads that use it are limited already
        connect_args=patience.connect_args(url),
        execution_options={_PATIENCE: patience},
    )
    if is_sqlite:
        _prepare_sqlite(engine, patience.lock)
    else:
        _prepare_postgresql(engine, plans)
    patience.limit(engine)
    return engine


def reading_engine(engine: sa.Engine) -> sa.Engine:
    """Return the same engine, and its connections, for what only reads."""
    return engine.execution_options(**{_READS: True})


def recording_engine(engine: sa.Engine) -> sa.Engine:
    """Return one for the few statements that a call takes, which come all the time.

    Each of them finds rows by their keys, so PostgreSQL keeps its plan: to make one
    anew takes longer than the statement. Left to itself it would do that as soon as
    there are many sites, for it takes a plan for any values to be one for ten ids, and
    mostly there is one. Nor is a connection asked whether it is there, which takes as
    long as a statement: a call that is not recorded goes the long way.
    """
    if engine.dialect.name == "sqlite":
        return engine
    patience = engine.get_execution_options()[_PATIENCE]
    made = make_engine(
        engine.url, patience, plans="force_generic_plan", asks_first=False
    )

    @sa.event.listens_for(engine, "engine_disposed")
    def disposed(_: sa.Engine) -> None:
        made.dispose()

    return made


def _only_reads(connection: sa.Connection) -> bool:
    return bool(connection.get_execution_options().get(_READS))


def _prepare_postgresql(engine: sa.Engine, plans: str) -> None:
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
        cursor.execute(f"SET plan_cache_mode = {plans}")
        cursor.execute("SET jit = off")
        cursor.close()
        connection.autocommit = False

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        # Part of the BEGIN, which goes with the first statement. None, not False: the
        # server itself may only read, and says so.
        wanted = True if _only_reads(connection) else None
        if driver.read_only is not wanted:
            driver.read_only = wanted


def _prepare_sqlite(engine: sa.Engine, lock_seconds: int) -> None:
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
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if _only_reads(connection):
            # From its first SELECT on it sees what was there then; it waits for nobody.
            connection.exec_driver_sql("BEGIN")
            return
        if not takes_turn(driver, lock_seconds):
            # Waited for long enough: SQLAlchemy says so in its own words.
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            finally:
                driver.execute(f"PRAGMA busy_timeout = {lock_seconds * 1000}")


def takes_turn(driver: sqlite3.Connection, lock_seconds: int) -> bool:
    """Begin to write as soon as nobody else does; return whether it came to that.

    False, too, for what no waiting helps against, such as a file that only reads.
    """
    until = time.monotonic() + lock_seconds
    driver.execute("PRAGMA busy_timeout = 0")
    for look in itertools.count():
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > until:
                return False
        else:
            driver.execute(f"PRAGMA busy_timeout = {lock_seconds * 1000}")
            return True
        time.sleep(_SHORT if look < _LOOKS else _LONG)
    return False
