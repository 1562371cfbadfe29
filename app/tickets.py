"""Tickets for downloads: a browser fetches a file by an address, without a header.

Attack: an address ends in histories, logs and clipboards. A ticket is good once, for a
minute, for one file of one person's; the database has only its hash.
"""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Ticket(Base):
    """One download that somebody may fetch."""

    __tablename__ = "ticket"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    account_id: Mapped[str]
    ticket_hash: Mapped[str] = mapped_column(unique=True)
    wanted: Mapped[dict[str, Any]]
    """What is to be in the file."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
