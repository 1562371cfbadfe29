"""Tells a whole history with its proof: lines of JSON, the newest event first.

Whoever has the lines and the key's fingerprint can verify them without us:
`examples/audit/verify_export.py` does. Nothing is verified here, and nothing that is
broken is left out: a broken history is told as it is.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import hashing, statement
from app.checkpoints.anchoring import stored_key
from app.checkpoints.hashing import COLUMNS, Event
from app.checkpoints.tables import AmendmentRow, Checkpoint
from app.db import least_id
from app.tokens import checkpoint as checkpoints
from app.tokens.checkpoint import Jwk

PAGE = 1000
"""Events that one step tells."""

LAST = uuid.UUID(int=2**128 - 1)


Line = dict[str, Any]


@dataclass(kw_only=True)
class Telling:
    """One history, as it is at one moment; call `step` until `is_done`."""

    tenant_id: uuid.UUID
    until: datetime
    """What happens later is not told."""
    _newest: int = 0
    """The newest checkpoint when we began."""
    _pruned_through: int = 0
    _key: Jwk | None = None
    _next: Callable[[Session], Iterator[Line]] | None = field(init=False)

    def __post_init__(self) -> None:
        self._next = self._begin

    @property
    def is_done(self) -> bool:
        return self._next is None

    def step(self, session: Session) -> str:
        """Return the next lines; each step is to have a transaction of its own."""
        lines = self._next(session) if self._next is not None else iter(())
        # ASCII only: a reader that ends lines at U+2028 would read two in one.
        return "".join(json.dumps(line) + "\n" for line in lines)

    def _begin(self, session: Session) -> Iterator[Line]:
        newest = session.execute(self._checkpoints(Checkpoint.seq > 0).limit(1)).first()
        if newest is not None:
            self._newest = newest.seq
            self._pruned_through = _pruned_through(newest.jws)
        self._key = stored_key(session, self.tenant_id)
        yield from self._tell_open(session, before=least_id(self.until))

    def _tell_open(self, session: Session, *, before: uuid.UUID) -> Iterator[Line]:
        """Tell what had no checkpoint when we began; it may have got one since."""
        newer = sa.select(Checkpoint.id).where(
            Checkpoint.tenant_id == self.tenant_id, Checkpoint.seq > self._newest
        )
        each = [
            self._events(place, before).with_only_columns(AuditEvent.id).subquery()
            for place in (
                AuditEvent.checkpoint_id.is_(None),
                AuditEvent.checkpoint_id.in_(newer),
            )
        ]
        both = sa.union_all(*(sa.select(one.c.id) for one in each))
        rows = hashing.read(session, self._events(AuditEvent.id.in_(both), before))
        for row in rows:
            yield _told(row, checkpoint=None)
        self._next = (
            partial(self._tell_open, before=rows[-1].id)
            if len(rows) == PAGE
            else partial(self._tell_checkpoint, seq=self._newest)
        )

    def _tell_checkpoint(self, session: Session, *, seq: int) -> Iterator[Line]:
        """Tell the newest checkpoint up to this one, and its first events."""
        wanted = self._checkpoints(Checkpoint.seq <= seq).limit(1)
        row = session.execute(wanted.add_columns(Checkpoint.leaves)).first()
        if row is None:
            self._next = None
            return
        is_here = row.leaves is not None
        if not is_here and row.seq > self._pruned_through:
            yield from self._tell_later(session)
        told = self._told(row.seq, row.jws) | {
            "amended": self._amended(session, row.seq)
        }
        if is_here:
            leaves = hashing.unpack(row.leaves)
            told["leaves"] = {str(one.event_id): one.digest.hex() for one in leaves}
        yield told
        self._next = partial(self._tell_checkpoint, seq=row.seq - 1)
        if is_here:
            yield from self._tell_events(session, row.id, row.seq, before=LAST)

    def _tell_events(
        self, session: Session, key: uuid.UUID, seq: int, *, before: uuid.UUID
    ) -> Iterator[Line]:
        place = AuditEvent.checkpoint_id == key
        rows = hashing.read(session, self._events(place, before))
        for row in rows:
            yield _told(row, checkpoint=seq) | {"nonce": (row.nonce or b"").hex()}
        self._next = (
            partial(self._tell_events, key=key, seq=seq, before=rows[-1].id)
            if len(rows) == PAGE
            else partial(self._tell_checkpoint, seq=seq - 1)
        )

    def _tell_later(self, session: Session) -> Iterator[Line]:
        """Tell the checkpoints that were made since, for they say what was pruned."""
        later = self._checkpoints(Checkpoint.seq > self._newest).order_by(None)
        for row in session.execute(later.order_by(Checkpoint.seq)).all():
            self._newest, self._pruned_through = row.seq, _pruned_through(row.jws)
            yield self._told(row.seq, row.jws) | {"later": True}

    def _told(self, seq: int, jws: str) -> Line:
        return {"checkpoint": seq, "jws": jws, "key": self._key}

    def _amended(self, session: Session, seq: int) -> Sequence[Sequence[str]]:
        rows = session.execute(
            sa.select(AmendmentRow.event_id, AmendmentRow.old, AmendmentRow.new)
            .where(AmendmentRow.tenant_id == self.tenant_id, AmendmentRow.seq == seq)
            .order_by(AmendmentRow.event_id)
        )
        return [(str(row.event_id), row.old.hex(), row.new.hex()) for row in rows]

    def _checkpoints(self, which: sa.ColumnElement[bool]) -> sa.Select[int, str]:
        return (
            sa.select(Checkpoint.seq, Checkpoint.jws)
            .add_columns(Checkpoint.id)
            .where(Checkpoint.tenant_id == self.tenant_id, which)
            .order_by(Checkpoint.seq.desc())
        )

    def _events(
        self, which: sa.ColumnElement[bool], before: uuid.UUID
    ) -> sa.Select[*tuple[Any, ...]]:
        own = AuditEvent.tenant_id == self.tenant_id
        return (
            sa.select(*COLUMNS)
            .where(own, which, AuditEvent.id < before)
            .order_by(AuditEvent.id.desc())
            .limit(PAGE)
        )


def _told(event: Event, *, checkpoint: int | None) -> Line:
    return {
        "time": hashing.moment(event.happened_at),
        "id": str(event.id),
        "kind": event.kind,
        "who": event.actor,
        "facts": _facts(event.detail),
        "checkpoint": checkpoint,
    }


def _facts(detail: str) -> object:
    """Return the facts: their canonical text is what was hashed.

    Told once: were the text beside them, what is read and what is verified could
    differ.
    """
    try:
        return json.loads(detail)
    except (ValueError, RecursionError):
        return detail  # somebody changed it; so it is told


def _pruned_through(jws: str) -> int:
    """Return what a checkpoint says of it; whoever verifies judges whether it is so."""
    try:
        return statement.parse(checkpoints.unverified(jws)).pruned_through
    except ValueError:
        return 0
