"""Which key signs, and by which keys a token may be checked."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.crypto import Keyring, Secret
from app.keys.tables import KeyState, NoKeyError, SigningKey
from app.tokens import ours
from app.tokens.checks import LEEWAY

RETIREMENT = ours.DELIVERY_LIFETIME + 2 * LEEWAY
"""How long a key that signs no more is still published: its last token's life, and what
a receiver's clock may be off."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """What signs a tenant's deliveries now."""

    key_id: str
    private_key: Secret


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """A key to look at."""

    id: uuid.UUID
    state: KeyState
    published_at: datetime
    active_at: datetime | None
    ended_at: datetime | None


def has_keys(session: Session, tenant_id: uuid.UUID) -> bool:
    """Say whether the tenant has a key that signs; if not, make two for `ensure`."""
    return _active(session, tenant_id) is not None


def signer(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> Signer:
    """Return the key that signs now; raise `NoKeyError` for a tenant without one."""
    key = _active(session, tenant_id)
    if key is None:
        raise NoKeyError(tenant_id)
    opened = vault.accepted(session, keyring, key.owner, now=now)
    return Signer(key_id=str(key.id), private_key=opened[0].secret)


def key_set(
    session: Session, tenant_id: uuid.UUID, *, now: datetime
) -> list[dict[str, Any]]:
    """Return the public keys by which a token of this tenant may be checked now."""
    rows = session.scalars(
        sa.select(SigningKey)
        .where(
            SigningKey.tenant_id == tenant_id,
            sa.or_(
                SigningKey.state.in_((KeyState.NEXT, KeyState.ACTIVE)),
                sa.and_(
                    SigningKey.state == KeyState.RETIRING,
                    SigningKey.ended_at > now - RETIREMENT,
                ),
            ),
        )
        .order_by(SigningKey.id)
    )
    return [json.loads(row.public_jwk) for row in rows]


def listed(session: Session, tenant_id: uuid.UUID) -> list[ListedKey]:
    """Return every key the tenant has or had, the newest first."""
    rows = session.scalars(
        sa.select(SigningKey)
        .where(SigningKey.tenant_id == tenant_id)
        .order_by(SigningKey.id.desc())
    )
    return [
        ListedKey(
            id=row.id,
            state=row.state,
            published_at=row.published_at,
            active_at=row.active_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


def due(
    session: Session, *, lifetime: timedelta, publish: timedelta, now: datetime
) -> list[uuid.UUID]:
    """Return the tenants whose key has signed for `lifetime` and whose next one may."""
    ready = sa.select(SigningKey.tenant_id).where(
        SigningKey.state == KeyState.NEXT, SigningKey.published_at <= now - publish
    )
    overdue = sa.select(SigningKey.tenant_id).where(
        SigningKey.state == KeyState.ACTIVE,
        SigningKey.active_at <= now - lifetime,
        SigningKey.tenant_id.in_(ready),
    )
    return list(session.scalars(overdue))


def _active(session: Session, tenant_id: uuid.UUID) -> SigningKey | None:
    return session.scalar(
        sa.select(SigningKey).where(
            SigningKey.tenant_id == tenant_id, SigningKey.state == KeyState.ACTIVE
        )
    )
