"""Opens what a destination is trusted with, for one attempt, and notes the mint."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit, keys, vault
from app.crypto import Keyring
from app.destinations.attempting import Form, Signed, Target
from app.destinations.connector import Connector
from app.destinations.connectors import connector_of
from app.destinations.tables import Destination, Signing

AnyTarget = Target[Any, Any]


def open_target(
    session: Session, keyring: Keyring, destination: Destination, *, now: datetime
) -> AnyTarget:
    """Open the destination's credentials; raise `keys.NoKeyError` if it has none."""
    tenant_id = destination.tenant_id
    connector = connector_of(destination.kind)
    opened = vault.accepted(session, keyring, destination.secret, now=now)
    by_key = connector.mints and destination.signing is Signing.KEY_SET
    if connector.mints and not by_key and not opened:
        raise keys.NoKeyError(destination.id)
    credentials = credentials_of(session, keyring, destination, now=now)
    if credentials is None:
        raise keys.NoKeyError(destination.id)
    settings = connector.settings_form.model_validate(destination.settings)
    url = destination.url
    if not connector.mints:
        url = connector.url(settings, credentials)
    return Target(
        id=destination.id,
        tenant_id=tenant_id,
        changed_at=destination.changed_at,
        url=url,
        settings=settings,
        credentials=credentials,
        signing=destination.signing,
        audience=audience_of(destination),
        headers=headers_of(session, keyring, destination, now=now),
        secrets=[version.secret for version in opened],
        signer=keys.signer(session, keyring, tenant_id, now=now) if by_key else None,
    )


def audience_of(destination: Destination) -> str:
    """Return the `aud` of its tokens: what was chosen, or the address up to its "?".

    What stands behind that may be a credential, and `aud` is in the audit (T8).
    """
    return destination.audience or destination.url.partition("?")[0]


def headers_of(
    session: Session, keyring: Keyring, destination: Destination, *, now: datetime
) -> dict[str, str]:
    """Return the values of its extra headers."""
    opened = vault.accepted(session, keyring, destination.headers, now=now)
    found: dict[str, str] = json.loads(opened[0].secret.reveal()) if opened else {}
    return found


def credentials_of(
    session: Session, keyring: Keyring, destination: Destination, *, now: datetime
) -> Form | None:
    """Return its credentials; None if they were cleared, or never given."""
    connector: Connector[Any, Any] = connector_of(destination.kind)
    opened = vault.accepted(session, keyring, destination.credentials, now=now)
    values = json.loads(opened[0].secret.reveal()) if opened else {}
    needs = any(
        f.is_required() for f in connector.credentials_form.model_fields.values()
    )
    if needs and not values:
        return None
    credentials: Form = connector.credentials_form.model_validate(values)
    return credentials


def note_mint(
    session: Session, target: AnyTarget, signed: Signed, *, actor: str, now: datetime
) -> None:
    """Write down that a token was made, in the transaction before it is sent."""
    if signed.minted is not None:
        audit.record(
            session,
            target.tenant_id,
            "token-minted",
            actor=actor,
            now=now,
            **signed.minted,
        )
