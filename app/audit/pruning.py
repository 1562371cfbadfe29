"""Deletes a tenant's events by age, as its admins chose; for no other reason."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.tables import AuditEvent
from app.db import least_id


def prune(
    session: Session, tenant_id: uuid.UUID, *, before: datetime, limit: int
) -> int:
    """Delete at most `limit` events that happened before, the oldest first.

    Return how many went. Ids count upwards with time, so they are found by the index.
    """
    old = session.scalars(
        sa.select(AuditEvent.id)
        .where(AuditEvent.tenant_id == tenant_id, AuditEvent.id < least_id(before))
        .order_by(AuditEvent.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    session.execute(
        sa.delete(AuditEvent).where(
            AuditEvent.tenant_id == tenant_id, AuditEvent.id.in_(old)
        )
    )
    return len(old)
