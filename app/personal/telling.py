"""Tells everything that we keep of one person: a line of JSON for each row."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.personal import places
from app.personal.places import PLACES, Place

BATCH = 500
"""Rows that one transaction reads: on SQLite nobody writes meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far somebody's file got."""

    part: int = 0
    reached: uuid.UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Told:
    """Some lines, and where to go on; nothing to go on with at the end."""

    lines: Sequence[str]
    cursor: Cursor | None


def tell(
    session: Session, tenant_id: uuid.UUID, account_id: str, cursor: Cursor
) -> Told:
    """Return what the next rows say of the person: few rows, or many, or none."""
    place = PLACES[cursor.part]
    rows = places.after(session, place, tenant_id, cursor.reached, limit=BATCH)
    lines = [_line(place, row) for row in rows if places.named(place, row, account_id)]
    if len(rows) == BATCH:
        return Told(
            lines=lines, cursor=Cursor(part=cursor.part, reached=rows[-1]["key"])
        )
    is_last = cursor.part + 1 == len(PLACES)
    return Told(lines=lines, cursor=None if is_last else Cursor(part=cursor.part + 1))


def _line(place: Place, row: Mapping[str, Any]) -> str:
    names = (*place.also, *place.naming)
    told = {"what": place.name, "id": str(row["key"])}
    told |= {name: _shown(row[name]) for name in names}
    return json.dumps(told, ensure_ascii=False)


def _shown(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value
