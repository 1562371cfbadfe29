"""The runs of one issue, for people who see that issue and perhaps no other."""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.runs.listing import ListedRun, listed
from app.runs.tables import Run

SHOWN = 20
"""How many runs an issue's panel shows."""

LOOKED_AT = 500
"""How many of an issue's newest runs are looked at for those that are shown."""


def of_issue(
    session: Session, tenant_id: uuid.UUID, issue_id: str, *, limit: int = SHOWN
) -> list[ListedRun]:
    """Return the issue's newest runs that Jira confirmed, the newest first.

    Attack: a body is unsigned and may name any issue. What it claims is shown to the
    site's admins, and never on the ticket of a stranger.
    """
    newest = (
        sa.select(Run.id)
        .where(Run.tenant_id == tenant_id, Run.issue_id == issue_id)
        .order_by(Run.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    rows = session.scalars(
        sa.select(Run)
        .join(newest, newest.c.id == Run.id)
        .where(*_confirmed(tenant_id, issue_id))
        .order_by(Run.id.desc())
        .limit(limit)
    ).all()
    return listed(session, tenant_id, rows)


def find_of_issue(
    session: Session, tenant_id: uuid.UUID, issue_id: str, run_id: uuid.UUID
) -> ListedRun | None:
    """Return one run, if Jira confirmed that it is of this issue."""
    rows = session.scalars(
        sa.select(Run).where(Run.id == run_id, *_confirmed(tenant_id, issue_id))
    ).all()
    found = listed(session, tenant_id, rows)
    return found[0] if found else None


def _confirmed(
    tenant_id: uuid.UUID, issue_id: str
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Run.tenant_id == tenant_id,
        Run.issue_id == issue_id,
        sa.or_(
            # Set only from Jira's own answer to our signed question (rule T1).
            Run.issue_key.is_not(None),
            # A replay has the change from the start if the first run was confirmed:
            # who asks for one sees it at once, and also when it comes to nothing.
            sa.and_(Run.replay_of.is_not(None), Run.history_id.is_not(None)),
        ),
    )
