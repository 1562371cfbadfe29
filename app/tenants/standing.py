"""Who a caller is, and whether that tenant may call now."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, keys
from app.tenants.tables import Door, State, Tenant, TenantIdentity
from app.tokens.checks import Reason, Refused


def find(session: Session, client_key: str) -> Tenant | None:
    """Return the tenant of this client key, in whatever state it is."""
    return session.scalar(
        sa.select(Tenant)
        .join(TenantIdentity, TenantIdentity.tenant_id == Tenant.id)
        .where(
            TenantIdentity.door == Door.CONNECT,
            TenantIdentity.external_id == client_key,
        )
    )


def find_locked(session: Session, client_key: str) -> Tenant | None:
    """Return the tenant, to be changed: two lifecycle calls at once take turns."""
    tenant = find(session, client_key)
    if tenant is not None:
        session.refresh(tenant, with_for_update=True)
    return tenant


def get_calling(session: Session, client_key: str) -> Tenant:
    """Return the tenant that may call now; raise `Refused` for every other."""
    tenant = find(session, client_key)
    if tenant is None:
        raise Refused(Reason.UNKNOWN_TENANT, client_key)
    match tenant.state:
        case State.PENDING:
            raise Refused(Reason.TENANT_PENDING, tenant.base_url)
        case State.UNINSTALLED:
            raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)
        case State.SUPERSEDED:
            raise Refused(Reason.TENANT_SUPERSEDED, tenant.base_url)
        case State.ACTIVE:
            return tenant


def refuse_unless_active(session: Session, tenant_id: uuid.UUID) -> None:
    """Refuse for a tenant that left between the guard and this transaction."""
    tenant = session.get_one(Tenant, tenant_id, with_for_update={"read": True})
    if tenant.state is not State.ACTIVE:
        raise Refused(Reason.TENANT_UNINSTALLED, tenant.base_url)


def prove(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Note that the site accepted a call signed with the newest secret that we hold.

    A site import gives one URL a second client key. The newest proven tenant is the
    site; the one before stops calling. Their data are never merged (rule T5).
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
    )
    for other in session.scalars(former):
        other.state = State.SUPERSEDED
        keys.end(session, other.id, now=now)
        note(session, other, "superseded", now=now, base_url=other.base_url)


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
