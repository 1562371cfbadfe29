"""Every secret we keep, in one table: put, accepted, expire, delete_expired."""

import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.crypto import Keyring, Sealed, Secret, key_id_of
from app.db import Base, new_id

CHECKPOINT_KEY = "checkpoint-key"
"""The kind of what signs a tenant's checkpoints. It opens nothing of the tenant's, and
is needed as long as there is history: also to say that old history was deleted."""


class Owner(NamedTuple):
    """Whose secret it is, and what kind."""

    tenant_id: uuid.UUID
    kind: str


class SecretVersion(Base):
    """One value that a secret has or had."""

    __tablename__ = "secret_version"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    kind: Mapped[str]
    generation: Mapped[int]
    """1 for the first value; the highest one is what we sign with."""
    sealed: Mapped[Sealed]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """When it stops being accepted and may be deleted; empty while it is current."""

    __table_args__ = (sa.UniqueConstraint("tenant_id", "kind", "generation"),)


class Opened(NamedTuple):
    """A secret that may be used now, and which version of it this is."""

    secret: Secret
    generation: int


class Age(NamedTuple):
    """How new a secret is."""

    generation: int
    created_at: datetime


class Version(NamedTuple):
    """One value of a secret, without the value."""

    generation: int
    created_at: datetime
    expires_at: datetime | None
    """When it stops being accepted; None for the one that is current."""


def put(
    session: Session,
    keyring: Keyring,
    owner: Owner,
    secret: Secret,
    *,
    now: datetime,
    grace: timedelta = timedelta(0),
) -> int:
    """Make `secret` the current version; the one before stays accepted for `grace`.

    Return the new generation.
    """
    session.execute(
        sa.update(SecretVersion)
        .where(_of(owner), SecretVersion.expires_at.is_(None))
        .values(expires_at=now + grace)
    )
    latest = session.scalar(
        sa.select(sa.func.max(SecretVersion.generation)).where(_of(owner))
    )
    row = SecretVersion(
        id=new_id(now),
        tenant_id=owner.tenant_id,
        kind=owner.kind,
        generation=(latest or 0) + 1,
        created_at=now,
    )
    row.sealed = keyring.seal(secret, context=context_of(row))
    session.add(row)
    return row.generation


def accepted(
    session: Session, keyring: Keyring, owner: Owner, *, now: datetime
) -> list[Opened]:
    """Return the versions to accept, the newest first."""
    rows = session.scalars(
        sa.select(SecretVersion)
        .where(
            _of(owner),
            sa.or_(SecretVersion.expires_at.is_(None), SecretVersion.expires_at > now),
        )
        .order_by(SecretVersion.generation.desc())
    )
    return [
        Opened(keyring.open(row.sealed, context=context_of(row)), row.generation)
        for row in rows
    ]


def newest(session: Session, owner: Owner) -> Age | None:
    """Return which version is the newest and since when, without opening it."""
    row = session.execute(
        sa.select(SecretVersion.generation, SecretVersion.created_at)
        .where(_of(owner))
        .order_by(SecretVersion.generation.desc())
        .limit(1)
    ).first()
    return Age(row.generation, row.created_at) if row else None


def versions(session: Session, owner: Owner) -> list[Version]:
    """Return the versions that are still kept, the newest first; none is opened."""
    rows = session.execute(
        sa.select(
            SecretVersion.generation, SecretVersion.created_at, SecretVersion.expires_at
        )
        .where(_of(owner))
        .order_by(SecretVersion.generation.desc())
    )
    return [Version(*row) for row in rows]


def standing(
    session: Session, owner: Owner, *, now: datetime
) -> tuple[Version | None, Version | None]:
    """Return the newest version, and the one before it if that still counts."""
    kept = versions(session, owner)
    old = [each for each in kept[1:] if each.expires_at and each.expires_at > now]
    return next(iter(kept), None), next(iter(old), None)


def expire(session: Session, owner: Owner, *, at: datetime) -> None:
    """Let every version end `at`; one that ends before keeps its time."""
    session.execute(
        sa.update(SecretVersion)
        .where(
            _of(owner),
            sa.or_(SecretVersion.expires_at.is_(None), SecretVersion.expires_at > at),
        )
        .values(expires_at=at)
    )


def forget(session: Session, owner: Owner, *, before: int | None = None) -> None:
    """Delete every version at once, or those `before` one: never to be used again."""
    gone = sa.delete(SecretVersion).where(_of(owner))
    if before is not None:
        gone = gone.where(SecretVersion.generation < before)
    session.execute(gone)


def forget_tenants(session: Session, tenant_ids: sa.Select[uuid.UUID]) -> None:
    """Delete every secret of these tenants; what signs their history is none."""
    session.execute(
        sa.delete(SecretVersion).where(
            SecretVersion.tenant_id.in_(tenant_ids),
            SecretVersion.kind != CHECKPOINT_KEY,
        )
    )


def counts(session: Session) -> dict[str, int]:
    """Return how many versions each encryption key has sealed, by the key's id."""
    return Counter(map(key_id_of, session.scalars(sa.select(SecretVersion.sealed))))


def delete_expired(session: Session, *, now: datetime) -> int:
    """Forget what may no longer be used; return how many versions went."""
    gone = session.execute(
        sa.delete(SecretVersion)
        .where(SecretVersion.expires_at <= now)
        .returning(SecretVersion.id)
    )
    return len(gone.all())


def _of(owner: Owner) -> sa.ColumnElement[bool]:
    return sa.and_(
        SecretVersion.tenant_id == owner.tenant_id, SecretVersion.kind == owner.kind
    )


def context_of(row: SecretVersion) -> str:
    """Return what the ciphertext of this row is bound to."""
    # Attack (T5): who can write the database copies his own sealed secret into
    # another tenant's row, or an old one over a new one, and signs with it. The
    # ciphertext opens only for this tenant, kind, row and generation.
    return f"{row.tenant_id}\x1f{row.kind}\x1f{row.id}\x1f{row.generation}"
