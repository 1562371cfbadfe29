"""What pages show of destinations: how each is, and never what it is trusted with."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app import destinations, vault
from app.destinations import (
    Destination,
    DestinationHealth,
    DestinationState,
    Pace,
    Signing,
    health,
)
from app.vault import Age
from app.web.words import Shown


@dataclass(frozen=True, kw_only=True)
class ShownDestination:
    """One destination at one moment, without a credential (rule T8)."""

    id: uuid.UUID
    name: str
    state: DestinationState
    disabled_because: str | None
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
    secret: Age | None
    approved: frozenset[str]
    """Hashes of the rules that an admin let use it."""

    @property
    def place(self) -> str:
        """Its host; what stands behind that is a credential at some receivers."""
        return urlsplit(self.url).netloc

    @property
    def standing(self) -> Shown:
        """How it is, in two words."""
        if self.state in _STATES:
            return _STATES[self.state]
        if self.open_until:
            return Shown("Not reached now", "danger")
        if self.failing_since:
            return Shown("Failing", "warning")
        if self.succeeded_at:
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


def _shown(
    session: Session, row: Destination, state: DestinationHealth, now: datetime
) -> ShownDestination:
    is_open = state.open_until is not None and state.open_until > now
    by_key = row.signing is Signing.KEY_SET
    return ShownDestination(
        id=row.id,
        name=row.name,
        state=row.state,
        disabled_because=row.disabled_because,
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
        secret=None if by_key else vault.newest(session, row.secret),
        approved=destinations.approved(session, row),
    )


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
