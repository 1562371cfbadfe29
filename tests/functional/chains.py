"""A history with its proof: written, sealed, broken by SQL, and verified."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import audit, checkpoints, personal
from app.audit import AuditEvent
from app.checkpoints import AmendmentRow, Checkpoint, Report, Walk, sealing
from app.crypto import Keyring
from app.db import Base, moment_of, new_id
from tests.functional import old_runs
from tests.functional.fakes import Clock

Sessions = sessionmaker[Session]
EVENT, CHECKPOINT, AMENDMENT = (
    cast("sa.Table", each.__table__) for each in (AuditEvent, Checkpoint, AmendmentRow)
)


@dataclass(frozen=True, kw_only=True)
class Chained:
    """One site's history, and who may write its database."""

    sessions: Sessions
    keyring: Keyring
    clock: Clock
    tenant_id: uuid.UUID

    def write(self, times: int = 1, *, actor: str = "jira", **detail: Any) -> None:
        """Record events, a second apart."""
        for _ in range(times):
            self.clock.advance(timedelta(seconds=1))
            with self.sessions.begin() as session:
                audit.record(
                    session,
                    self.tenant_id,
                    "enabled",
                    actor=actor,
                    now=self.clock(),
                    **detail,
                )

    def write_many(self, times: int) -> None:
        """Record events of one moment, in one go."""
        now = self.clock()
        row = {
            "tenant_id": self.tenant_id,
            "kind": "verification-accepted",
            "actor": "jira",
            "happened_at": now,
            "detail": audit.canonical({"route": "triggered.triggered"}),
        }
        rows = [row | {"id": new_id(now)} for _ in range(times)]
        with self.sessions.begin() as session:
            session.execute(sa.insert(AuditEvent), rows)

    def seal(self) -> int:
        """Bring all that there is under checkpoints, a minute later."""
        self.clock.advance(timedelta(minutes=1))
        total = 0
        while count := self.act(checkpoints.seal):
            total += count
        return total

    def prune(self, before: datetime, limit: int = 500) -> int:
        return self.act(checkpoints.prune, before=before, limit=limit)

    def act(self, what: Callable[..., int], **more: Any) -> int:
        with self.sessions.begin() as session:
            return what(session, self.keyring, self.tenant_id, now=self.clock(), **more)

    def verify(self, kept: str = "") -> Report:
        return finish(self, walk(self, kept))

    def found(self, kept: str = "") -> list[str]:
        """Return what is named, the first thing first."""
        return [finding.text for finding in self.verify(kept).findings]

    def ids(self) -> list[uuid.UUID]:
        """Return its events, the oldest first."""
        with self.sessions.begin() as session:
            own = AuditEvent.tenant_id == self.tenant_id
            wanted = sa.select(AuditEvent.id).where(own).order_by(AuditEvent.id)
            return list(session.scalars(wanted))

    def checkpoint(self, seq: int) -> Checkpoint:
        with self.sessions.begin() as session:
            row = session.scalars(
                sa.select(Checkpoint)
                .where(Checkpoint.tenant_id == self.tenant_id, Checkpoint.seq == seq)
                .options(sa.orm.undefer(Checkpoint.leaves))
            ).one()
            session.expunge(row)
            return row

    def jws(self, seq: int) -> str:
        return self.checkpoint(seq).jws

    def run(self, *statements: sa.Executable) -> None:
        """Change the database behind the product's back."""
        with self.sessions.begin() as session:
            for statement in statements:
                session.connection().execute(statement)

    def change(self, event_id: uuid.UUID, **values: Any) -> None:
        table = EVENT
        self.run(sa.update(table).where(table.c.id == event_id).values(**values))

    def change_checkpoint(self, seq: int, **values: Any) -> None:
        table = CHECKPOINT
        own = (table.c.tenant_id == self.tenant_id, table.c.seq == seq)
        self.run(sa.update(table).where(*own).values(**values))

    def insert(self, at: datetime, **values: Any) -> uuid.UUID:
        """Put an event in that the product did not write."""
        made: dict[str, Any] = {
            "id": new_id(at),
            "tenant_id": self.tenant_id,
            "kind": "enabled",
            "actor": "jira",
            "happened_at": at,
            "detail": "{}",
        }
        made |= values
        self.run(sa.insert(EVENT).values(**made))
        key: uuid.UUID = made["id"]
        return key

    def swap(self, one: uuid.UUID, other: uuid.UUID) -> None:
        """Give two events each other's ids."""
        table, between = EVENT, uuid.uuid4()
        for old, new in ((one, between), (other, one), (between, other)):
            self.run(sa.update(table).where(table.c.id == old).values(id=new))

    def delete(self, event_id: uuid.UUID) -> None:
        table = EVENT
        self.run(sa.delete(table).where(table.c.id == event_id))

    def delete_checkpoint(self, seq: int) -> None:
        self.run(
            *(
                sa.delete(each).where(
                    each.c.tenant_id == self.tenant_id, each.c.seq == seq
                )
                for each in (AMENDMENT, CHECKPOINT)
            )
        )


def fork(chain: Chained) -> None:
    """Put a genuine checkpoint in the place of the one that the next one follows.

    As who restores a backup gets two: what was signed before, and what is after.
    """
    chain.seal()
    kept, event_id = chain.checkpoint(4), chain.ids()[-1]
    with chain.sessions.begin() as session:
        own = AuditEvent.id == event_id
        nonce = session.scalars(sa.select(AuditEvent.nonce).where(own)).one()
    chain.delete_checkpoint(4)
    chain.change(event_id, checkpoint_id=None)
    chain.seal()
    chain.write()
    chain.seal()
    chain.change_checkpoint(4, id=kept.id, jws=kept.jws, leaves=kept.leaves)
    chain.change(event_id, checkpoint_id=kept.id, nonce=nonce)


def emptying(table: str) -> sa.Executable:
    """Return what deletes all rows of a table."""
    return sa.delete(Base.metadata.tables[table])


def when(event_id: uuid.UUID) -> str:
    """Return how an event is named."""
    return f"{event_id} of {moment_of(event_id):%Y-%m-%d %H:%M:%S} UTC"


def erase(chain: Chained, account_id: str) -> None:
    """Have a person forgotten, as an admin and a worker do."""
    now = chain.clock()
    with chain.sessions.begin() as session:
        personal.want(session, chain.tenant_id, account_id, actor="ada", now=now)
    with chain.sessions.begin() as session:
        [erasure_id] = personal.unfinished(session)
    goes_on = True
    while goes_on:
        with chain.sessions.begin() as session:
            goes_on = personal.erase_some(session, chain.keyring, erasure_id, now=now)


def walk(chain: Chained, kept: str = "") -> Walk:
    return Walk(
        keyring=chain.keyring,
        now=chain.clock(),
        report=Report(tenant_id=chain.tenant_id),
        kept=kept,
    )


def finish(chain: Chained, begun: Walk) -> Report:
    while not begun.is_done:
        with chain.sessions.begin() as session:
            begun.step(session)
    assert begun.report.is_whole
    return begun.report


def of_ten(
    sessions: Sessions, keyring: Keyring, clock: Clock, patch: pytest.MonkeyPatch
) -> Chained:
    """Return a history of nine events under three checkpoints, and one under none."""
    patch.setattr(sealing, "EVENTS", 3)
    chain = chained(sessions, keyring, clock)
    chain.write(9)
    chain.seal()
    chain.write()
    return chain


def chained(sessions: Sessions, keyring: Keyring, clock: Clock) -> Chained:
    """Return the empty history of some site."""
    with sessions.begin() as session:
        tenant_id = old_runs.tenant(session, clock())
    return Chained(sessions=sessions, keyring=keyring, clock=clock, tenant_id=tenant_id)
