"""What happened, to which tenant, by whom: appended with the change itself."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, new_id, printable

FIELD_LIMIT = 200
"""Characters that one value of an event may have (rule T13)."""

UNPROVEN_LIMIT = 10_000
"""Refusals that nobody's signature proves, kept for the operator; older ones go."""

Value = str | int | bool | None


class AuditEvent(Base):
    """One line of history; never updated, deleted only by age or by the cap."""

    __tablename__ = "audit_event"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("tenant.id"))
    """Empty for what nobody's signature proves: it is no part of a tenant's history."""
    claimed_issuer: Mapped[str | None]
    """Who an unproven token says it is from. A claim, never a fact."""
    kind: Mapped[str]
    actor: Mapped[str]
    happened_at: Mapped[datetime]
    detail: Mapped[str]
    """Canonical JSON, kept as text so that what was hashed can be hashed again."""
    checkpoint_id: Mapped[uuid.UUID | None]

    __table_args__ = (
        sa.Index(None, "tenant_id", "kind", "id"),
        sa.Index(None, "tenant_id", "id"),
        sa.Index(None, "claimed_issuer", "id"),
    )

    @property
    def facts(self) -> dict[str, Value]:
        facts: dict[str, Value] = json.loads(self.detail)
        return facts


def record(
    session: Session,
    tenant_id: uuid.UUID,
    kind: str,
    *,
    actor: str,
    now: datetime,
    **detail: Value,
) -> None:
    """Append to a tenant's history, in the transaction of the change it reports."""
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=tenant_id,
            kind=kind,
            actor=actor,
            happened_at=now,
            detail=canonical(detail),
        )
    )


def record_unproven(
    session: Session, *, claimed_issuer: str, now: datetime, **detail: Value
) -> None:
    """Append a refusal that proves nothing, outside every tenant's history.

    Attack: a stranger fills a tenant's log, or the disk, with forged calls. Such
    refusals have no tenant, and only the newest `UNPROVEN_LIMIT` of them stay (T13).
    """
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=None,
            claimed_issuer=_clean(claimed_issuer),
            kind="verification-refused",
            actor="unproven",
            happened_at=now,
            detail=canonical(detail),
        )
    )


def prune_unproven(session: Session, *, keep: int = UNPROVEN_LIMIT) -> int:
    """Delete all but the newest `keep` unproven refusals; return how many went."""
    unproven = AuditEvent.tenant_id.is_(None)
    oldest = session.scalar(
        sa.select(AuditEvent.id)
        .where(unproven)
        .order_by(AuditEvent.id.desc())
        .offset(keep)
        .limit(1)
    )
    if oldest is None:
        return 0
    gone = session.execute(
        sa.delete(AuditEvent)
        .where(unproven, AuditEvent.id <= oldest)
        .returning(AuditEvent.id)
    )
    return len(gone.all())


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event to look at, after its transaction."""

    kind: str
    happened_at: datetime
    facts: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Refused calls that claim to be from a site, and that nothing proves to be."""

    count: int
    """Of those still kept; limits and pruning forget others (rule T13)."""
    sample: Sequence[Event]


def find_latest(session: Session, tenant_id: uuid.UUID, *kinds: str) -> Event | None:
    """Return a tenant's newest event of these kinds."""
    row = session.scalar(
        sa.select(AuditEvent)
        .where(AuditEvent.tenant_id == tenant_id, AuditEvent.kind.in_(kinds))
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return _event(row) if row else None


def claims_of(session: Session, claimed_issuer: str, *, limit: int) -> Claims:
    """Return what strangers did in an issuer's name: how often, and the newest."""
    claimed = (
        AuditEvent.tenant_id.is_(None),
        AuditEvent.claimed_issuer == _clean(claimed_issuer),
    )
    count = sa.select(sa.func.count()).select_from(AuditEvent).where(*claimed)
    newest = (
        sa.select(AuditEvent)
        .where(*claimed)
        .order_by(AuditEvent.id.desc())
        .limit(limit)
    )
    return Claims(
        count=session.scalar(count) or 0,
        sample=tuple(map(_event, session.scalars(newest))),
    )


def canonical(detail: Mapping[str, Value]) -> str:
    """Return the one JSON text for `detail`: sorted keys, no spaces, safe values."""
    clean = {
        key: _clean(value) if isinstance(value, str) else value
        for key, value in detail.items()
    }
    return json.dumps(clean, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _event(row: AuditEvent) -> Event:
    return Event(kind=row.kind, happened_at=row.happened_at, facts=row.facts)


def _clean(text: str) -> str:
    return printable(text, limit=FIELD_LIMIT)
