"""Whether a site's Jira accepts our calls: nothing we do works while it does not."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.db import printable
from app.tenants.tables import Tenant

SILENT_PASSES = 3
"""Looks in a row that Jira did not answer before it counts as refusing us."""

WORDS_LIMIT = 300


def note_refusal(
    session: Session, tenant_id: uuid.UUID, because: str, *, now: datetime
) -> None:
    """Note that Jira refused a call that we signed."""
    _refuses(session, session.get_one(Tenant, tenant_id), because, now=now)


def note_silence(
    session: Session, tenant_id: uuid.UUID, because: str, *, now: datetime
) -> None:
    """Note that Jira could not be asked; a passing trouble is no refusal yet."""
    tenant = session.get_one(Tenant, tenant_id)
    tenant.silent_passes = (tenant.silent_passes or 0) + 1
    if tenant.silent_passes >= SILENT_PASSES:
        _refuses(session, tenant, because, now=now)


def note_answer(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Note that Jira accepts our calls (again)."""
    troubled = session.scalar(
        sa.select(Tenant).where(
            Tenant.id == tenant_id,
            sa.or_(
                Tenant.jira_refuses_since.is_not(None),
                Tenant.silent_passes.is_not(None),
            ),
        )
    )
    if troubled is None:
        return
    if troubled.jira_refuses_since is not None:
        audit.record(
            session, tenant_id, "jira-accepts-us", actor="countersign", now=now
        )
    troubled.jira_refuses_since = troubled.jira_refuses_because = None
    troubled.silent_passes = None


def _refuses(session: Session, tenant: Tenant, because: str, *, now: datetime) -> None:
    said = printable(because, limit=WORDS_LIMIT)
    tenant.jira_refuses_because = said
    if tenant.jira_refuses_since is None:
        tenant.jira_refuses_since = now
        audit.record(
            session,
            tenant.id,
            "jira-refuses-us",
            actor="countersign",
            now=now,
            because=said,
        )
