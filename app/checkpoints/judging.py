"""Judges one checkpoint after the other, from the newest to the first."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.checkpoints import findings, hashing, statement
from app.checkpoints.chain import find_newest
from app.checkpoints.comparing import Range, compare
from app.checkpoints.findings import Finding
from app.checkpoints.hashing import Amendment
from app.checkpoints.report import Report
from app.checkpoints.statement import Statement
from app.checkpoints.tables import AmendmentRow, Checkpoint
from app.db import moment_of
from app.tokens import checkpoint
from app.tokens.checkpoint import Jwk, UnknownKeyError

NO_SIGNATURE = "its signature does not fit"
ELSEWHERE = "it was signed for another place"
NOT_FOLLOWED = "it is not the one that the next one follows"
NOT_FIRST = "it follows one that is not there"
AMENDMENTS = "its list of erasures is not the one that was signed"
LIST = "its list of events is not the one that was signed"
LIST_BACK = "its list of events was pruned, and came back"

Stored = sa.Row[uuid.UUID, int, str]
"""A checkpoint's id, number and JWS."""


@dataclass(kw_only=True)
class Judge:
    """What is known of a chain, so far as it was looked at."""

    key: Jwk
    report: Report
    now: datetime
    pruned_through: int
    """What the newest checkpoint says of it."""
    above: Stored | None = None
    """The checkpoint that was looked at last."""
    follows: str | None = None
    """What that one says of the one before it; None if that is not known."""
    top: int = 0
    attesting: set[int] = field(default_factory=set)
    """Checkpoints whose amendments are those that were signed. Those of any other one
    count for nothing, also of one that is not there."""

    def judge_next(self, session: Session) -> bool:
        """Judge the next checkpoint with its events; False if there is none left."""
        rows = self._next_two(session)
        here = rows[0].seq if rows else 0
        if self.above and here < self.above.seq - 1:
            self.report.note(findings.gap(here + 1, self.above.seq - 1, self._at))
            self.follows = None
        if not rows:
            return False
        self.top = self.top or here
        self.report.checkpoints += 1
        self.report.note_all(self._judge(session, rows))
        self.above = rows[0]
        return True

    @property
    def _tenant_id(self) -> uuid.UUID:
        return self.report.tenant_id

    @property
    def _at(self) -> datetime:
        return self.report.since or self.now

    def _next_two(self, session: Session) -> list[Stored]:
        wanted = (
            sa.select(Checkpoint.id, Checkpoint.seq, Checkpoint.jws)
            .where(Checkpoint.tenant_id == self._tenant_id)
            .order_by(Checkpoint.seq.desc())
            .limit(2)
        )
        if self.above:
            wanted = wanted.where(Checkpoint.seq < self.above.seq)
        return list(session.execute(wanted))

    def _judge(self, session: Session, rows: list[Stored]) -> Iterator[Finding]:
        here, follows = rows[0], self.follows
        self.follows = None
        try:
            said = statement.parse(checkpoint.read(here.jws, self.key))
        except UnknownKeyError:
            yield findings.unknown_key(here.seq, moment_of(here.id))
            return
        except ValueError:
            yield findings.broken(here.seq, NO_SIGNATURE, moment_of(here.id))
            return
        if fault := self._fault(here, said, follows):
            yield findings.broken(here.seq, fault, moment_of(here.id))
            return
        self.follows = said.previous
        self.report.since = said.made_at
        if not self._is_amended_as_said(session, said):
            yield findings.broken(here.seq, AMENDMENTS, said.made_at)
        elif said.amended:
            self.attesting.add(here.seq)
        yield from self._judge_events(session, said, self._before(rows))

    def _fault(self, here: Stored, said: Statement, follows: str | None) -> str:
        """Return what is wrong with a checkpoint that we signed, or nothing."""
        if (said.tenant_id, said.id, said.seq) != (self._tenant_id, here.id, here.seq):
            return ELSEWHERE
        if follows is not None and follows != checkpoint.digest(here.jws):
            return NOT_FOLLOWED
        return NOT_FIRST if said.seq == 1 and said.previous else ""

    def _before(self, rows: list[Stored]) -> Statement | None:
        try:
            return statement.parse(checkpoint.read(rows[1].jws, self.key))
        except (IndexError, ValueError):
            return None

    def _judge_events(
        self, session: Session, said: Statement, before: Statement | None
    ) -> Iterator[Finding]:
        wanted = (Checkpoint.tenant_id == self._tenant_id, Checkpoint.seq == said.seq)
        packed = session.scalar(sa.select(Checkpoint.leaves).where(*wanted))
        if self._is_pruned(session, said.seq, look_again=packed is None):
            self.report.pruned += 1
            if packed is not None:
                yield findings.broken(said.seq, LIST_BACK, said.made_at)
        elif packed is None or hashing.root(packed) != said.root:
            yield findings.broken(said.seq, LIST, said.made_at)
        else:
            self.report.events += said.count
            leaves = hashing.unpack(packed)
            found = Range(said=said, before=before, leaves=leaves)
            yield from compare(session, found, lambda seq: self._trusts(session, seq))

    def _is_pruned(self, session: Session, seq: int, *, look_again: bool) -> bool:
        if seq > self.pruned_through and look_again:
            # It may have been pruned since we began.
            newest = find_newest(session, self._tenant_id, self.key)
            said = newest.pruned_through if newest else 0
            self.pruned_through = max(self.pruned_through, said)
        return seq <= self.pruned_through

    def _trusts(self, session: Session, seq: int) -> bool:
        """Say whether a later checkpoint's amendments are those that were signed."""
        if seq > self.top:
            # A person was erased since we began.
            jws = session.scalar(
                sa.select(Checkpoint.jws).where(
                    Checkpoint.tenant_id == self._tenant_id, Checkpoint.seq == seq
                )
            )
            try:
                said = statement.parse(checkpoint.read(jws or "", self.key))
            except ValueError:
                return False
            return said.seq == seq and self._is_amended_as_said(session, said)
        return seq in self.attesting

    def _is_amended_as_said(self, session: Session, said: Statement) -> bool:
        rows = session.execute(
            sa.select(AmendmentRow.event_id, AmendmentRow.old, AmendmentRow.new).where(
                AmendmentRow.tenant_id == self._tenant_id,
                AmendmentRow.seq == said.seq,
            )
        ).all()
        if self._is_pruned(session, said.seq, look_again=not rows):
            return not rows
        found = (Amendment(*row) for row in rows)
        return hashing.root_of_amendments(found) == said.amendments
