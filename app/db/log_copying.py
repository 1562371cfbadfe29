"""Copies what SQLite has appended to its place, while others go on appending.

SQLite appends each transaction to a log, and whoever commits copies it (a checkpoint),
once it has so many pages. A log is begun anew only if it was all copied while nobody
wrote. With two processes somebody always does: then it is copied in vain at nearly each
commit, and all wait for the disk twice as often.
"""

import os
import sqlite3

import sqlalchemy as sa

from app.db.engines import takes_turn

QUIET_PAGES = 2000
"""A log of fewer is copied, and begun anew as soon as nobody writes for a moment."""

TURN_SECONDS = 1
"""How long the copier waits for the writer's turn; then it is for the next time."""

_flush = getattr(os, "fdatasync", os.fsync)


class LogCopier:
    """Copies one database's log. For one thread.

    Whatever it raises, nothing is lost: SQLite itself keeps how much is copied.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._copying, self._turn = (_connection(engine) for _ in range(2))
        # Never closed: SQLite's locks on a file are gone from a process that closes any
        # descriptor of it.
        self._file = os.open(_path(self._copying), os.O_RDONLY)

    def copy(self) -> int:
        """Have it begun anew; return how many pages it had.

        Others write meanwhile, and wait only while that little is copied which they
        wrote during the rest. What was copied before is on the disk by then: SQLite
        would wait for all of that together with the last of it.
        """
        pages = self._copied()
        if pages < QUIET_PAGES:
            return pages
        _flush(self._file)
        self._copied()
        _flush(self._file)
        if takes_turn(self._turn, TURN_SECONDS):
            try:
                self._copied()
            finally:
                self._turn.execute("ROLLBACK")
        return pages

    def _copied(self) -> int:
        """Copy what may be copied by now, waiting for nobody; return the log's pages.

        0 if somebody else is copying.
        """
        found = self._copying.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return max(0, int(found[1]))


def _connection(engine: sa.Engine) -> sqlite3.Connection:
    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    pooled.detach()
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("only SQLite has such a log")
    return driver


def _path(connection: sqlite3.Connection) -> str:
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    return str(path)
