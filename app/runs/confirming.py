"""Notes what Jira confirmed of a run: from there on it is believed (rule T1)."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.runs import claims
from app.runs.claims import Claim
from app.runs.settling import update_run
from app.runs.tables import RunState


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What Jira's own answers say about the change that a call reported."""

    facts: dict[str, Any]
    history_id: str
    changed_at: datetime | None
    rule_id: str | None
    rule_name: str | None
    depth: int
    caused_by: uuid.UUID | None


def confirm(
    session: Session, claim: Claim, confirmation: Confirmation, *, now: datetime
) -> None:
    """Note what Jira confirmed; from here on the run is believed.

    The unique key over issue, change and rule decides a race of two calls for one
    change: the loser's transaction fails with `sqlalchemy.exc.IntegrityError`.
    """
    update_run(
        session,
        claim,
        state=RunState.RUNNING,
        facts=confirmation.facts,
        issue_key=confirmation.facts["issue_key"],
        changed_at=confirmation.changed_at,
        history_id=confirmation.history_id,
        rule_id=confirmation.rule_id,
        rule_name=confirmation.rule_name,
        depth=confirmation.depth,
        caused_by=confirmation.caused_by,
        lease_until=now + claims.LEASE,
        tries=0,
    )


def note_rule(session: Session, claim: Claim, known_rule_id: uuid.UUID) -> None:
    """Note which of the rules that Jira has this run carries out."""
    update_run(session, claim, known_rule_id=known_rule_id)
