"""What is asked all the time, of any number of ids, in one text that is rendered once.

SQLAlchemy's own `IN` is rendered anew for each number of them, and each id that comes
back is made an object: that took as long as SQLite itself, with all others waiting.
"""

import functools
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

Among = Callable[["sa.ColumnElement[uuid.UUID]", str], "sa.ColumnElement[bool]"]
"""Says that a column's id is one of those that go in by this name."""


class _Rendered(NamedTuple):
    text: str
    fixed: Mapping[str, Any]
    """Values that the statement itself has."""
    processors: Mapping[str, Callable[[Any], Any]]
    places: Sequence[str] | None
    """Names in the order of the text, where it takes them by place."""


@dataclass(frozen=True)
class Question:
    """A SELECT of ids, of which each is among some that are given."""

    select: Callable[[Among], sa.Select[Any]]

    def ask(
        self,
        connection: sa.Connection,
        ids: Mapping[str, Collection[uuid.UUID]],
        **values: object,
    ) -> list[tuple[Any, ...]]:
        """Return the rows, whose ids are as `stored` has them."""
        dialect = connection.dialect
        rendered = _rendered(self.select, dialect)
        by_name = {**rendered.fixed, **values}
        for name, process in rendered.processors.items():
            by_name[name] = process(by_name[name])
        for name, each in ids.items():
            by_name[name] = _listed(dialect, each)
        places = rendered.places
        given = by_name if places is None else tuple([by_name[n] for n in places])
        return [tuple(r) for r in connection.exec_driver_sql(rendered.text, given)]


def stored(dialect: sa.Dialect, key: uuid.UUID) -> object:
    """Return an id as rows of `Question` have it."""
    return key.hex if dialect.name == "sqlite" else key


def _listed(dialect: sa.Dialect, ids: Collection[uuid.UUID]) -> object:
    found = [stored(dialect, each) for each in ids]
    return json.dumps(found) if dialect.name == "sqlite" else found


@functools.lru_cache(maxsize=16)
def _rendered(
    select: Callable[[Among], sa.Select[Any]], dialect: sa.Dialect
) -> _Rendered:
    listed = set[str]()

    def among(column: sa.ColumnElement[uuid.UUID], name: str) -> sa.ColumnElement[bool]:
        listed.add(name)
        if dialect.name == "sqlite":
            items = sa.func.json_each(sa.bindparam(name, type_=sa.Text))
            return column.in_(sa.select(items.table_valued("value").c.value))
        of_ids = postgresql.ARRAY(column.type)
        return column == sa.any_(sa.bindparam(name, type_=of_ids))

    compiled = select(among).compile(dialect=dialect)
    processors = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect)
        for bind, name in compiled.bind_names.items()
        if name not in listed
    }
    return _Rendered(
        text=str(compiled),
        fixed=compiled.params,
        processors={name: each for name, each in processors.items() if each},
        places=compiled.positiontup,
    )
