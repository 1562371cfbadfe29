"""How long we wait for the database: none of it may hold up a process for ever.

What takes longer ends as an error of the database: 503 at a door, with nothing written,
and a worker that waits for it.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.settings import Settings

SILENT_SECONDS = 20
"""After how long a server that says nothing at all counts as gone. A network that was
cut sends no error, and no statement's time is over in it."""

_PROBES = 3


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a process waits for, in seconds; 0 is as long as it takes."""

    connect: int = 5
    statement: int = 0
    """For one statement, on PostgreSQL. SQLite knows no such limit."""
    lock: int = 10
    """For another transaction to end; on SQLite, for the one writer that there is."""
    idle: int = 0
    """Until PostgreSQL ends a transaction of ours that says nothing."""

    @classmethod
    def of_web(cls, settings: Settings) -> "Patience":
        """Return that of requests, whose callers wait for an answer."""
        return cls(
            connect=settings.connect_seconds,
            statement=settings.web_statement_seconds,
            lock=settings.web_lock_seconds,
            idle=settings.idle_transaction_seconds,
        )

    @classmethod
    def of_work(cls, settings: Settings) -> "Patience":
        """Return that of workers and commands."""
        return cls(
            connect=settings.connect_seconds,
            statement=settings.work_statement_seconds,
            lock=settings.work_lock_seconds,
            idle=settings.idle_transaction_seconds,
        )

    @classmethod
    def of_migrations(cls, settings: Settings) -> "Patience":
        """Return that of changes to the schema.

        Short for a lock: while one waits for a table, all others queue up behind it.
        Without a limit for the work itself, which blocks nobody.
        """
        return cls(
            connect=settings.connect_seconds, lock=settings.migration_lock_seconds
        )

    def connect_args(self, url: sa.URL) -> dict[str, Any]:
        """Return what the driver is told; what the URL itself says stays as it is."""
        if url.get_backend_name() != "postgresql":
            return {}
        told = {
            "connect_timeout": self.connect,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            "keepalives_idle": SILENT_SECONDS // (_PROBES + 1),
            "keepalives_interval": SILENT_SECONDS // (_PROBES + 1),
            "keepalives_count": _PROBES,
        }
        return {name: value for name, value in told.items() if name not in url.query}

    def limit(self, engine: sa.Engine) -> None:
        """Have every connection of an engine wait no longer than this."""
        is_sqlite = engine.dialect.name == "sqlite"
        statements = self._sqlite() if is_sqlite else self._postgresql()

        @sa.event.listens_for(engine, "connect")
        def connected(connection: DBAPIConnection, record: object) -> None:
            del record
            if not is_sqlite:
                connection.autocommit = True
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            cursor.close()
            if not is_sqlite:
                connection.autocommit = False

    def _sqlite(self) -> tuple[str, ...]:
        return (f"PRAGMA busy_timeout = {self.lock * 1000}",)

    def _postgresql(self) -> tuple[str, ...]:
        limits = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }
        return tuple(f"SET {name} = '{value}s'" for name, value in limits.items())


def words_of(error: Exception) -> str:
    """Name a database's error for a log: its text has statements, and their values."""
    original = getattr(error, "orig", error)
    code = getattr(original, "sqlstate", None) or getattr(
        original, "sqlite_errorname", None
    )
    return f"{type(error).__name__} {code}" if code else type(error).__name__
