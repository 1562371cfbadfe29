"""Keys come, take turns and go: on schedule, on demand, and in an emergency."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, vault
from app.crypto import KeyPair, Keyring, make_key_pair
from app.db import insert_once, new_id
from app.keys.tables import KeyState, NoKeyError, SigningKey
from app.tokens import ours


class TooSoonError(Exception):
    """The next key is not published long enough. `ready_at` says when it will be."""

    def __init__(self, ready_at: datetime) -> None:
        super().__init__(f"the next key may sign from {ready_at:%Y-%m-%d %H:%M} UTC on")
        self.ready_at = ready_at


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Whose keys change, who says so and when, and what the new ones are."""

    tenant_id: uuid.UUID
    actor: str
    now: datetime
    fresh: Sequence[KeyPair]


def make(count: int) -> list[KeyPair]:
    """Make pairs to hand to the functions below; slow, so outside any transaction."""
    return [make_key_pair() for _ in range(count)]


def ensure(session: Session, keyring: Keyring, rotation: Rotation) -> None:
    """Give a tenant its first two keys; nothing happens if it has them.

    The first one signs at once: nobody can remember a key set that was empty.
    """
    first, second = rotation.fresh
    if _add(session, keyring, rotation, KeyState.ACTIVE, first):
        _add(session, keyring, rotation, KeyState.NEXT, second)
        _note(session, rotation, "key-created")


def rotate(
    session: Session, keyring: Keyring, rotation: Rotation, *, publish: timedelta
) -> None:
    """Let the next key sign from now on; a receiver that looks in time refuses none.

    Raise `TooSoonError` while the next key is published for less than `publish`, and
    `NoKeyError` for a tenant without keys. Takes one fresh pair.
    """
    waiting = _get(session, rotation, KeyState.NEXT)
    if waiting.published_at + publish > rotation.now:
        raise TooSoonError(waiting.published_at + publish)
    active = _get(session, rotation, KeyState.ACTIVE)
    _retire(session, active, rotation.now)
    _promote(session, keyring, rotation, waiting)
    _note(session, rotation, "key-rotated", key=str(waiting.id), retired=str(active.id))


def revoke_active(session: Session, keyring: Keyring, rotation: Rotation) -> None:
    """Emergency: the active key leaves the key set at once, and the next one signs.

    Receivers that remember our key set take tokens of the revoked key until they look
    again. Takes one fresh pair.
    """
    waiting = _get(session, rotation, KeyState.NEXT)
    active = _get(session, rotation, KeyState.ACTIVE)
    _revoke(session, active, rotation.now)
    _promote(session, keyring, rotation, waiting)
    _note(session, rotation, "key-revoked", key=str(active.id), scope="active")


def revoke_all(session: Session, keyring: Keyring, rotation: Rotation) -> None:
    """Emergency: no key of before counts any more; two new ones take their place.

    Receivers refuse our deliveries until they read the new key set. Takes two fresh
    pairs.
    """
    rows = session.scalars(
        sa.select(SigningKey)
        .where(
            SigningKey.tenant_id == rotation.tenant_id,
            SigningKey.state != KeyState.REVOKED,
        )
        .with_for_update()
    ).all()
    for row in rows:
        _revoke(session, row, rotation.now)
    first, second = rotation.fresh
    _add(session, keyring, rotation, KeyState.ACTIVE, first)
    _add(session, keyring, rotation, KeyState.NEXT, second)
    _note(session, rotation, "key-revoked", scope="all")


def end(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Let no key of a tenant that left sign again; it may come back, to new ones.

    Its last tokens can be checked until they expire.
    """
    if (active := _find(session, tenant_id, KeyState.ACTIVE)) is not None:
        _retire(session, active, now)
    if (waiting := _find(session, tenant_id, KeyState.NEXT)) is not None:
        _revoke(session, waiting, now)


def _retire(session: Session, key: SigningKey, now: datetime) -> None:
    key.state, key.ended_at = KeyState.RETIRING, now
    # What signs no more is destroyed; the public half is all that is still needed.
    vault.forget(session, key.owner)
    session.flush()  # before its successor: only one may be active


def _revoke(session: Session, key: SigningKey, now: datetime) -> None:
    key.state, key.ended_at = KeyState.REVOKED, now
    vault.forget(session, key.owner)
    session.flush()


def _promote(
    session: Session, keyring: Keyring, rotation: Rotation, waiting: SigningKey
) -> None:
    waiting.state, waiting.active_at = KeyState.ACTIVE, rotation.now
    session.flush()
    _add(session, keyring, rotation, KeyState.NEXT, rotation.fresh[0])


def _add(
    session: Session,
    keyring: Keyring,
    rotation: Rotation,
    state: KeyState,
    pair: KeyPair,
) -> bool:
    """Add a key; return False if the tenant has one of that state."""
    now, key_id = rotation.now, new_id(rotation.now)
    jwk = {
        **pair.public,
        "kid": str(key_id),
        "use": "sig",
        "alg": ours.DELIVERY_ALGORITHM,
    }
    values = {
        "id": key_id,
        "tenant_id": rotation.tenant_id,
        "state": state,
        "public_jwk": json.dumps(jwk),
        "published_at": now,
        "active_at": now if state is KeyState.ACTIVE else None,
    }
    if insert_once(session, SigningKey, values) is None:
        return False
    owner = session.get_one(SigningKey, key_id).owner
    vault.put(session, keyring, owner, pair.private, now=now)
    return True


def _find(session: Session, tenant_id: uuid.UUID, state: KeyState) -> SigningKey | None:
    return session.scalar(
        sa.select(SigningKey)
        .where(SigningKey.tenant_id == tenant_id, SigningKey.state == state)
        .with_for_update()
    )


def _get(session: Session, rotation: Rotation, state: KeyState) -> SigningKey:
    key = _find(session, rotation.tenant_id, state)
    if key is None:
        raise NoKeyError(rotation.tenant_id)
    return key


def _note(
    session: Session, rotation: Rotation, kind: str, **detail: audit.Value
) -> None:
    tenant_id, actor, now = rotation.tenant_id, rotation.actor, rotation.now
    audit.record(session, tenant_id, kind, actor=actor, now=now, **detail)
