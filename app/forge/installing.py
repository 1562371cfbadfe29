"""What happens to a tenant when its site installs the app by Forge, or removes it.

An installation is a name, as Connect's client key is one; `belonging` decides whose.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import tenants
from app.db import new_id
from app.forge import access, belonging
from app.forge.belonging import Site
from app.forge.tables import ForgeInstallation
from app.settings import Settings
from app.tenants import Door, State, Tenant, TenantIdentity
from app.tokens.checks import Reason, Refused
from app.tokens.forge import Invocation

FAREWELL = timedelta(minutes=15)
"""How long after its removal events of an installation are taken for late ones."""


def install(
    session: Session,
    settings: Settings,
    invocation: Invocation,
    site: Site,
    *,
    now: datetime,
) -> ForgeInstallation:
    """Create the tenant or link it; of an installation that we know, note what changed.

    Every event of Forge's ends here, so one that comes late must change no state: not
    of a site that has left by this name, and not of one that another has proven to be.
    Raise `Refused` for the former.

    Attack (T5): an installation that names another site's address is given nothing of
    that site's: addresses link nobody.
    """
    identity = tenants.find_identity(session, invocation.installation_id, Door.FORGE)
    if identity is not None:
        tenants.lock(session, session.get_one(Tenant, identity.tenant_id))
        session.refresh(identity)  # it may have ended while we waited for the tenant
        if identity.ended_at is None:
            return _heard(session, settings, identity, invocation, site, now=now)
        _refuse_if_late(identity, invocation)
        tenant, how = session.get_one(Tenant, identity.tenant_id), "re-installed"
        belonging.end_others(session, tenant, now=now)
        identity.ended_at = None
    else:
        tenant, how = belonging.tenant_of(session, settings, invocation, site, now=now)
        identity = _identity(session, tenant, invocation, now=now)
    identity.account_id = site.account_id
    _admit(session, settings, tenant, site, now=now)
    _supersede(session, tenant, invocation, now=now)
    installation = _describe(session, identity, invocation, now=now)
    tenants.note(
        session,
        tenant,
        "forge-installed",
        now=now,
        how=how,
        base_url=site.base_url,
        installation=invocation.installation_id,
        state=tenant.state,
    )
    return installation


def _heard(
    session: Session,
    settings: Settings,
    identity: TenantIdentity,
    invocation: Invocation,
    site: Site,
    *,
    now: datetime,
) -> ForgeInstallation:
    tenant = session.get_one(Tenant, identity.tenant_id)
    identity.account_id = site.account_id
    _rename(session, settings, tenant, site)
    if tenants.live_identity(session, tenant.id, Door.CONNECT) is None:
        tenant.proven_at = tenant.proven_at or now
    return _describe(session, identity, invocation, now=now)


def _refuse_if_late(identity: TenantIdentity, invocation: Invocation) -> None:
    """Refuse what was on its way when the site removed the app.

    Forge says goodbye before it removes anything. Should that fail, the installation
    goes on, and its next hours are believed again.
    """
    ended_at = identity.ended_at
    if ended_at and invocation.verified.issued_at <= ended_at + FAREWELL:
        raise Refused(Reason.TENANT_UNINSTALLED, identity.external_id, proven=True)


def end(session: Session, invocation: Invocation, *, now: datetime) -> None:
    """Close the Forge door for a site that removes the app; forget its token."""
    identity = tenants.find_identity(session, invocation.installation_id, Door.FORGE)
    if identity is None:
        return
    tenant = session.get_one(Tenant, identity.tenant_id, with_for_update=True)
    session.refresh(identity)
    if identity.ended_at is not None:
        return
    access.forget_token(session, tenant.id)
    has_left = tenants.leave(session, identity, now=now)
    kind = "uninstalled" if has_left else "forge-uninstalled"
    tenants.note(session, tenant, kind, now=now)


def _identity(
    session: Session, tenant: Tenant, invocation: Invocation, *, now: datetime
) -> TenantIdentity:
    identity = TenantIdentity(
        id=new_id(now),
        tenant_id=tenant.id,
        door=Door.FORGE,
        external_id=invocation.installation_id,
    )
    session.add(identity)
    session.flush()
    return identity


def _admit(
    session: Session, settings: Settings, tenant: Tenant, site: Site, *, now: datetime
) -> None:
    """Let a tenant that had left come back as a new one comes."""
    has_connect = tenants.live_identity(session, tenant.id, Door.CONNECT) is not None
    if tenant.state in {State.UNINSTALLED, State.SUPERSEDED}:
        tenant.state = tenants.admitted(settings, site.base_url)
        tenant.installed_at, tenant.uninstalled_at = now, None
        tenant.enabled, tenant.proven_at = True, None
    if not has_connect:
        tenant.proven_at = tenant.proven_at or now
    _rename(session, settings, tenant, site)


def _rename(session: Session, settings: Settings, tenant: Tenant, site: Site) -> None:
    """Take over the address that the site's own Jira says, unless another has it.

    Who only claims it, since an install of his own said so, has it not.

    Where Connect's calls go is said by Connect's own installs alone (T4).
    """
    if tenant.base_url == site.base_url:
        return
    if tenants.live_identity(session, tenant.id, Door.CONNECT) is not None:
        return
    holder = sa.select(Tenant.id).where(
        Tenant.base_url == site.base_url,
        Tenant.id != tenant.id,
        Tenant.state == State.ACTIVE,
        Tenant.proven_at.is_not(None),
    )
    if session.scalar(holder.limit(1)) is None:
        tenant.base_url = site.base_url
        if tenant.state is State.ACTIVE and tenants.is_unlisted(
            settings, site.base_url
        ):
            tenant.state = State.PENDING


def _supersede(
    session: Session, tenant: Tenant, invocation: Invocation, *, now: datetime
) -> None:
    """Let a site that was made anew at the same address take the old one's place (T5).

    Another cloud id at one address is another site; an installation of another
    environment on the same site is not.
    """
    if tenant.state is not State.ACTIVE:
        return
    former = (
        sa.select(Tenant)
        .join(ForgeInstallation, ForgeInstallation.tenant_id == Tenant.id)
        .join(TenantIdentity, TenantIdentity.id == ForgeInstallation.identity_id)
        .where(
            Tenant.base_url == tenant.base_url,
            Tenant.id != tenant.id,
            Tenant.state == State.ACTIVE,
            TenantIdentity.ended_at.is_(None),
            ForgeInstallation.cloud_id != invocation.cloud_id,
        )
    )
    for other in session.scalars(former).unique():
        tenants.supersede(session, other, now=now)


def _describe(
    session: Session, identity: TenantIdentity, invocation: Invocation, *, now: datetime
) -> ForgeInstallation:
    found = session.get(ForgeInstallation, identity.id)
    if found is None:
        found = ForgeInstallation(
            identity_id=identity.id,
            tenant_id=identity.tenant_id,
            cloud_id=invocation.cloud_id,
            environment=invocation.environment,
            installed_at=now,
        )
        session.add(found)
    found.cloud_id = invocation.cloud_id
    found.api_base_url, found.heard_at = invocation.api_base_url, now
    session.flush()
    return found
