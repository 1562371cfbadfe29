"""What was said of how a delivery ended: at most one word counts."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base


class Result(StrEnum):
    """How what a delivery set off has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class StepAnswer(Base):
    """What somebody said of how a delivery ended: at most one of them counts."""

    __tablename__ = "step_answer"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    run_step_id: Mapped[uuid.UUID]
    at: Mapped[datetime]
    listener_id: Mapped[uuid.UUID | None]
    """Who said so; empty if we asked the receiver ourselves."""
    result: Mapped[Result]
    message: Mapped[str]
    url: Mapped[str]
    claims: Mapped[dict[str, Any]]
    """What its token proved, as far as it may be shown; empty if we asked."""
    token_hash: Mapped[str]
    counts: Mapped[bool]
    """False for one that came too late: it is shown, and changes nothing."""

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_step_id"],
            ["run_step.tenant_id", "run_step.id"],
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "listener_id"], ["listener.tenant_id", "listener.id"]
        ),
        sa.UniqueConstraint("tenant_id", "run_step_id", "token_hash"),
        sa.Index(
            "uq_step_answer_tenant_id_run_step_id",
            "tenant_id",
            "run_step_id",
            unique=True,
            sqlite_where=sa.text("counts"),
            postgresql_where=sa.text("counts"),
        ),
    )


def counting(
    session: Session, tenant_id: uuid.UUID, step_id: uuid.UUID
) -> StepAnswer | None:
    """Return the answer that counts, if one came."""
    return session.scalar(
        sa.select(StepAnswer).where(
            StepAnswer.tenant_id == tenant_id,
            StepAnswer.run_step_id == step_id,
            StepAnswer.counts,
        )
    )


@dataclass(frozen=True, kw_only=True)
class ListedAnswer:
    """An answer to look at."""

    id: uuid.UUID
    step_id: uuid.UUID
    at: datetime
    listener_id: uuid.UUID | None
    result: Result
    message: str
    url: str
    claims: Mapping[str, Any]
    counts: bool


def of_steps(
    session: Session, tenant_id: uuid.UUID, step_ids: Sequence[uuid.UUID]
) -> list[ListedAnswer]:
    """Return every answer to these steps, the oldest first."""
    rows = session.scalars(
        sa.select(StepAnswer)
        .where(StepAnswer.tenant_id == tenant_id, StepAnswer.run_step_id.in_(step_ids))
        .order_by(StepAnswer.id)
    )
    return [
        ListedAnswer(
            id=row.id,
            step_id=row.run_step_id,
            at=row.at,
            listener_id=row.listener_id,
            result=row.result,
            message=row.message,
            url=row.url,
            claims=row.claims,
            counts=row.counts,
        )
        for row in rows
    ]
