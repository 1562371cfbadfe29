"""Tables' common ground: base class, column types, ids, the session factory."""

import enum
import secrets
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, sessionmaker
from sqlalchemy.types import TypeDecorator

from app.crypto import Sealed
from app.patience import Patience

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_370_764_800_000
"""The beginning of the year 9999."""

BUSY_SECONDS = 10
"""How long SQLite waits for another writer before it gives up."""


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetimes only, on databases with and without time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime")
        return value and value.astimezone(UTC)

    def process_result_value(
        self, value: datetime | None, dialect: sa.Dialect
    ) -> datetime | None:
        del dialect
        return value and value.replace(tzinfo=value.tzinfo or UTC)


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: sa.Text(),
        datetime: UTCDateTime(),
        uuid.UUID: sa.Uuid(),
        Sealed: sa.LargeBinary(),
        dict[str, Any]: sa.JSON(),
        list[Any]: sa.JSON(),
        # Store what the code says ("received"), not the member's name ("RECEIVED"),
        # in a plain column: adding a state is then no ALTER TYPE.
        enum.Enum: sa.Enum(
            enum.Enum,
            values_callable=lambda members: [member.value for member in members],
            native_enum=False,
            length=32,
        ),
    }


def printable(text: str, *, limit: int) -> str:
    """Return text of others as it may be stored and shown: one line, cut, escaped.

    Attack: line breaks or terminal escapes in a claim forge lines for who reads the
    log; NUL and half characters are errors of the database's driver.
    """
    text = text[:limit].encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


class _Ids:
    """Makes ids of version 7; those of one process and millisecond count upwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

    def next(self, milliseconds: int) -> uuid.UUID:
        with self._lock:
            before, tail = self._last
            # 62 bits: the random part that follows the variant bits.
            tail = tail + 1 if before == milliseconds else secrets.randbits(61)
            self._last = (milliseconds, tail)
        value = milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | tail & (2**62 - 1)
        return uuid.UUID(int=value)


_ids = _Ids()


def new_id(now: datetime) -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562): sorted by time, and by order within it.

    Not a secret: two of one millisecond differ by one.
    """
    return _ids.next(_milliseconds(now))


def _milliseconds(moment: datetime) -> int:
    # Whole numbers: a float's last digits would sort a moment before itself.
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def least_id(moment: datetime) -> uuid.UUID:
    """Return the least id that can have been made at `moment` or later.

    Ids of other moments sort before or behind it, on every database: so a period is a
    range of ids, and needs no index of its own.
    """
    return uuid.UUID(int=max(_milliseconds(moment), 0) << 80)


def is_of(key: uuid.UUID, moment: datetime) -> bool:
    """Say whether an id of `new_id` was made at that moment, to the millisecond."""
    return key.int >> 80 == _milliseconds(moment)


def moment_of(key: uuid.UUID) -> datetime:
    """Return when an id of `new_id` was made; for any other, no more than some time."""
    # An id of chance may name a year that there is not.
    return _EPOCH + timedelta(milliseconds=min(key.int >> 80, _LAST_MILLISECOND))


class _Open(threading.local):
    """How many transactions this thread has open."""

    count = 0


_open = _Open()


def in_transaction() -> bool:
    """Say whether this thread has a transaction open: then no network call may be."""
    return _open.count > 0


def make_engine(database_url: str, patience: Patience | None = None) -> sa.Engine:
    """Return the engine, with SQLite made as strict as it can be."""
    patience = patience or Patience(lock=BUSY_SECONDS)
    # `hide_parameters`: an error's text ends in logs, and rules are in the parameters.
    engine = sa.create_engine(
        database_url,
        hide_parameters=True,
        pool_pre_ping=True,
        max_overflow=-1,  # the threads that use it are limited already
        connect_args=patience.connect_args(sa.make_url(database_url)),
    )
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)
    patience.limit(engine)
    return engine


def make_sessions(
    database_url: str, patience: Patience | None = None
) -> sessionmaker[Session]:
    """Return the factory; `with sessions.begin() as session:` is a transaction."""
    sessions = sessionmaker(make_engine(database_url, patience))
    sa.event.listen(sessions, "after_transaction_create", _count_up)
    sa.event.listen(sessions, "after_transaction_end", _count_down)
    return sessions


def insert_once(
    session: Session, table: type[Base], values: Mapping[str, Any]
) -> uuid.UUID | None:
    """Insert a row; return its id, or None if one like it (by any unique key) exists.

    One statement, so two at the same time cannot both believe they were first.
    """
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    inserted: uuid.UUID | None = session.scalar(
        insert(table)
        .values(dict(values))
        .on_conflict_do_nothing()
        .returning(table.__table__.c.id)
    )
    return inserted


def _count_up(session: Session, transaction: SessionTransaction) -> None:
    del session, transaction
    _open.count += 1


def _count_down(session: Session, transaction: SessionTransaction) -> None:
    del session, transaction
    _open.count -= 1


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
    """Make SQLite durable (an answer means "recorded") and its writers take turns."""

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
        connection.exec_driver_sql("BEGIN IMMEDIATE")
