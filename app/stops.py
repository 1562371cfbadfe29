"""The operator's brake: what is stopped is heard and recorded, and not carried out.

Everything may be stopped, or one tenant. Workers claim nothing for what is stopped and
lay down what they have in hand before its next step; no token is made. Each stop stays
on record once it is over, with who, when and why.

A backup carries a stop of its own (rule T14): an instance that is made from it wakes up
held, until the operator has said what is to become of its keys and its due runs.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit
from app.db import Base, new_id, printable
from app.tenants import State, Tenant

WORDS = 200
"""Characters of who and why that are kept; the sites' admins read why."""


class Cause(StrEnum):
    OPERATOR = "operator"
    RESTORED = "restored"
    """The instance was made from a backup."""


class StoppedError(Exception):
    """Nothing may be sent for this tenant now; what was to be sent waits."""


class Stop(Base):
    """One stop, from when it began to when it was over."""

    __tablename__ = "stop"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("tenant.id"))
    """Empty: everything, also tenants that come later."""
    cause: Mapped[Cause]
    who: Mapped[str]
    """Whoever used the shell; no person of a site's."""
    why: Mapped[str]
    stopped_at: Mapped[datetime]
    resumed_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stop that is not over."""

    tenant_id: uuid.UUID | None
    cause: Cause
    who: str
    why: str
    stopped_at: datetime


@dataclass(frozen=True, kw_only=True)
class Span:
    """From when to when something was stopped."""

    stopped_at: datetime
    resumed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Counts:
    everything: bool
    tenants: int
    """Tenants that are stopped by themselves."""


@dataclass(frozen=True, kw_only=True)
class By:
    """Who stops or resumes, why, and when."""

    who: str
    why: str = ""
    now: datetime


def stop(session: Session, tenant_id: uuid.UUID | None, by: By) -> bool:
    """Stop a tenant, or everything; return False if that very stop stands already."""
    if _standing(session, _of(tenant_id)) is not None:
        return False
    row = Stop(
        id=new_id(by.now),
        tenant_id=tenant_id,
        cause=Cause.OPERATOR,
        who=printable(by.who, limit=WORDS),
        why=printable(by.why, limit=WORDS),
        stopped_at=by.now,
    )
    session.add(row)
    for concerned in _concerned(session, tenant_id):
        audit.record(
            session,
            concerned,
            "stopped",
            actor="operator",
            now=by.now,
            everything=tenant_id is None,
            because=row.why,
        )
    return True


def resume(session: Session, tenant_id: uuid.UUID | None, by: By) -> bool:
    """Let a tenant, or everything, go on; return False if it was not stopped so.

    Runs that came due meanwhile are due now, in their order. What stopped a tenant by
    itself outlasts the stop of everything.
    """
    ended = session.execute(
        sa.update(Stop)
        .where(_of(tenant_id), Stop.resumed_at.is_(None))
        .values(resumed_at=by.now)
        .returning(Stop.id)
    ).all()
    if not ended:
        return False
    for concerned in _concerned(session, tenant_id):
        audit.record(
            session,
            concerned,
            "resumed",
            actor="operator",
            now=by.now,
            everything=tenant_id is None,
        )
    return True


def is_free(tenant_id: sa.ColumnElement[uuid.UUID]) -> sa.ColumnElement[bool]:
    """Return the condition that the tenant of a row is not stopped.

    It belongs into the statement that takes the row: asked before it, a stop that came
    in between would be overlooked. Neither half looks at the row's other columns, so a
    database answers both once for the statement.
    """
    live = Stop.resumed_at.is_(None)
    everything = sa.exists().where(live, Stop.tenant_id.is_(None))
    alone = sa.select(Stop.tenant_id).where(live, Stop.tenant_id.is_not(None))
    return sa.and_(sa.not_(everything), tenant_id.not_in(alone))


def refuse_stopped(session: Session, tenant_id: uuid.UUID) -> None:
    """Raise `StoppedError` if nothing is to be sent for the tenant now."""
    if (standing := find(session, tenant_id)) is not None:
        raise StoppedError(standing.why)


def find(session: Session, tenant_id: uuid.UUID) -> Standing | None:
    """Return what the tenant is stopped by: that of everything, else its own."""
    return find_everything(session) or _standing(session, _of(tenant_id))


def find_everything(session: Session) -> Standing | None:
    """Return the stop of everything, if it stands."""
    return _standing(session, _of(None))


def listed(session: Session) -> list[Standing]:
    """Return every stop that stands, in the order in which they began."""
    rows = session.scalars(
        sa.select(Stop).where(Stop.resumed_at.is_(None)).order_by(Stop.id)
    )
    return list(map(_shown, rows))


def is_restored(session: Session) -> bool:
    """Say whether this is a backup that the operator has not let go yet (rule T14)."""
    standing = find_everything(session)
    return standing is not None and standing.cause is Cause.RESTORED


def last_ended(session: Session, tenant_id: uuid.UUID) -> Span | None:
    """Return when the tenant alone was stopped last, once that is over."""
    row = session.execute(
        sa.select(Stop.stopped_at, Stop.resumed_at)
        .where(_of(tenant_id), Stop.resumed_at.is_not(None))
        .order_by(Stop.resumed_at.desc())
        .limit(1)
    ).first()
    return Span(stopped_at=row.stopped_at, resumed_at=row.resumed_at) if row else None


def count(session: Session) -> Counts:
    """Count what is stopped, for a monitor; no tenant is named."""
    found = listed(session)
    alone = {each.tenant_id for each in found} - {None}
    is_all = any(each.tenant_id is None for each in found)
    return Counts(everything=is_all, tenants=len(alone))


def restored_row(*, now: datetime) -> dict[str, Any]:
    """Return the row by which a backup that is made `now` wakes up held."""
    return {
        "id": new_id(now),
        "tenant_id": None,
        "cause": Cause.RESTORED,
        "who": "countersign backup",
        "why": f"restored from the backup of {now:%Y-%m-%d %H:%M} UTC",
        "stopped_at": now,
        "resumed_at": None,
    }


def _of(tenant_id: uuid.UUID | None) -> sa.ColumnElement[bool]:
    if tenant_id is None:
        return Stop.tenant_id.is_(None)
    return Stop.tenant_id == tenant_id


def _standing(session: Session, of: sa.ColumnElement[bool]) -> Standing | None:
    # A backup's own stop says more than one that it was made under.
    row = session.scalar(
        sa.select(Stop)
        .where(of, Stop.resumed_at.is_(None))
        .order_by(Stop.cause.desc(), Stop.id)
        .limit(1)
    )
    return _shown(row) if row else None


def _shown(row: Stop) -> Standing:
    return Standing(
        tenant_id=row.tenant_id,
        cause=row.cause,
        who=row.who,
        why=row.why,
        stopped_at=row.stopped_at,
    )


def _concerned(session: Session, tenant_id: uuid.UUID | None) -> list[uuid.UUID]:
    """Return whose history says so: everybody's who is served."""
    if tenant_id is not None:
        return [tenant_id]
    served = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
    return list(session.scalars(served.order_by(Tenant.id)))
