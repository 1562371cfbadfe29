"""What came of each rule lately."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.rules.tables import KnownRule
from app.runs import Run, RunState


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """A rule's newest confirmed run."""

    id: uuid.UUID
    state: RunState
    received_at: datetime
    issue_key: str | None
    project_id: str | None


def last_runs(session: Session, tenant_id: uuid.UUID) -> Mapping[uuid.UUID, LastRun]:
    """Return each known rule's newest run; rules that never ran are not in it.

    One step into an index for each rule, however many runs there are.
    """
    newest = (
        sa.select(Run.id)
        .where(Run.tenant_id == tenant_id, Run.known_rule_id == KnownRule.id)
        .order_by(Run.id.desc())
        .limit(1)
        .correlate(KnownRule)
        .scalar_subquery()
    )
    found = session.execute(
        sa.select(KnownRule.id, newest).where(
            KnownRule.tenant_id == tenant_id,
            KnownRule.gone_at.is_(None),
            newest.is_not(None),
        )
    )
    ids = {run_id: known_id for known_id, run_id in found}
    rows = session.scalars(
        sa.select(Run).where(Run.tenant_id == tenant_id, Run.id.in_(ids))
    )
    return {ids[row.id]: _last(row) for row in rows}


def _last(row: Run) -> LastRun:
    facts = row.facts or {}
    return LastRun(
        id=row.id,
        state=row.state,
        received_at=row.received_at,
        issue_key=row.issue_key,
        project_id=facts.get("project_id"),
    )
