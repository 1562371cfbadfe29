"""Transactions: who begins one counts, who only reads says so; rows that come once."""

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from app.db.columns import Base
from app.db.engines import make_engine, reading_engine, recording_engine
from app.patience import Patience


class _Open(threading.local):
    """How many transactions this thread has open."""

    count = 0


_open = _Open()


def in_transaction() -> bool:
    """Say whether this thread has a transaction open: then no network call may be."""
    return _open.count > 0


def make_sessions(
    database_url: str, patience: Patience | None = None
) -> sessionmaker[Session]:
    """Return the factory; `with sessions.begin() as session:` is a transaction."""
    return _counted(sessionmaker(make_engine(database_url, patience)))


def reading(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Return a factory of transactions that only read; PostgreSQL refuses more.

    On SQLite they wait for no writer, and no writer waits for them.
    """
    return _counted(sessionmaker(reading_engine(sessions.kw["bind"])))


@dataclass(frozen=True)
class Recording:
    """Transactions that each record calls, and do nothing else.

    They have no session: it looks after objects, and there are none here.
    """

    engine: sa.Engine

    @property
    def dialect(self) -> sa.Dialect:
        """Return what rows are made ready for, before a transaction begins."""
        return self.engine.dialect

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin at once: on SQLite, as soon as nobody else writes."""
        _open.count += 1
        try:
            with self.engine.begin() as connection:
                yield connection
        finally:
            _open.count -= 1


def recording(sessions: sessionmaker[Session]) -> Recording:
    """Return what begins such transactions, on the same database."""
    return Recording(recording_engine(sessions.kw["bind"]))


def _counted(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    sa.event.listen(sessions, "after_transaction_create", _count_up)
    sa.event.listen(sessions, "after_transaction_end", _count_down)
    return sessions


def insert_once(
    session: Session, table: type[Base], values: Mapping[str, Any]
) -> uuid.UUID | None:
    """Insert a row; return its id, or None if one like it (by any unique key) exists.

    One statement, so two at the same time cannot both believe they were first.
    """
    inserted: uuid.UUID | None = session.scalar(
        _insert(session, table).values(dict(values)).returning(table.__table__.c.id)
    )
    return inserted


def _insert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(cast("sa.Table", table.__table__)).on_conflict_do_nothing()


def _count_up(session: Session, transaction: SessionTransaction) -> None:
    del session, transaction
    _open.count += 1


def _count_down(session: Session, transaction: SessionTransaction) -> None:
    del session, transaction
    _open.count -= 1
