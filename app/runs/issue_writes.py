"""How many changes of one issue Jira takes, and what of that is used up.

Source: Jira Cloud platform, "Rate limiting": per issue 20 writes in 2 seconds, and 100
in 30. Ours stay a tenth below: Jira counts when they arrive, and others write as well.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.claims import Claim
from app.runs.tables import Attempt, RunStep


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many changes within so much time."""

    writes: int
    within: timedelta


LIMITS = (
    Limit(writes=18, within=timedelta(seconds=2)),
    Limit(writes=90, within=timedelta(seconds=30)),
)


@dataclass(frozen=True, kw_only=True)
class Full:
    """A limit that is reached, and when there is room again."""

    limit: Limit
    until: datetime

    def __str__(self) -> str:
        seconds = self.limit.within // timedelta(seconds=1)
        return (
            f"this issue has had {self.limit.writes} changes in {seconds} seconds, and"
            " Jira takes hardly more"
        )


def full(session: Session, claim: Claim, *, now: datetime) -> Full | None:
    """Say so if one more change of the run's issue were too much just now.

    Counted are the attempts of all its runs that change Jira, by whichever process.
    """
    longest = LIMITS[-1]
    rows = session.scalars(
        sa.select(Attempt.begun_at)
        .join(
            RunStep,
            sa.and_(
                RunStep.tenant_id == Attempt.tenant_id,
                RunStep.id == Attempt.run_step_id,
            ),
        )
        .where(
            Attempt.tenant_id == claim.tenant_id,
            Attempt.issue_id == claim.issue_id,
            Attempt.begun_at > now - longest.within,
            RunStep.destination_id.is_(None),
        )
        .order_by(Attempt.begun_at.desc())
        .limit(longest.writes)
    )
    written = list(rows)
    reached = [
        Full(limit=limit, until=written[limit.writes - 1] + limit.within)
        for limit in LIMITS
        if len(written) >= limit.writes
    ]
    return max(
        (each for each in reached if each.until > now),
        key=lambda each: each.until,
        default=None,
    )
