"""Many rows of one table in one statement, without an object for any of them.

By SQLAlchemy's own way each statement is looked up, and each row is looked at, anew:
for the eight rows of a usual transaction that takes as long as the database takes. Here
the statement is rendered once, and each column's own type says how its values go.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from app.db.columns import Base, UTCDateTime

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


@dataclass(frozen=True)
class Prepared:
    """Rows of one table, as the database's driver takes them."""

    _statement: _Statement
    _parameters: Sequence[Any]

    def insert(self, connection: sa.Connection, places: Sequence[int]) -> int:
        """Insert those at these places; return how many there are now.

        Of rows prepared to come once, none is there that `insert_once` would not have
        inserted: with their ids the caller finds out which.
        """
        if not places:
            return 0
        text, parameters = self._statement.text, [self._parameters[n] for n in places]
        return connection.exec_driver_sql(text, parameters).rowcount


def prepare(
    dialect: sa.Dialect, table: type[Base], rows: Sequence[Row], *, is_once: bool
) -> Prepared:
    """Make rows ready that have the same columns; the database is not asked for it.

    So it is done before a transaction begins there, and others wait for less of it.
    Every column that must have a value has one, or a default of its own.
    """
    statement = _rendered(
        cast("sa.Table", table.__table__),
        tuple(rows[0]),
        dialect,
        is_once=is_once,
    )
    return Prepared(statement, [statement.parameters(row) for row in rows])


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
    processors = {name: _processor(table.c[name].type, dialect) for name in given}
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


def _processor(
    type_: sa.types.TypeEngine[Any], dialect: sa.Dialect
) -> Callable[[Any], Any] | None:
    """Return how a value goes; the moment and the state of many rows are the same."""
    process = type_.dialect_impl(dialect).bind_processor(dialect)
    if process is not None and isinstance(type_, sa.Enum | UTCDateTime):
        return functools.lru_cache(maxsize=8)(process)
    return process
