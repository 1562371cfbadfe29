"""What is stored of a tenant's chain. Nothing here is believed: it is verified.

What a checkpoint says stands in its JWS and nowhere else, so that no column can say
something else than was signed.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vault import CHECKPOINT_KEY, Owner


class CheckpointKey(Base):
    """The public half of the key that signs a tenant's checkpoints, kept for ever.

    Its private half is in the vault, and stays there when the tenant leaves. Whoever
    adds to the chain locks this row, so that additions take turns.
    """

    __tablename__ = "checkpoint_key"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), unique=True
    )
    public_jwk: Mapped[str]


class Checkpoint(Base):
    """One link of a tenant's chain. The JWS stays for ever."""

    __tablename__ = "checkpoint"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    seq: Mapped[int]
    jws: Mapped[str]
    leaves: Mapped[bytes | None] = mapped_column(deferred=True)
    """Which events, and the hash of each: so that a broken one has a name. Empty once
    they were pruned."""

    __table_args__ = (sa.UniqueConstraint("tenant_id", "seq"),)


class AmendmentRow(Base):
    """A change of an event under a checkpoint that a later checkpoint attests."""

    __tablename__ = "amendment"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    """Of the checkpoint that attests it."""
    old: Mapped[bytes]
    new: Mapped[bytes]

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "seq"], ["checkpoint.tenant_id", "checkpoint.seq"]
        ),
        sa.Index(None, "tenant_id", "seq"),
    )


def owner(tenant_id: uuid.UUID) -> Owner:
    """Return where the vault keeps the key that signs a tenant's checkpoints."""
    return Owner(tenant_id, CHECKPOINT_KEY)
