"""What pages say of a secret that is offered and to be proven, or was dropped (T4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import runs
from app.tenants import Tenant, candidates
from app.tenants.candidates import Fate
from app.web import words

TOLD = timedelta(hours=24)
"""How long the overview tells of one that was dropped; the log does so for longer."""


@dataclass(frozen=True, kw_only=True)
class OfferedSecret:
    """A secret that waits for its proof, or that was dropped without one."""

    received_at: datetime
    drop_at: datetime
    dropped_at: datetime | None
    """None while it waits."""
    doubt: str
    """What came of our last call, as a sentence; empty before there was one."""
    address: str | None
    """Where the install says that the site is, if not where we know it."""
    stored: int
    """Calls that are kept until it is proven."""

    @property
    def sentence(self) -> str:
        if self.dropped_at is None:
            return "An install brought a new secret, which is not proven yet."
        return "An install brought a new secret that Jira never answered to."

    @property
    def tone(self) -> str:
        return "information" if self.dropped_at is None else "warning"

    @property
    def since(self) -> datetime:
        return self.dropped_at or self.received_at

    @property
    def detail(self) -> str:
        if self.dropped_at is not None:
            return (
                f"{self.doubt} It was dropped after an hour, and the one before goes on"
                " to count. Installing the app again offers another one. If nobody did"
                " anything to the app, somebody may have repeated an installation: it"
                " had no effect."
            ).strip()
        return (
            f"{self.doubt} Jira is asked by calls signed with it, for an hour; there is"
            " nothing for you to do. Meanwhile the secret before goes on to count, and"
            " calls that the new one signs are stored: they are carried out once it is"
            " proven."
        ).strip()

    def next(self, site: str) -> tuple[str, str]:
        """Return what to do next, and where."""
        if self.dropped_at is None:
            return "See what it waits for", "#/keys"
        return "Install it again in Jira", f"{site}/plugins/servlet/upm"


def read(session: Session, tenant: Tenant, *, now: datetime) -> OfferedSecret | None:
    """Return the tenant's latest offer, unless it was proven."""
    row = candidates.find(session, tenant.id)
    if row is None or row.fate is Fate.PROVEN:
        return None
    # Its hour counts, also while no worker is there to drop it.
    is_late = row.fate is Fate.WAITING and row.drop_at <= now
    dropped_at = row.drop_at if is_late else row.ended_at
    return OfferedSecret(
        received_at=row.received_at,
        drop_at=row.drop_at,
        dropped_at=dropped_at,
        doubt=words.sentence(row.doubt or ""),
        address=row.base_url if row.base_url != tenant.base_url else None,
        stored=runs.count_held(session, tenant.id, row.id),
    )


def read_lately(
    session: Session, tenant: Tenant, *, now: datetime
) -> OfferedSecret | None:
    """Return it if it waits, or was dropped in the last day."""
    found = read(session, tenant, now=now)
    if found and found.dropped_at and now - found.dropped_at > TOLD:
        return None
    return found
