"""Forgets the figures of hours that are long over."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.figures.tables import Hour


def forget_hours(
    session: Session, tenant_id: uuid.UUID, *, before: datetime, limit: int
) -> int:
    """Delete at most `limit` of a tenant's hours that began before; return how many."""
    old = session.scalars(
        sa.select(Hour.begins_at)
        .where(Hour.tenant_id == tenant_id, Hour.begins_at < before)
        .order_by(Hour.begins_at)
        .limit(limit)
    ).all()
    session.execute(
        sa.delete(Hour).where(Hour.tenant_id == tenant_id, Hour.begins_at.in_(old))
    )
    return len(old)


def count_old_hours(session: Session, tenant_id: uuid.UUID, *, before: datetime) -> int:
    """Count those."""
    old = sa.select(sa.func.count()).where(
        Hour.tenant_id == tenant_id, Hour.begins_at < before
    )
    return session.scalar(old) or 0
