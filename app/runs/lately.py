"""How the latest attempts at delivering to one destination went."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.tables import Attempt, AttemptOutcome, RunStep

MOST = 200
"""Deliveries that are looked through, and attempts that are returned of them."""


@dataclass(frozen=True, kw_only=True)
class LateAttempt:
    """One attempt that has an outcome."""

    begun_at: datetime
    run_id: uuid.UUID
    outcome: AttemptOutcome
    status: int | None
    message: str


def attempts_at(
    session: Session,
    tenant_id: uuid.UUID,
    destination_id: uuid.UUID,
    *,
    since: datetime,
) -> Sequence[LateAttempt]:
    """Return the newest attempts since then, the newest first; of this tenant's (T5).

    Of the `MOST` newest deliveries only, so that it costs the same however many there
    are: an older one that is tried again is not among them.
    """
    latest = (
        sa.select(RunStep.id, RunStep.run_id)
        .where(RunStep.tenant_id == tenant_id, RunStep.destination_id == destination_id)
        .order_by(RunStep.run_id.desc())
        .limit(MOST)
        .subquery()
    )
    rows = session.execute(
        sa.select(
            Attempt.begun_at,
            latest.c.run_id,
            Attempt.outcome,
            Attempt.status,
            Attempt.message,
        )
        .join(latest, Attempt.run_step_id == latest.c.id)
        .where(
            Attempt.tenant_id == tenant_id,
            Attempt.begun_at >= since,
            Attempt.outcome.is_not(None),
        )
        .order_by(Attempt.id.desc())
        .limit(MOST)
    )
    return list(map(_late, rows))


def _late(row: sa.Row[Any]) -> LateAttempt:
    return LateAttempt(
        begun_at=row.begun_at,
        run_id=row.run_id,
        outcome=row.outcome,
        status=row.status,
        message=row.message or "",
    )
