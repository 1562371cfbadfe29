"""What is stored of an event, and the one text that its facts have."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, printable

FIELD_LIMIT = 200
"""Characters that one value of an event may have (rule T13)."""

Value = str | int | bool | None

_IS_CLAIM = sa.text("claimed_issuer IS NOT NULL")
_IS_OPEN = sa.text("checkpoint_id IS NULL")
_IS_SEALED = sa.text("checkpoint_id IS NOT NULL")


class AuditEvent(Base):
    """One line of history; never updated, deleted only by age or by the cap.

    Changed are only what places it under a checkpoint, and where a person was erased.
    """

    __tablename__ = "audit_event"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("tenant.id"))
    """Empty for what nobody's signature proves: it is no part of a tenant's history."""
    claimed_issuer: Mapped[str | None]
    """Who an unproven token says it is from. A claim, never a fact."""
    kind: Mapped[str]
    actor: Mapped[str]
    happened_at: Mapped[datetime]
    detail: Mapped[str]
    """Canonical JSON, kept as text so that what was hashed can be hashed again."""
    checkpoint_id: Mapped[uuid.UUID | None]
    """Which checkpoint (`app/checkpoints/`) has it; empty until one does. No foreign
    key: what it says is proven by the checkpoint's signature, or is not so."""
    nonce: Mapped[bytes | None]
    """Chance that was hashed with it, so that the hash tells nothing of its text."""

    __table_args__ = (
        sa.Index(None, "tenant_id", "kind", "id"),
        sa.Index(None, "tenant_id", "id"),
        # Only what is a claim: most events are none, and SQLite, told so by ANALYZE,
        # would rather read them all than use an index that has them.
        sa.Index(
            None,
            "claimed_issuer",
            "id",
            sqlite_where=_IS_CLAIM,
            postgresql_where=_IS_CLAIM,
        ),
        # What no checkpoint has yet is little, and looked for all the time.
        sa.Index(
            "ix_audit_event_tenant_id_id_open",
            "tenant_id",
            "id",
            sqlite_where=_IS_OPEN,
            postgresql_where=_IS_OPEN,
        ),
        sa.Index(
            None,
            "tenant_id",
            "checkpoint_id",
            "id",  # or the events of one are looked for among all, for their order
            sqlite_where=_IS_SEALED,
            postgresql_where=_IS_SEALED,
        ),
    )

    @property
    def facts(self) -> dict[str, Value]:
        facts: dict[str, Value] = json.loads(self.detail)
        return facts


_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode


def canonical(detail: Mapping[str, Value]) -> str:
    """Return the one JSON text for `detail`: sorted keys, no spaces, safe values."""
    safe = {
        key: clean(value) if isinstance(value, str) else value
        for key, value in detail.items()
    }
    return _encode(safe)


def clean(text: str) -> str:
    return printable(text, limit=FIELD_LIMIT)
