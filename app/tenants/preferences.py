"""What a site's admins decide for their site: how long we keep what, who is told."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Preferences(Base):
    """One site's choices; a site without a row has the defaults."""

    __tablename__ = "preferences"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    run_days: Mapped[int]
    """How long runs, their steps and their attempts are kept."""
    audit_days: Mapped[int]
    """How long audit events are kept."""
    exchange_days: Mapped[int]
    """How long it is kept what a delivery sent and was answered; 0: never kept."""
    notice_to: Mapped[list[Any]]
    """Who of the site is told by mail, beside the operator."""
    on_call_role: Mapped[str | None]
    """The id of the project role that may have runs carried out again."""
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
