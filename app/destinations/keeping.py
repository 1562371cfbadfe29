"""Destinations as their admins keep them: made, changed, paused, deleted."""

import base64
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, vault
from app.crypto import Keyring, Secret
from app.db import new_id
from app.destinations import health, sending
from app.destinations.defining import Definition, reaches_another
from app.destinations.tables import Destination, DestinationState, Signing

SECRET_GRACE = timedelta(hours=24)
"""How long a replaced secret still signs beside the new one, where both can."""


class NoSuchDestinationError(LookupError):
    """This tenant has no such destination."""


class NameTakenError(ValueError):
    """Another destination of this tenant has this name."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Who changes something, and when."""

    tenant_id: uuid.UUID
    actor: str
    now: datetime


def get(
    session: Session, tenant_id: uuid.UUID, destination_id: uuid.UUID
) -> Destination:
    """Return the tenant's destination; or raise `NoSuchDestinationError` (T5)."""
    found = find(session, tenant_id, destination_id)
    if found is None:
        raise NoSuchDestinationError(destination_id)
    return found


def find(
    session: Session, tenant_id: uuid.UUID, destination_id: uuid.UUID
) -> Destination | None:
    """Return the tenant's destination, if it has one of this id and not deleted it."""
    return session.scalar(
        sa.select(Destination).where(
            Destination.tenant_id == tenant_id,
            Destination.id == destination_id,
            Destination.state != DestinationState.DELETED,
        )
    )


def listed(session: Session, tenant_id: uuid.UUID) -> Sequence[Destination]:
    """Return the tenant's destinations by name."""
    return session.scalars(
        sa.select(Destination)
        .where(
            Destination.tenant_id == tenant_id,
            Destination.state != DestinationState.DELETED,
        )
        .order_by(Destination.name, Destination.id)
    ).all()


def create(
    session: Session, keyring: Keyring, change: Change, definition: Definition
) -> tuple[uuid.UUID, Secret | None]:
    """Add a destination; return its id, and its new secret to be shown once, if any."""
    _refuse_taken(session, change.tenant_id, definition.name, None)
    now = change.now
    destination = Destination(
        id=new_id(now),
        tenant_id=change.tenant_id,
        state=DestinationState.ACTIVE,
        created_at=now,
    )
    _describe(destination, definition, now)
    session.add(destination)
    session.flush()
    health.create(session, destination, now=now)
    _keep_headers(session, keyring, destination, definition, now)
    secret = _fresh_secret(session, keyring, destination, now)
    note(session, change, destination, "destination-created")
    return destination.id, secret


def change_to(
    session: Session,
    keyring: Keyring,
    change: Change,
    destination_id: uuid.UUID,
    definition: Definition,
) -> Secret | None:
    """Change a destination; return a new secret to be shown once, if it needs one.

    Attack (T8): another scheme, host, port or kind is another receiver, and must not
    be sent what the one before was trusted with: secret and headers are cleared.
    """
    destination = get(session, change.tenant_id, destination_id)
    _refuse_taken(session, change.tenant_id, definition.name, destination_id)
    # There is one kind so far; another one would be another receiver, too.
    moved = reaches_another(destination.url, definition.url)
    resigned = destination.signing is not definition.signing
    if moved:
        vault.forget(session, destination.headers)
        destination.header_names = []
    if moved or resigned:
        vault.forget(session, destination.secret)
    _describe(destination, definition, change.now)
    _keep_headers(session, keyring, destination, definition, change.now)
    secret = None
    if moved or resigned:
        secret = _fresh_secret(session, keyring, destination, change.now)
    note(session, change, destination, "destination-changed", cleared=moved)
    return secret


def renew_secret(
    session: Session, keyring: Keyring, change: Change, destination_id: uuid.UUID
) -> Secret | None:
    """Replace the secret; return it, to be shown once; None if it has none to replace.

    With Standard Webhooks the old one still signs beside it for a day.
    """
    destination = get(session, change.tenant_id, destination_id)
    two = destination.signing is Signing.WEBHOOK
    grace = SECRET_GRACE if two else timedelta(0)
    secret = _fresh_secret(session, keyring, destination, change.now, grace=grace)
    if secret is not None:
        note(session, change, destination, "destination-secret-renewed")
    return secret


def pause(session: Session, change: Change, destination_id: uuid.UUID) -> None:
    """Let deliveries to it wait."""
    destination = get(session, change.tenant_id, destination_id)
    destination.state, destination.changed_at = DestinationState.PAUSED, change.now
    note(session, change, destination, "destination-paused")


def resume(session: Session, change: Change, destination_id: uuid.UUID) -> None:
    """Let deliveries go again, with a clean record, after a pause or our disabling."""
    destination = get(session, change.tenant_id, destination_id)
    destination.state, destination.changed_at = DestinationState.ACTIVE, change.now
    destination.disabled_because = None
    row = health.locked(session, destination)
    row.failures = row.denials = row.open_for = 0
    row.open_until = row.failing_since = None
    note(session, change, destination, "destination-resumed")


def disable(
    session: Session, destination: Destination, because: str, *, now: datetime
) -> None:
    """Send it nothing more until an admin resumes it; `because` is for them."""
    destination.state, destination.changed_at = DestinationState.DISABLED, now
    destination.disabled_because = because
    change = Change(tenant_id=destination.tenant_id, actor="countersign", now=now)
    note(session, change, destination, "destination-disabled", because=because)


def delete(session: Session, change: Change, destination_id: uuid.UUID) -> None:
    """Delete it and forget its secrets; runs that name it still can."""
    destination = get(session, change.tenant_id, destination_id)
    destination.state, destination.changed_at = DestinationState.DELETED, change.now
    vault.forget(session, destination.secret)
    vault.forget(session, destination.headers)
    note(session, change, destination, "destination-deleted")


def _describe(destination: Destination, definition: Definition, now: datetime) -> None:
    destination.name, destination.kind = definition.name, definition.kind
    destination.url, destination.signing = definition.url, definition.signing
    destination.audience = definition.audience
    destination.header_names = sorted(definition.headers)
    destination.project_ids = list(definition.project_ids)
    destination.environment, destination.pace = definition.environment, definition.pace
    destination.honours_delivery_id = definition.honours_delivery_id
    destination.per_minute = definition.per_minute
    destination.is_protected = definition.is_protected
    destination.changed_at = now


def _keep_headers(
    session: Session,
    keyring: Keyring,
    destination: Destination,
    definition: Definition,
    now: datetime,
) -> None:
    """Seal the new values, and of the old ones those that were not touched."""
    kept = sending.headers_of(session, keyring, destination, now=now)
    values = {
        name: kept.get(name) if value is None else value
        for name, value in definition.headers.items()
    }
    given = {name: value for name, value in values.items() if value is not None}
    destination.header_names = sorted(given)
    vault.forget(session, destination.headers)
    if given:
        sealed = Secret(json.dumps(given))
        vault.put(session, keyring, destination.headers, sealed, now=now)


def _fresh_secret(
    session: Session,
    keyring: Keyring,
    destination: Destination,
    now: datetime,
    *,
    grace: timedelta = timedelta(0),
) -> Secret | None:
    if destination.signing is Signing.KEY_SET:
        return None
    if destination.signing is Signing.SECRET:
        secret = Secret(secrets.token_urlsafe(32))
    else:
        text = base64.b64encode(secrets.token_bytes(32)).decode()
        secret = Secret(f"whsec_{text}")
    vault.put(session, keyring, destination.secret, secret, now=now, grace=grace)
    return secret


def _refuse_taken(
    session: Session, tenant_id: uuid.UUID, name: str, but: uuid.UUID | None
) -> None:
    other = session.scalar(
        sa.select(Destination.id).where(
            Destination.tenant_id == tenant_id,
            Destination.name == name,
            Destination.state != DestinationState.DELETED,
            Destination.id != but if but else sa.true(),
        )
    )
    if other is not None:
        raise NameTakenError(f"another destination is called “{name}”")


def note(
    session: Session,
    change: Change,
    destination: Destination,
    kind: str,
    **detail: audit.Value,
) -> None:
    """Append to the tenant's history what became of one of its destinations."""
    audit.record(
        session,
        change.tenant_id,
        kind,
        actor=change.actor,
        now=change.now,
        destination=str(destination.id),
        name=destination.name,
        **detail,
    )
