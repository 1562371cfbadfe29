"""Whose name an installation is: by Atlassian's word alone, never by an address (T5).

The reserved property holds the client key of the Connect app on the same site; after a
re-install the signed cloud id and environment are those of before.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import tenants
from app.db import new_id
from app.forge import access
from app.forge.tables import ForgeInstallation
from app.settings import Settings
from app.tenants import Door, State, Tenant, TenantIdentity
from app.tokens.forge import Invocation


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a site's Jira said, asked with the token that Forge lent us for it."""

    base_url: str
    """Its address, checked against the operator's suffixes."""
    account_id: str
    """As whom we act there."""
    client_key: str | None
    """Of the Connect app on the same site, where it had one (facts: reserved property);
    no app can write it."""


def tenant_of(
    session: Session,
    settings: Settings,
    invocation: Invocation,
    site: Site,
    *,
    now: datetime,
) -> tuple[Tenant, str]:
    """Return whose installation a new one is, and how we know."""
    if site.client_key is not None:
        linked = tenants.lock(session, tenants.find(session, site.client_key))
        if linked is not None:
            end_others(session, linked, now=now)
            return linked, "linked"
    before = session.scalar(
        sa.select(ForgeInstallation)
        .where(
            ForgeInstallation.cloud_id == invocation.cloud_id,
            ForgeInstallation.environment == invocation.environment,
        )
        .order_by(ForgeInstallation.installed_at.desc())
        .limit(1)
    )
    if before is not None:
        again = tenants.lock(session, session.get_one(Tenant, before.tenant_id))
        assert again is not None  # noqa: S101 -- the row points at it
        end_others(session, again, now=now)
        return again, "re-installed"
    return _create(session, settings, site, now=now), "installed"


def move(
    session: Session, identity: TenantIdentity, to: Tenant, *, now: datetime
) -> None:
    """Let an installation be another tenant's name; the one that it leaves has left."""
    former = session.get_one(Tenant, identity.tenant_id)
    tenants.lock(session, to)
    end_others(session, to, now=now)
    access.forget_token(session, former.id)
    session.execute(
        sa.delete(ForgeInstallation).where(ForgeInstallation.identity_id == identity.id)
    )
    identity.tenant_id = to.id
    former.state, former.uninstalled_at = State.UNINSTALLED, now
    tenants.note(session, former, "uninstalled", now=now)
    tenants.note(
        session,
        to,
        "forge-installed",
        now=now,
        how="linked",
        base_url=former.base_url,
        installation=identity.external_id,
        state=to.state,
    )


def end_others(session: Session, tenant: Tenant, *, now: datetime) -> None:
    """Let a former installation of the same site end: a site has one."""
    live = tenants.live_identity(session, tenant.id, Door.FORGE)
    if live is not None:
        live.ended_at = now
        session.flush()  # one name of a door is live at a time, says an index


def _create(
    session: Session, settings: Settings, site: Site, *, now: datetime
) -> Tenant:
    tenant = Tenant(
        id=new_id(now),
        state=tenants.admitted(settings, site.base_url),
        base_url=site.base_url,
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    session.add(tenant)
    session.flush()  # the names point at the tenant
    return tenant
