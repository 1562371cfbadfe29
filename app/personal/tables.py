"""What is stored of a wish that a person's account id be forgotten."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Erasure(Base):
    """A wish that a person's account id be forgotten, and how far that got."""

    __tablename__ = "erasure"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    account_id: Mapped[str | None]
    """Empty once it is done: then we do not know it any more."""
    wanted_at: Mapped[datetime]
    wanted_by: Mapped[str]
    reached: Mapped[uuid.UUID | None]
    """The last row that was looked at; rows are looked at in batches, by their ids."""
    part: Mapped[int]
    """Which table is looked at."""
    erased: Mapped[int]
    """Rows that named the person, so far."""
    done_at: Mapped[datetime | None]

    __table_args__ = (sa.Index(None, "tenant_id", "id"),)
