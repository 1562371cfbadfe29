"""What is stored of a tenant: itself, its names, and the lifecycle tokens it used."""

import uuid
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vault import Owner

SHARED_SECRET = "connect-shared-secret"  # noqa: S105 -- the kind, not a secret
OFFERED_SECRET = "connect-offered-secret"  # noqa: S105 -- the kind, not a secret
PERSONAL_TOKEN = "datacenter-token"  # noqa: S105 -- the kind, not a token
SESSION_SECRET = "session-secret"  # noqa: S105 -- the kind, not a secret


class Door(StrEnum):
    """Which way a tenant's identity comes in."""

    CONNECT = "connect"
    FORGE = "forge"
    DATACENTER = "datacenter"
    """A self-managed Jira: it calls our listeners, we call it by a token of its."""
    WATCHDOG = "watchdog"
    """No way in for anybody: runs that we began ourselves, for a held ticket."""


class State(StrEnum):
    PENDING = "pending"
    """Installed, and waits for the operator's approval (rule T3)."""
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    """Another tenant proved that it is this site now, as after a site import (T5)."""
    UNINSTALLED = "uninstalled"


class Tenant(Base):
    """One customer site. Its id is ours and is never given to another (rule T14)."""

    __tablename__ = "tenant"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    state: Mapped[State]
    base_url: Mapped[str]
    """Where its REST API is; the only address that our signed calls go to."""
    display_url: Mapped[str | None]
    """Where people see it, when that differs; for links and frame-ancestors only."""
    enabled: Mapped[bool]
    """What Jira last said by `enabled` or `disabled`; shown, and changes nothing."""
    installed_at: Mapped[datetime]
    lifecycle_at: Mapped[datetime]
    """`iat` of the newest install or uninstall applied: an older one comes too late."""
    uninstalled_at: Mapped[datetime | None]
    proven_at: Mapped[datetime | None]
    """When Jira first answered a call that we signed with the newest secret."""
    jira_refuses_since: Mapped[datetime | None]
    """Since when Jira accepts none of our calls, as far as we know."""
    jira_refuses_because: Mapped[str | None]
    silent_passes: Mapped[int | None]
    """Looks of the watchdog in a row that Jira did not answer."""

    @property
    def site_url(self) -> str:
        """Where people see it."""
        return self.display_url or self.base_url

    @property
    def shared_secret(self) -> Owner:
        """Where the vault keeps what Jira shared with us."""
        return Owner(self.id, SHARED_SECRET)

    @property
    def offered_secret(self) -> Owner:
        """Where the vault keeps the candidate: one at a time, and nobody's yet (T4)."""
        return Owner(self.id, OFFERED_SECRET)

    @property
    def personal_token(self) -> Owner:
        """Where the vault keeps what opens a self-managed Jira for us."""
        return Owner(self.id, PERSONAL_TOKEN)

    @property
    def session_secret(self) -> Owner:
        """Where the vault keeps what signs the sessions of its people on our pages."""
        return Owner(self.id, SESSION_SECRET)

    @property
    def origins(self) -> tuple[str, ...]:
        """The web origins that may show our pages to this tenant's people."""
        urls = (self.base_url, self.display_url)
        return tuple(dict.fromkeys(_origin(url) for url in urls if url))


class TenantIdentity(Base):
    """A name by which a door knows a tenant; it survives renames.

    One that ended stays, so that nobody is let in by it, nor given it. The tenant
    itself leaves with its last one.
    """

    __tablename__ = "tenant_identity"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey(Tenant.id), index=True)
    door: Mapped[Door]
    external_id: Mapped[str]
    ended_at: Mapped[datetime | None]
    """Since when the app is no longer installed by this name."""
    account_id: Mapped[str | None]
    """As whom Jira lets us act through this door, once it told us."""

    __table_args__ = (
        sa.UniqueConstraint("door", "external_id"),
        sa.UniqueConstraint("tenant_id", "id"),
        # A site has one name at a door at a time.
        sa.Index(
            "uq_tenant_identity_tenant_id_door",
            "tenant_id",
            "door",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )


class LifecycleToken(Base):
    """A lifecycle token that was heard, remembered until it expires."""

    __tablename__ = "lifecycle_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey(Tenant.id))
    fingerprint: Mapped[str]
    """Hash of what its unsigned body said: token and body belong together once."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
