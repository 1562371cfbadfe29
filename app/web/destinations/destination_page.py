"""What pages show of destinations: how each is, and never what it is trusted with."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app import destinations, vault
from app.destinations import (
    Connector,
    Destination,
    DestinationHealth,
    DestinationState,
    Pace,
    Signing,
    connector_of,
    health,
)
from app.runs.lately import attempts_at
from app.vault import Version
from app.web.destinations.causes import PERIOD, Lately, lately
from app.web.words import Shown


@dataclass(frozen=True, kw_only=True)
class ShownDestination:
    """One destination at one moment, without a credential (rule T8)."""

    id: uuid.UUID
    name: str
    state: DestinationState
    disabled_because: str | None
    kind: str
    settings: Mapping[str, Any]
    listener_id: uuid.UUID | None
    is_trusted: bool
    """Its credentials are there, where its kind needs some."""
    url: str
    signing: Signing
    audience: str
    header_names: Sequence[str]
    project_ids: Sequence[str]
    environment: str
    pace: Pace
    honours_delivery_id: bool
    per_minute: int
    is_protected: bool
    succeeded_at: datetime | None
    failing_since: datetime | None
    open_until: datetime | None
    """Until when nothing is sent, because it failed; only while that lies ahead."""
    secret: Version | None
    """The newest, without its value; none if it is signed by the site's keys."""
    old_secret: Version | None
    """The one before, while it still signs along."""
    approved: frozenset[str]
    """Hashes of the rules that an admin let use it."""

    @property
    def connector(self) -> Connector[Any, Any]:
        """What knows its kind."""
        return connector_of(self.kind)

    @property
    def place(self) -> str:
        """What people call it; of an address its host, as more may be a credential."""
        if self.connector.mints:
            return urlsplit(self.url).netloc
        form = self.connector.settings_form
        return self.connector.place(form.model_validate(self.settings))

    @property
    def has_trial(self) -> bool:
        """Its test begins nothing."""
        form = self.connector.settings_form
        return self.connector.has_trial(form.model_validate(self.settings))

    @property
    def standing(self) -> Shown:
        """How it is, in two words."""
        return standing(
            self.state, self.open_until, self.failing_since, self.succeeded_at
        )


def standing(
    state: DestinationState,
    open_until: datetime | None,
    failing_since: datetime | None,
    succeeded_at: datetime | None,
) -> Shown:
    """Say how a destination is, in two words; `open_until` only if it lies ahead."""
    if state in _STATES:
        return _STATES[state]
    if open_until:
        return Shown("Not reached now", "danger")
    if failing_since:
        return Shown("Failing", "warning")
    if succeeded_at:
        return Shown("Working", "success")
    return Shown("Not used yet", "information")


def listed(
    session: Session, tenant_id: uuid.UUID, *, now: datetime
) -> list[ShownDestination]:
    """Return the tenant's destinations by name."""
    states = health.find(session, tenant_id)
    return [
        _shown(session, row, states[row.id], now)
        for row in destinations.listed(session, tenant_id)
    ]


def get(
    session: Session, tenant_id: uuid.UUID, destination_id: uuid.UUID, *, now: datetime
) -> ShownDestination:
    """Return one; raise `NoSuchDestinationError` for another tenant's (rule T5)."""
    row = destinations.get(session, tenant_id, destination_id)
    state = session.get_one(DestinationHealth, row.id)
    return _shown(session, row, state, now)


def went(
    session: Session, tenant_id: uuid.UUID, destination_id: uuid.UUID, *, now: datetime
) -> Lately:
    """Return how the latest attempts at it went."""
    since = now - PERIOD
    return lately(attempts_at(session, tenant_id, destination_id, since=since))


def _shown(
    session: Session, row: Destination, state: DestinationHealth, now: datetime
) -> ShownDestination:
    is_open = state.open_until is not None and state.open_until > now
    newest, old = _secrets(session, row, now)
    return ShownDestination(
        id=row.id,
        name=row.name,
        state=row.state,
        disabled_because=row.disabled_because,
        kind=row.kind,
        settings=row.settings,
        listener_id=row.listener_id,
        is_trusted=bool(vault.versions(session, row.credentials)),
        url=row.url,
        signing=row.signing,
        audience=row.audience,
        header_names=tuple(row.header_names),
        project_ids=tuple(row.project_ids),
        environment=row.environment,
        pace=row.pace,
        honours_delivery_id=row.honours_delivery_id,
        per_minute=row.per_minute,
        is_protected=row.is_protected,
        succeeded_at=state.succeeded_at,
        failing_since=state.failing_since,
        open_until=state.open_until if is_open else None,
        secret=newest,
        old_secret=old,
        approved=destinations.approved(session, row),
    )


def _secrets(
    session: Session, row: Destination, now: datetime
) -> tuple[Version | None, Version | None]:
    """Return its secret, and the one before it if that still counts."""
    if not connector_of(row.kind).mints or row.signing is Signing.KEY_SET:
        return None, None
    return vault.standing(session, row.secret, now=now)


_STATES = {
    DestinationState.PAUSED: Shown("Paused", "neutral"),
    DestinationState.DISABLED: Shown("Disabled", "danger"),
}

SIGNINGS: Mapping[Signing, tuple[str, str]] = {
    Signing.KEY_SET: (
        "By this site's signing keys",
        "A token (RS256). The receiver finds our keys and stores no secret at all.",
    ),
    Signing.SECRET: (
        "By a secret of this destination alone",
        "The same token, signed with a secret that both sides keep (HS256).",
    ),
    Signing.WEBHOOK: (
        "As Standard Webhooks",
        "No token: a signature of the message, by a secret that both sides keep.",
    ),
}
"""How a delivery can be signed: its name, and what it means."""

PACES: Mapping[Pace, tuple[str, str]] = {
    Pace.NOTIFY: ("For a day", "Late news is still news."),
    Pace.DEPLOY: ("For a quarter of an hour", "A deployment hours late is harm."),
}
"""How long a delivery that fails is tried again."""
