"""Listeners as their admins keep them: made, changed, paused, deleted."""

import secrets
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, names, vault
from app.audit import Change
from app.crypto import Keyring, Secret
from app.db import new_id
from app.listeners.defining import Definition
from app.listeners.tables import Listener, ListenerState

SECRET_GRACE = timedelta(hours=24)
"""How long a replaced secret is still accepted beside the new one."""


MOST = 100
"""Listeners of one tenant. Attack: each may have a host of its own that we ask."""


class TooManyListenersError(ValueError):
    """This tenant has as many as it may. The message is for an admin."""


class NoSuchListenerError(LookupError):
    """This tenant has no such listener."""


def url_of(base_url: str, listener_id: uuid.UUID) -> str:
    """Return where a listener is called, which is also the `aud` of its tokens."""
    return f"{base_url}/listeners/{listener_id}"


def named(
    session: Session, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, str]:
    """Return what the tenant's own are called, those too that were deleted."""
    wanted = sa.select(Listener.id, Listener.name).where(
        Listener.tenant_id == tenant_id, Listener.id.in_(ids)
    )
    return {row.id: row.name for row in session.execute(wanted)}


def get(session: Session, tenant_id: uuid.UUID, listener_id: uuid.UUID) -> Listener:
    """Return the tenant's listener; or raise `NoSuchListenerError` (rule T5)."""
    found = find(session, tenant_id, listener_id)
    if found is None:
        raise NoSuchListenerError(listener_id)
    return found


def find(
    session: Session, tenant_id: uuid.UUID, listener_id: uuid.UUID
) -> Listener | None:
    """Return the tenant's listener, if it has one of this id and not deleted it."""
    return session.scalar(
        sa.select(Listener).where(
            Listener.tenant_id == tenant_id,
            Listener.id == listener_id,
            Listener.state != ListenerState.DELETED,
        )
    )


def listed(session: Session, tenant_id: uuid.UUID) -> Sequence[Listener]:
    """Return the tenant's listeners by name."""
    return session.scalars(
        sa.select(Listener)
        .where(Listener.tenant_id == tenant_id, Listener.state != ListenerState.DELETED)
        .order_by(Listener.name, Listener.id)
    ).all()


def create(
    session: Session, keyring: Keyring, change: Change, definition: Definition
) -> tuple[uuid.UUID, Secret | None]:
    """Add a listener; return its id, and its new secret to be shown once, if any.

    Raise `NameTakenError` or `TooManyListenersError`.
    """
    if len(listed(session, change.tenant_id)) >= MOST:
        raise TooManyListenersError(
            f"A site has at most {MOST} listeners: delete one that is not needed"
        )
    names.refuse_taken(session, Listener, change.tenant_id, definition.name)
    listener = Listener(
        id=new_id(change.now),
        tenant_id=change.tenant_id,
        state=ListenerState.ACTIVE,
        created_at=change.now,
    )
    _describe(listener, definition, change.now)
    session.add(listener)
    names.flush(session, Listener, definition.name)
    secret = _fresh_secret(session, keyring, listener, change.now)
    note(session, change, listener, "listener-created", proof=listener.proof)
    return listener.id, secret


def change_to(
    session: Session,
    keyring: Keyring,
    change: Change,
    listener_id: uuid.UUID,
    definition: Definition,
) -> Secret | None:
    """Change a listener; return a new secret to be shown once, if it needs one.

    Attack (T8): another proof or issuer is another caller, and must not be let in by
    what the one before was trusted with: the secret is cleared.
    """
    listener = get(session, change.tenant_id, listener_id)
    names.refuse_taken(
        session, Listener, change.tenant_id, definition.name, but=listener_id
    )
    another = (listener.proof, listener.settings.get("issuer")) != (
        definition.proof,
        definition.settings.get("issuer"),
    )
    _describe(listener, definition, change.now)
    names.flush(session, Listener, definition.name)
    secret = None
    if another:
        vault.forget(session, listener.secret)
        secret = _fresh_secret(session, keyring, listener, change.now)
    note(
        session,
        change,
        listener,
        "listener-changed",
        proof=listener.proof,
        cleared=another,
    )
    return secret


def renew_secret(
    session: Session,
    keyring: Keyring,
    change: Change,
    listener_id: uuid.UUID,
    *,
    grace: timedelta = SECRET_GRACE,
) -> Secret | None:
    """Replace the secret; return it, to be shown once; None if it has none to replace.

    The old one opens for `grace` beside it. Without any, nothing but the new one does:
    that is for a secret that somebody else has seen.
    """
    listener = get(session, change.tenant_id, listener_id)
    if not grace:
        vault.expire(session, listener.secret, at=change.now)
    secret = _fresh_secret(session, keyring, listener, change.now, grace=grace)
    if secret is not None:
        hours = int(grace.total_seconds() // 3600)
        note(session, change, listener, "listener-secret-renewed", grace_hours=hours)
    return secret


def pause(session: Session, change: Change, listener_id: uuid.UUID) -> None:
    """Refuse its calls."""
    listener = get(session, change.tenant_id, listener_id)
    listener.state, listener.changed_at = ListenerState.PAUSED, change.now
    note(session, change, listener, "listener-paused")


def resume(session: Session, change: Change, listener_id: uuid.UUID) -> None:
    """Let it in again."""
    listener = get(session, change.tenant_id, listener_id)
    listener.state, listener.changed_at = ListenerState.ACTIVE, change.now
    note(session, change, listener, "listener-resumed")


def delete(session: Session, change: Change, listener_id: uuid.UUID) -> None:
    """Delete it and forget its secret; its address opens nothing ever again."""
    listener = get(session, change.tenant_id, listener_id)
    listener.state, listener.changed_at = ListenerState.DELETED, change.now
    vault.forget(session, listener.secret)
    note(session, change, listener, "listener-deleted")


def note_heard(
    session: Session, tenant_id: uuid.UUID, listener_id: uuid.UUID, *, now: datetime
) -> None:
    """Remember that it brought a good token just now."""
    listener = find(session, tenant_id, listener_id)
    if listener is not None:
        listener.heard_at = now


def _describe(listener: Listener, definition: Definition, now: datetime) -> None:
    listener.name, listener.proof = definition.name, definition.proof
    listener.settings = definition.settings
    listener.changed_at = now


def _fresh_secret(
    session: Session,
    keyring: Keyring,
    listener: Listener,
    now: datetime,
    *,
    grace: timedelta = timedelta(0),
) -> Secret | None:
    if not listener.proof.has_secret:
        return None
    secret = Secret(secrets.token_urlsafe(32))
    vault.put(session, keyring, listener.secret, secret, now=now, grace=grace)
    return secret


def note(
    session: Session,
    change: Change,
    listener: Listener,
    kind: str,
    **detail: audit.Value,
) -> None:
    """Append to the tenant's history what became of one of its listeners."""
    audit.record(
        session,
        change.tenant_id,
        kind,
        actor=change.actor,
        now=change.now,
        listener=str(listener.id),
        name=listener.name,
        **detail,
    )
