"""What is stored of an hour, and of how far the hours are counted."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Hour(Base):
    """One hour of one site in which something happened."""

    __tablename__ = "hour"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    begins_at: Mapped[datetime] = mapped_column(primary_key=True)
    verified: Mapped[int]
    """Calls of Jira's that were verified and recorded."""
    duplicates: Mapped[int]
    """Verified calls that were seen before: answered, and not carried out again."""
    refused: Mapped[int]
    rescued: Mapped[int]
    """Issues that the watchdog moved out of a hold."""
    ended: Mapped[dict[str, Any]]
    """Runs that ended in it, by their state."""
    took: Mapped[dict[str, Any]]
    """Runs that succeeded or failed, by how long they took from Jira's transition to
    their last step: the number of a bucket, and how many are in it."""


class Counted(Base):
    """Up to when a site's hours are counted."""

    __tablename__ = "counted"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    until: Mapped[datetime]
