"""Who a caller is, and whether that tenant may call now."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, keys, vault
from app.tenants.tables import Door, State, Tenant, TenantIdentity
from app.tokens.checks import Reason, Refused


def find(
    session: Session, external_id: str, door: Door = Door.CONNECT
) -> Tenant | None:
    """Return the tenant of this name at this door, in whatever state it is."""
    identity = find_identity(session, external_id, door)
    return session.get_one(Tenant, identity.tenant_id) if identity else None


def find_identity(
    session: Session, external_id: str, door: Door
) -> TenantIdentity | None:
    """Return what is known of this name, also if it ended."""
    return session.scalar(
        sa.select(TenantIdentity).where(
            TenantIdentity.door == door, TenantIdentity.external_id == external_id
        )
    )


def find_identity_of(
    session: Session, tenant_id: uuid.UUID, door: Door
) -> TenantIdentity | None:
    """Return a name of the tenant at this door, also one that ended."""
    return session.scalar(
        sa.select(TenantIdentity)
        .where(TenantIdentity.tenant_id == tenant_id, TenantIdentity.door == door)
        .limit(1)
    )


def live_identity(
    session: Session, tenant_id: uuid.UUID, door: Door
) -> TenantIdentity | None:
    """Return the tenant's name at this door, if the app is installed by it now."""
    return session.scalar(
        sa.select(TenantIdentity).where(
            TenantIdentity.tenant_id == tenant_id,
            TenantIdentity.door == door,
            TenantIdentity.ended_at.is_(None),
        )
    )


def former_accounts(
    session: Session, tenant_id: uuid.UUID, door: Door
) -> frozenset[str]:
    """Return as whom we acted before we came through this door.

    By names that ended, and by Connect where Forge is open too: Forge is what stays.
    """
    is_over: sa.ColumnElement[bool] = TenantIdentity.ended_at.is_not(None)
    if door is Door.FORGE:
        is_over = sa.or_(is_over, TenantIdentity.door == Door.CONNECT)
    found = sa.select(TenantIdentity.account_id).where(
        TenantIdentity.tenant_id == tenant_id, is_over
    )
    live = live_identity(session, tenant_id, door)
    own = {None, live.account_id if live else None}
    return frozenset(a for a in session.scalars(found) if a is not None) - own


def lock(session: Session, tenant: Tenant | None) -> Tenant | None:
    """Return the tenant, to be changed: two lifecycle calls at once take turns."""
    if tenant is not None:
        session.refresh(tenant, with_for_update=True)
    return tenant


def get_calling(
    session: Session, external_id: str, door: Door = Door.CONNECT
) -> Tenant:
    """Return the tenant that may call now; raise `Refused` for every other."""
    identity = find_identity(session, external_id, door)
    if identity is None:
        raise Refused(Reason.UNKNOWN_TENANT, external_id)
    tenant = session.get_one(Tenant, identity.tenant_id)
    if identity.ended_at is not None:
        raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)
    refuse_inactive(tenant)
    return tenant


def refuse_inactive(tenant: Tenant) -> None:
    """Refuse for a tenant that nobody may call in the name of."""
    match tenant.state:
        case State.PENDING:
            raise Refused(Reason.TENANT_PENDING, tenant.base_url)
        case State.UNINSTALLED:
            raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)
        case State.SUPERSEDED:
            raise Refused(Reason.TENANT_SUPERSEDED, tenant.base_url)
        case State.ACTIVE:
            return


def refuse_unless_active(session: Session, tenant_id: uuid.UUID, door: Door) -> None:
    """Refuse for a tenant that left by this door since the guard let it in."""
    tenant = session.get_one(Tenant, tenant_id, with_for_update={"read": True})
    is_gone = live_identity(session, tenant_id, door) is None
    if tenant.state is not State.ACTIVE or is_gone:
        raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)


def leave(session: Session, identity: TenantIdentity, *, now: datetime) -> bool:
    """Let a name of a tenant end; return whether the tenant left with it.

    A site that goes over from Connect to Forge loses one name and keeps the other.
    """
    identity.ended_at = identity.ended_at or now
    session.flush()
    others = sa.select(TenantIdentity.id).where(
        TenantIdentity.tenant_id == identity.tenant_id,
        TenantIdentity.ended_at.is_(None),
    )
    if session.scalar(others.limit(1)) is not None:
        return False
    tenant = session.get_one(Tenant, identity.tenant_id)
    tenant.state, tenant.uninstalled_at = State.UNINSTALLED, now
    keys.end(session, tenant.id, now=now)
    return True


def reopen(session: Session, tenant: Tenant, client_key: str, *, now: datetime) -> bool:
    """Let the site's name at Connect be good again; return whether it had ended."""
    identity = find_identity(session, client_key, Door.CONNECT)
    if identity is None or identity.ended_at is None:
        return False
    identity.ended_at = None
    # The uninstall killed every version; none of them comes back with the site.
    vault.expire(session, tenant.shared_secret, at=now)
    return True


def prove(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Note that the site accepted a call signed with the newest secret that we hold.

    A site import gives one URL a second client key. The newest proven tenant is the
    site; the one before stops calling. Their data are never merged (rule T5). A site
    that is known by Forge only is no former one: two doors to one site are no import.
    """
    tenant = session.get_one(Tenant, tenant_id)
    if tenant.proven_at is None:
        # Looked at without the lock first, or a site's runs would take turns.
        session.refresh(tenant, with_for_update=True)
    if tenant.proven_at is not None:
        return
    tenant.proven_at = now
    former = sa.select(Tenant).where(
        Tenant.base_url == tenant.base_url,
        Tenant.id != tenant.id,
        Tenant.state == State.ACTIVE,
        Tenant.installed_at <= tenant.installed_at,
        sa.exists().where(
            TenantIdentity.tenant_id == Tenant.id,
            TenantIdentity.door == Door.CONNECT,
            TenantIdentity.ended_at.is_(None),
        ),
    )
    for other in session.scalars(former):
        supersede(session, other, now=now)


def supersede(session: Session, tenant: Tenant, *, now: datetime) -> None:
    """Stop calling and signing for a tenant: another has proven to be its site."""
    tenant.state = State.SUPERSEDED
    keys.end(session, tenant.id, now=now)
    note(session, tenant, "superseded", now=now, base_url=tenant.base_url)


def approve(session: Session, tenant: Tenant, *, actor: str, now: datetime) -> bool:
    """Let a waiting tenant in; return False if it was not waiting."""
    if tenant.state is not State.PENDING:
        return False
    tenant.state = State.ACTIVE
    audit.record(session, tenant.id, "approved", actor=actor, now=now)
    return True


def note(
    session: Session, tenant: Tenant, kind: str, *, now: datetime, **detail: audit.Value
) -> None:
    """Append to the tenant's history what its Jira did."""
    audit.record(session, tenant.id, kind, actor="jira", now=now, **detail)
