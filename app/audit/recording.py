"""Appends to the history: a tenant's, or the operator's of what nobody proved."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import db
from app.audit.kinds import Kind
from app.audit.tables import AuditEvent, Value, canonical, clean
from app.db import Prepared, new_id


@dataclass(frozen=True, kw_only=True)
class Change:
    """Who changes something, and when."""

    tenant_id: uuid.UUID
    actor: str
    now: datetime


_PROBE = "probe"
"""No kind of event: nothing happened."""

UNPROVEN_LIMIT = 10_000
"""Refusals that nobody's signature proves, kept for the operator; older ones go."""


def record(
    session: Session,
    tenant_id: uuid.UUID,
    kind: str,
    *,
    actor: str,
    now: datetime,
    **detail: Value,
) -> None:
    """Append to a tenant's history, in the transaction of the change it reports.

    Raise `ValueError` for a kind that `Kind` does not list.
    """
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=tenant_id,
            kind=Kind(kind).value,
            actor=actor,
            happened_at=now,
            detail=canonical(detail),
        )
    )


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What `record` takes, for many at once."""

    tenant_id: uuid.UUID
    kind: str
    actor: str
    detail: Mapping[str, Value]


def prepare(dialect: sa.Dialect, facts: Sequence[Fact], *, now: datetime) -> Prepared:
    """Make some of them ready, at least one, to be appended as `record` does."""
    rows = [
        {
            "id": new_id(now),
            "tenant_id": fact.tenant_id,
            "kind": Kind(fact.kind).value,
            "actor": fact.actor,
            "happened_at": now,
            "detail": canonical(fact.detail),
        }
        for fact in facts
    ]
    return db.prepare(dialect, AuditEvent, rows, is_once=False)


def record_unproven(
    session: Session,
    *,
    claimed_issuer: str,
    now: datetime,
    **detail: Value,
) -> None:
    """Append a refusal that proves nothing, outside every tenant's history.

    Attack: a stranger fills a tenant's log, or the disk, with forged calls. Such
    refusals have no tenant, and only the newest `UNPROVEN_LIMIT` of them stay (T13).
    """
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=None,
            claimed_issuer=clean(claimed_issuer),
            kind=Kind.VERIFICATION_REFUSED.value,
            actor="unproven",
            happened_at=now,
            detail=canonical(detail),
        )
    )


def record_left_out(
    session: Session,
    kind: Kind,
    detail: Mapping[str, Value],
    *,
    claimed_issuer: str,
    now: datetime,
) -> None:
    """Append beside unproven refusals how many like them were only counted (T13)."""
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=None,
            claimed_issuer=clean(claimed_issuer),
            kind=kind.value,
            actor="countersign",
            happened_at=now,
            detail=canonical(detail),
        )
    )


def put_probe(session: Session, probe: str, *, now: datetime) -> None:
    """Write something that means nothing, to see whether it can be written."""
    session.add(
        AuditEvent(
            id=new_id(now),
            tenant_id=None,
            kind=_PROBE,
            actor="countersign",
            happened_at=now,
            detail=probe,
        )
    )


def drop_probes(session: Session) -> None:
    """Delete such rows, those too that a process left that was killed."""
    session.execute(
        sa.delete(AuditEvent).where(
            AuditEvent.tenant_id.is_(None), AuditEvent.kind == _PROBE
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
