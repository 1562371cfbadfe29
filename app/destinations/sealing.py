"""Seals what a destination is trusted with: it goes in, and is never shown (T8)."""

import base64
import json
import secrets
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import vault
from app.crypto import Keyring, Secret
from app.destinations import opening
from app.destinations.connectors import connector_of
from app.destinations.defining import Definition
from app.destinations.tables import Destination, Signing


class NoCredentialError(ValueError):
    """A credential is needed and was neither given nor kept. `key` says which."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is missing")
        self.key = key


def keep_headers(
    session: Session,
    keyring: Keyring,
    destination: Destination,
    definition: Definition,
    now: datetime,
) -> None:
    """Seal the new values, and of the old ones those that were not touched."""
    kept = opening.headers_of(session, keyring, destination, now=now)
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


def keep_credentials(
    session: Session,
    keyring: Keyring,
    destination: Destination,
    definition: Definition,
    now: datetime,
) -> None:
    """Seal the new values, and of the old ones those that were not touched.

    Raise `NoCredentialError` if one is needed and there is none.
    """
    form = definition.connector.credentials_form
    opened = vault.accepted(session, keyring, destination.credentials, now=now)
    kept: dict[str, str] = json.loads(opened[0].secret.reveal()) if opened else {}
    given = {name: text for name, text in definition.credentials.items() if text}
    values = {name: text for name, text in kept.items() if name in form.model_fields}
    values |= given
    for name, described in form.model_fields.items():
        if described.is_required() and not values.get(name):
            raise NoCredentialError(f"credentials.{name}")
    if given or not form.model_fields:
        vault.forget(session, destination.credentials)
    if given:
        sealed = Secret(json.dumps(values))
        vault.put(session, keyring, destination.credentials, sealed, now=now)


def fresh_secret(
    session: Session,
    keyring: Keyring,
    destination: Destination,
    now: datetime,
    *,
    grace: timedelta = timedelta(0),
) -> Secret | None:
    mints = connector_of(destination.kind).mints
    if not mints or destination.signing is Signing.KEY_SET:
        return None
    if destination.signing is Signing.SECRET:
        secret = Secret(secrets.token_urlsafe(32))
    else:
        text = base64.b64encode(secrets.token_bytes(32)).decode()
        secret = Secret(f"whsec_{text}")
    vault.put(session, keyring, destination.secret, secret, now=now, grace=grace)
    return secret
