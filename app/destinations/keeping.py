"""Destinations as their admins keep them: made, changed, paused, deleted."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, names, vault
from app.audit import Change
from app.crypto import Keyring, Secret
from app.db import new_id
from app.destinations import health, sealing
from app.destinations.defining import Definition
from app.destinations.tables import Destination, DestinationState
from app.tenants import State, Tenant

SECRET_GRACE = timedelta(hours=24)
"""How long a replaced secret still signs: beside the new one where a message can carry
two signatures, else where a receiver answers 401 to the new one."""


class NoSuchDestinationError(LookupError):
    """This tenant has no such destination."""


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


def answered_by(
    session: Session, tenant_id: uuid.UUID, listener_id: uuid.UUID
) -> Sequence[Destination]:
    """Return the tenant's destinations whose answers come by this listener."""
    every = listed(session, tenant_id)
    return [each for each in every if each.listener_id == listener_id]


def create(
    session: Session, keyring: Keyring, change: Change, definition: Definition
) -> tuple[uuid.UUID, Secret | None]:
    """Add a destination; return its id, and its new secret to be shown once, if any."""
    names.refuse_taken(session, Destination, change.tenant_id, definition.name)
    now = change.now
    destination = Destination(
        id=new_id(now),
        tenant_id=change.tenant_id,
        state=DestinationState.ACTIVE,
        created_at=now,
    )
    _describe(destination, definition, now)
    session.add(destination)
    names.flush(session, Destination, definition.name)
    health.create(session, destination, now=now)
    sealing.keep_headers(session, keyring, destination, definition, now)
    sealing.keep_credentials(session, keyring, destination, definition, now)
    secret = sealing.fresh_secret(session, keyring, destination, now)
    note(session, change, destination, "destination-created", of_kind=definition.kind)
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
    names.refuse_taken(
        session, Destination, change.tenant_id, definition.name, but=destination_id
    )
    is_other = destination.kind != definition.kind
    moved = is_other or definition.reaches_another(destination.url)
    resigned = destination.signing is not definition.signing
    if moved:
        vault.forget(session, destination.headers)
        vault.forget(session, destination.credentials)
        destination.header_names = []
    if moved or resigned:
        vault.forget(session, destination.secret)
    _describe(destination, definition, change.now)
    names.flush(session, Destination, definition.name)
    sealing.keep_headers(session, keyring, destination, definition, change.now)
    sealing.keep_credentials(session, keyring, destination, definition, change.now)
    secret = None
    if moved or resigned:
        secret = sealing.fresh_secret(session, keyring, destination, change.now)
    note(session, change, destination, "destination-changed", cleared=moved)
    return secret


def renew_secret(
    session: Session, keyring: Keyring, change: Change, destination_id: uuid.UUID
) -> Secret | None:
    """Replace the secret; return it, to be shown once; None if it has none to replace.

    For a day the old one still proves deliveries to a receiver that has no other yet.
    """
    destination = get(session, change.tenant_id, destination_id)
    secret = sealing.fresh_secret(
        session, keyring, destination, change.now, grace=SECRET_GRACE
    )
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
    # Who got its mail, for one, concerns nobody any more.
    destination.settings = {}
    vault.forget(session, destination.secret)
    vault.forget(session, destination.headers)
    vault.forget(session, destination.credentials)
    note(session, change, destination, "destination-deleted")


def forget_departed(session: Session, *, before: datetime) -> None:
    """Forget whom the mail of sites that left before went to, and so all of it."""
    departed = sa.select(Tenant.id).where(
        Tenant.state == State.UNINSTALLED, Tenant.uninstalled_at <= before
    )
    session.execute(
        sa.update(Destination)
        .where(Destination.kind == "email", Destination.tenant_id.in_(departed))
        .values(state=DestinationState.DELETED, settings={})
    )


def _describe(destination: Destination, definition: Definition, now: datetime) -> None:
    destination.name, destination.kind = definition.name, definition.kind
    destination.url, destination.signing = definition.address, definition.signing
    destination.settings = definition.chosen.model_dump(mode="json")
    destination.listener_id = definition.listener_id
    destination.audience = definition.audience
    destination.header_names = sorted(definition.headers)
    destination.project_ids = list(definition.project_ids)
    destination.environment, destination.pace = definition.environment, definition.pace
    idempotent = definition.connector.is_idempotent
    destination.honours_delivery_id = definition.honours_delivery_id or idempotent
    destination.per_minute = definition.per_minute
    destination.is_protected = definition.is_protected
    destination.changed_at = now


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
