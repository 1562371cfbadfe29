"""Whether a call at a listener's address is its caller's: the steps, in their order."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import tenants, vault
from app.crypto import Keyring
from app.listeners.defining import (
    Definition,
    Federated,
    JwksProof,
    OidcProof,
    PublicKeyProof,
    SecretProof,
    Tokened,
)
from app.listeners.keysets import KeySets, KeySource
from app.listeners.presets import GitHubProof, GitLabProof
from app.listeners.tables import Listener, ListenerState, Proof
from app.listeners.transitions import (
    TransitionKeyProof,
    TransitionSecretProof,
    WebhookProof,
)
from app.tenants import Tenant
from app.tokens import listener, public_keys, webhook
from app.tokens.checks import Reason, Refused, Unverified
from app.tokens.listener import Expected, Heard
from app.tokens.public_keys import PublicKey
from app.vault import Opened

DEFINITIONS: Mapping[Proof, type[Definition]] = {
    each.proof: each
    for each in (
        GitHubProof,
        GitLabProof,
        OidcProof,
        JwksProof,
        PublicKeyProof,
        SecretProof,
        WebhookProof,
        TransitionSecretProof,
        TransitionKeyProof,
    )
}
"""The model of each kind of proof, in the order in which a form offers them."""


@dataclass(frozen=True, kw_only=True)
class Called:
    """A listener that may be called now, and what would prove its caller."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    name: str
    definition: Definition
    secrets: Sequence[Opened] = field(default=(), repr=False)


def definition_of(row: Listener) -> Definition:
    """Return what its admin said of it."""
    values: dict[str, Any] = row.settings | {"name": row.name}
    return DEFINITIONS[row.proof].model_validate(values)


def open_called(
    session: Session, keyring: Keyring, listener_id: uuid.UUID, *, now: datetime
) -> Called:
    """Return the listener of this address; raise `Refused` if none may be called.

    Whose it is, only its id says: nothing else of the call is believed yet.
    """
    row = session.scalar(sa.select(Listener).where(Listener.id == listener_id))
    if row is None or row.state is ListenerState.DELETED:
        raise Refused(Reason.UNKNOWN_LISTENER, str(listener_id))
    tenants.refuse_inactive(session.get_one(Tenant, row.tenant_id))
    if row.state is ListenerState.PAUSED:
        raise Refused(Reason.LISTENER_PAUSED, row.name)
    return Called(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        definition=definition_of(row),
        secrets=vault.accepted(session, keyring, row.secret, now=now),
    )


@dataclass(frozen=True, kw_only=True)
class Call:
    """What came, and to which address."""

    body: bytes
    url: str
    """The listener's own, as it is written in `aud`."""
    token: Unverified | None = None
    signature: str = ""
    """Of a webhook: what its header says of its body."""


def judge(called: Called, call: Call, key_sets: KeySets, *, now: datetime) -> Heard:
    """Return what the token says; raise `Refused` unless it is this listener's.

    May ask the issuer for its keys, so not inside a transaction; raises
    `KeySetsAwayError` while it does not answer.
    """
    definition, token, body = called.definition, call.token, call.body
    if isinstance(definition, WebhookProof):
        return webhook.verify(
            call.signature, called.secrets, body=body, listener=call.url, now=now
        )
    if token is None or not isinstance(definition, Tokened):
        raise Refused(Reason.MISSING)
    expected = definition.expected(call.url)
    if isinstance(definition, Federated):
        source = definition.key_source(called.tenant_id)
        asked = _Asked(source=source, expected=expected, key_sets=key_sets)
        key = asked.key(token, body, now=now)
    elif isinstance(definition, PublicKeyProof | TransitionKeyProof):
        key = public_keys.read_key(definition.public_key)
    else:
        return listener.verify_secret(
            token, called.secrets, expected, body=body, now=now
        )
    return listener.verify(token, key, expected, body=body, now=now)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The keys of an issuer, for one token."""

    source: KeySource
    expected: Expected
    key_sets: KeySets

    def key(self, token: Unverified, body: bytes, *, now: datetime) -> PublicKey:
        """Return the key that the token names.

        One that is at hand judges first, so that a mistake of the caller's own is shown
        to his tenant as such. Nobody is asked before all that needs no key is right.
        """
        key_id = public_keys.key_id(token)
        at_hand = self.key_sets.find(self.source, key_id)
        if at_hand is not None:
            return at_hand
        listener.precheck(token, self.expected, body=body, now=now)
        return self.key_sets.get(self.source, key_id)
