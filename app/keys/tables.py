"""What is stored of a signing key."""

import uuid
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vault import Owner


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"


class NoKeyError(LookupError):
    """This tenant has no such key: nothing may be signed for it."""


class SigningKey(Base):
    """One key pair's public half and its state; the private half is in the vault."""

    __tablename__ = "signing_key"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """Also the `kid` of its tokens."""
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    state: Mapped[KeyState]
    public_jwk: Mapped[str]
    published_at: Mapped[datetime]
    active_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When it signed for the last time at the latest, or was revoked."""

    __table_args__ = (
        # One of each: two workers that rotate at once cannot both do it.
        sa.Index(
            "uq_signing_key_tenant_id_next",
            "tenant_id",
            unique=True,
            sqlite_where=sa.text("state = 'next'"),
            postgresql_where=sa.text("state = 'next'"),
        ),
        sa.Index(
            "uq_signing_key_tenant_id_active",
            "tenant_id",
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        ),
        sa.Index(None, "tenant_id", "id"),
    )

    @property
    def owner(self) -> Owner:
        """Where the vault keeps its private half."""
        return Owner(self.tenant_id, f"signing-key:{self.id}")
