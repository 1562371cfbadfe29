"""Which encryption key sealed what, and sealing it anew with the newest one.

Workers and web servers run on meanwhile. Rows are taken in the order of their ids, some
at a time; a row is changed only if it still is what was read, so nobody's newer value
is lost; and what is sealed with the newest key is left alone, so that a second attempt
goes on where the first was killed.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.crypto import CannotOpenError, Keyring, Sealed, key_id_of
from app.db import Base
from app.vault import SecretVersion

BATCH = 200
"""Rows that one transaction reads, and another changes."""

FIRST = uuid.UUID(int=0)
"""Before every row."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A column of ciphertext, and what it takes to open it."""

    table: type[Base]
    column: str
    kind: Callable[[Any], str]
    """What sort of secret a row has."""
    context: Callable[[Any], str]
    """What its ciphertext is bound to."""


PLACES = (
    Place(
        table=SecretVersion,
        column="sealed",
        kind=lambda row: row.kind.partition(":")[0],
        context=vault.context_of,
    ),
)
"""Every column of type `Sealed`: `tests/structure` sees to it that none is missing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ciphertext, as it was read."""

    place: Place
    id: uuid.UUID
    kind: str
    context: str
    sealed: Sealed

    @property
    def key_id(self) -> str:
        return key_id_of(self.sealed)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A ciphertext that is to take another's place."""

    row: Row
    sealed: Sealed


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is on which key."""

    rows: Mapping[tuple[str, str], int]
    """How many, by the id of the key and the kind."""
    ring: Sequence[str]
    """The ids of the keys at hand; the first one seals."""

    @property
    def missing(self) -> Sequence[str]:
        """Keys that rows are sealed with, and that are not at hand."""
        return sorted({key for key, _ in self.rows} - set(self.ring))

    def on(self, key_id: str) -> int:
        return sum(n for (key, _), n in self.rows.items() if key == key_id)

    @property
    def is_settled(self) -> bool:
        """Whether the first key alone opens everything."""
        return {key for key, _ in self.rows} <= {self.ring[0]}


def count(session: Session) -> int:
    """Return how many ciphertexts there are."""
    return sum(
        session.scalar(sa.select(sa.func.count()).select_from(place.table)) or 0
        for place in PLACES
    )


def read(session: Session, place: Place, *, after: uuid.UUID) -> Sequence[Row]:
    """Return the next rows behind an id; none when there are no more."""
    id_ = place.table.__table__.c.id
    rows = session.scalars(
        sa.select(place.table).where(id_ > after).order_by(id_).limit(BATCH)
    ).all()
    return [
        Row(
            place=place,
            id=row.id,  # type: ignore[attr-defined]  # of every table of ours
            kind=place.kind(row),
            context=place.context(row),
            sealed=getattr(row, place.column),
        )
        for row in rows
    ]


def sealed_anew(keyring: Keyring, row: Row) -> Change | None:
    """Seal with the newest key; None if it is; raise `CannotOpenError` as it may be."""
    if keyring.is_current(row.sealed) and row.key_id:
        return None
    secret = keyring.open(row.sealed, context=row.context)
    return Change(row=row, sealed=keyring.seal(secret, context=row.context))


def write(session: Session, changes: Sequence[Change]) -> int:
    """Change what still is as it was read; return how many rows that were."""
    done = 0
    for change in changes:
        place, table = change.row.place, change.row.place.table.__table__
        assert isinstance(table, sa.Table)  # noqa: S101 -- no view is mapped
        column = table.c[place.column]
        # Attack, or haste: a value that was put there since is newer than ours.
        kept = session.execute(
            sa.update(table)
            .where(table.c.id == change.row.id, column == change.row.sealed)
            .values({place.column: change.sealed})
            .returning(table.c.id)
        )
        done += len(kept.all())
    return done


def tally(rows: Sequence[Row]) -> Counter[tuple[str, str]]:
    """Count rows by the id of their key and their kind."""
    return Counter((row.key_id, row.kind) for row in rows)


def plan(
    keyring: Keyring, rows: Sequence[Row]
) -> tuple[Sequence[Change], Sequence[Row]]:
    """Return what is to be changed, and the rows that no key at hand opens."""
    changes, shut = [], []
    for row in rows:
        try:
            change = sealed_anew(keyring, row)
        except CannotOpenError:
            shut.append(row)
            continue
        if change is not None:
            changes.append(change)
    return changes, shut


Read = Callable[[Place, uuid.UUID], Sequence[Row]]
"""Reads the next rows in a transaction of its caller's."""


def batches(read_in: Read) -> Iterator[Sequence[Row]]:
    """Yield all rows, some at a time, in the order of their ids."""
    for place in PLACES:
        after = FIRST
        while rows := read_in(place, after):
            yield rows
            after = rows[-1].id
