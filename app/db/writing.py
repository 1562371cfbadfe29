"""Many rows of one table in one statement, without an object for any of them.

By SQLAlchemy's own way each statement is looked up, and each row is looked at, anew:
for the eight rows of a usual transaction that takes as long as the database takes. Here
the statement is rendered once, and each column's own type says how its values go.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from app.db.columns import Base

Row = Mapping[str, Any]


class _Statement(NamedTuple):
    text: str
    columns: tuple[str, ...]
    """In the order of the text, where it takes them by place."""
    processors: Mapping[str, Callable[[Any], Any]]
    """Of columns whose values the driver would not take as they are."""
    defaults: Mapping[str, Any]
    """Of columns that no row gives, as the table declares them."""
    is_positional: bool

    def parameters(self, row: Row) -> Any:  # noqa: ANN401 -- as the driver wants them
        by_name = {**self.defaults, **row}
        for name, process in self.processors.items():
            by_name[name] = process(by_name[name])
        if self.is_positional:
            return tuple([by_name[name] for name in self.columns])
        return by_name


def insert_all(session: Session, table: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows that have the same columns.

    Every column that must have a value
    has one, or a default of its own.
    """
    _insert(session, table, rows, is_once=False)


def insert_all_once(session: Session, table: type[Base], rows: Sequence[Row]) -> int:
    """Insert rows that have the same columns, but none that `insert_once` would not.

    Return how many there were: with their ids the caller finds out which.
    """
    return _insert(session, table, rows, is_once=True)


def _insert(
    session: Session, table: type[Base], rows: Sequence[Row], *, is_once: bool
) -> int:
    if not rows:
        return 0
    connection = session.connection()
    statement = _rendered(
        cast("sa.Table", table.__table__),
        tuple(rows[0]),
        connection.dialect,
        is_once=is_once,
    )
    parameters = [statement.parameters(row) for row in rows]
    return connection.exec_driver_sql(statement.text, parameters).rowcount


@functools.lru_cache(maxsize=64)
def _rendered(
    table: sa.Table, given: tuple[str, ...], dialect: sa.Dialect, *, is_once: bool
) -> _Statement:
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    values = {name: sa.bindparam(name, type_=table.c[name].type) for name in given}
    statement = insert(table).values(values)
    if is_once:
        statement = statement.on_conflict_do_nothing()
    compiled = statement.compile(dialect=dialect)
    processors = {
        name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        for name in given
    }
    return _Statement(
        text=str(compiled),
        columns=tuple(compiled.positiontup or ()),
        processors={name: each for name, each in processors.items() if each},
        defaults={
            column.name: column.default.arg
            for column in table.columns
            if column.name not in given
            and isinstance(column.default, ScalarElementColumnDefault)
        },
        is_positional=compiled.positional,
    )
