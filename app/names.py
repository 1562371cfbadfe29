"""Names that an admin gives: each is one thing's only, among what is not deleted."""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base


class NameTakenError(ValueError):
    """Another of this tenant's has this name. The message is for an admin."""


def refuse_taken(
    session: Session,
    table: type[Base],
    tenant_id: uuid.UUID,
    name: str,
    *,
    but: uuid.UUID | None = None,
) -> None:
    """Raise `NameTakenError` if another one has it.

    The table has an index `uq_<table>_tenant_id_name` over what is not deleted.
    """
    columns = table.__table__.c
    other = session.scalar(
        sa.select(columns.id).where(
            columns.tenant_id == tenant_id,
            columns.name == name,
            columns.state != "deleted",
            columns.id != but if but else sa.true(),
        )
    )
    if other is not None:
        raise _taken(table, name)


def flush(session: Session, table: type[Base], name: str) -> None:
    """Write a name down; raise `NameTakenError` if somebody else did so just now.

    Two admins who give one name at once both find it free: the index decides.
    """
    what = table.__tablename__
    # How PostgreSQL and SQLite name the index that refused.
    told = (f"uq_{what}_tenant_id_name", f"{what}.tenant_id, {what}.name")
    try:
        session.flush()
    except sa.exc.IntegrityError as error:
        if any(each in str(error.orig) for each in told):
            raise _taken(table, name) from error
        raise


def _taken(table: type[Base], name: str) -> NameTakenError:
    return NameTakenError(f"another {table.__tablename__} is called “{name}”")
