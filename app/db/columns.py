"""What every table has in common: base class, column types, names of constraints."""

import enum
import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from app.crypto import Sealed

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


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
    text = text[:limit]
    if text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
