"""Which rules may use a protected destination: an admin's word, by hash (rule T7)."""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Change
from app.db import insert_once, new_id
from app.destinations.keeping import get, note
from app.destinations.tables import Approval, Destination, DestinationState


def approve(
    session: Session, change: Change, destination_id: uuid.UUID, rule_hash: str
) -> None:
    """Let this text of a rule use a protected destination (rule T7)."""
    destination = get(session, change.tenant_id, destination_id)
    approval = {
        "id": new_id(change.now),
        "tenant_id": change.tenant_id,
        "destination_id": destination_id,
        "rule_hash": rule_hash,
        "approved_by": change.actor,
        "approved_at": change.now,
    }
    if insert_once(session, Approval, approval):
        note(session, change, destination, "rule-approved", rule_hash=rule_hash)


def withdraw(
    session: Session, change: Change, destination_id: uuid.UUID, rule_hash: str
) -> None:
    """Take an approval back."""
    destination = get(session, change.tenant_id, destination_id)
    session.execute(sa.delete(Approval).where(*_approval(destination, rule_hash)))
    note(session, change, destination, "rule-approval-withdrawn", rule_hash=rule_hash)


def is_approved(session: Session, destination: Destination, rule_hash: str) -> bool:
    """Say whether an admin let this text of a rule use it."""
    wanted = sa.select(Approval.id).where(*_approval(destination, rule_hash))
    return session.scalar(wanted) is not None


def approved(session: Session, destination: Destination) -> frozenset[str]:
    """Return the hashes of the rules that an admin let use it."""
    rows = session.scalars(
        sa.select(Approval.rule_hash).where(
            Approval.tenant_id == destination.tenant_id,
            Approval.destination_id == destination.id,
        )
    )
    return frozenset(rows)


def refusal(
    session: Session,
    destination: Destination | None,
    *,
    project_id: str,
    rule_hash: str,
) -> str | None:
    """Say why nothing of this rule and project may be delivered there, if so (T7)."""
    if destination is None:
        return "there is no such destination (any more)"
    if destination.state is DestinationState.DISABLED:
        return f"the destination is disabled: {destination.disabled_because}"
    # Attack: a rule copied into a workflow of another project reaches production.
    if project_id not in destination.project_ids:
        return "the destination is not allowed for this project"
    if destination.is_protected and not is_approved(session, destination, rule_hash):
        return "the destination is protected, and no admin approved this rule"
    return None


def _approval(
    destination: Destination, rule_hash: str
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Approval.tenant_id == destination.tenant_id,
        Approval.destination_id == destination.id,
        Approval.rule_hash == rule_hash,
    )
