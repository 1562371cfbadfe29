"""Walks a tenant's history and recomputes all that was signed of it.

The newest checkpoint comes first: so the changes that later ones attest are known
before the events that they changed, and so is what was pruned. Each step is to have a
transaction of its own, and reads one checkpoint with its events: what is sealed, pruned
or erased between two steps is no harm, and memory is that of one checkpoint.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import anchoring, findings, hashing
from app.checkpoints.chain import find_newest
from app.checkpoints.comparing import judge_open
from app.checkpoints.hashing import COLUMNS
from app.checkpoints.judging import Judge
from app.checkpoints.report import Report
from app.checkpoints.tables import Checkpoint
from app.crypto import Keyring
from app.tokens.checkpoint import thumbprint

PAGE = 1000
"""Events without a checkpoint that one step reads."""

PLACES = 100
"""Checkpoints that one step looks up because events name them."""

STRAYS = 100
"""Events that are named, of those that name one checkpoint that there is not."""

FIRST = uuid.UUID(int=0)


@dataclass(kw_only=True)
class Walk:
    """One look at a tenant's whole history; call `step` until `is_done`."""

    keyring: Keyring
    now: datetime
    report: Report
    kept: str = ""
    """A checkpoint that was kept elsewhere, and has to be in this history."""
    _judge: Judge | None = None
    _reached: uuid.UUID = FIRST
    _next: Callable[[Session], None] | None = field(init=False)

    def __post_init__(self) -> None:
        self._next = self._begin

    @property
    def is_done(self) -> bool:
        return self._next is None

    def step(self, session: Session) -> None:
        """Look at the next part."""
        if self._next is not None:
            self._next(session)

    def _begin(self, session: Session) -> None:
        report, now = self.report, self.now
        key = anchoring.find_key(session, self.keyring, report, now=now)
        if key is not None:
            report.fingerprint = thumbprint(key)
            report.newest = find_newest(session, report.tenant_id, key)
            pruned = report.newest.pruned_through if report.newest else 0
            self._judge = Judge(key=key, report=report, now=now, pruned_through=pruned)
        if self.kept:
            anchoring.compare_kept(session, key, self.kept, report, now=now)
        self._next = self._look_at_open

    def _look_at_open(self, session: Session) -> None:
        rows = hashing.read(
            session,
            sa.select(*COLUMNS)
            .where(
                AuditEvent.tenant_id == self.report.tenant_id,
                AuditEvent.checkpoint_id.is_(None),
                AuditEvent.id > self._reached,
            )
            .order_by(AuditEvent.id)
            .limit(PAGE),
        )
        self.report.open += len(rows)
        found = (judge_open(row, self.report.newest, now=self.now) for row in rows)
        self.report.note_all(each for each in found if each is not None)
        self._reached = rows[-1].id if rows else FIRST
        if len(rows) < PAGE:
            self._reached = FIRST
            self._next = self._look_at_range if self._judge else self._look_at_places

    def _look_at_range(self, session: Session) -> None:
        if self._judge is None or not self._judge.judge_next(session):
            self._next = self._look_at_places

    def _look_at_places(self, session: Session) -> None:
        """Look whether events name checkpoints that there are not, or are not any more.

        Attack: an event is put in under a checkpoint of its own.
        """
        pruned = self._judge.pruned_through if self._judge else 0
        for _ in range(PLACES):
            row = session.execute(self._next_place()).one_or_none()
            if row is None:
                self._next, self.report.is_whole = None, True
                return
            self._reached, seq = row.checkpoint_id, row.seq
            if seq is None or seq <= pruned:
                self._note_strays(session, self._reached)

    def _next_place(self) -> sa.Select[uuid.UUID | None, int]:
        """Return the next checkpoint that an event names, from the index alone."""
        its = sa.and_(
            Checkpoint.tenant_id == AuditEvent.tenant_id,
            Checkpoint.id == AuditEvent.checkpoint_id,
        )
        return (
            sa.select(AuditEvent.checkpoint_id, Checkpoint.seq)
            .join(Checkpoint, its, isouter=True)
            .where(
                AuditEvent.tenant_id == self.report.tenant_id,
                AuditEvent.checkpoint_id > self._reached,
            )
            .order_by(AuditEvent.checkpoint_id)
            .limit(1)
        )

    def _note_strays(self, session: Session, checkpoint_id: uuid.UUID) -> None:
        strays = session.scalars(
            sa.select(AuditEvent.id)
            .where(
                AuditEvent.tenant_id == self.report.tenant_id,
                AuditEvent.checkpoint_id == checkpoint_id,
            )
            .order_by(AuditEvent.id)
            .limit(STRAYS)
        )
        self.report.note_all(map(findings.foreign, strays))
