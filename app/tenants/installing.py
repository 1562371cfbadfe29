"""Installs and uninstalls: what a captured or late token of theirs cannot do (T3)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.crypto import Keyring, Secret
from app.db import new_id
from app.settings import Settings
from app.tenants import standing
from app.tenants.sites import admitted, is_unlisted
from app.tenants.tables import Door, LifecycleToken, State, Tenant, TenantIdentity
from app.tokens.checks import LEEWAY, Reason, Refused, Verified


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What the body of an install says; the signature does not cover it."""

    client_key: str
    shared_secret: Secret
    base_url: str
    display_url: str | None

    @property
    def fingerprint(self) -> str:
        parts = (self.client_key, self.shared_secret.reveal(), self.base_url)
        return _sha256("\x1f".join(parts))


def install(
    session: Session,
    keyring: Keyring,
    settings: Settings,
    verified: Verified,
    body: Installed,
    *,
    now: datetime,
) -> Tenant:
    """Create the tenant, or give it the secret of its newest install (rule T3).

    The signature does not cover the body, so a captured token could carry another
    secret or another site. Hence: the same token is answered again only with what it
    first came with, and one older than the last applied changes nothing.
    """
    tenant = standing.lock(session, standing.find(session, body.client_key))
    if tenant and _seen(session, verified, body.fingerprint):
        return tenant
    if tenant and verified.issued_at < tenant.lifecycle_at:
        # Attack: it comes again and again, and is a line of the history each time.
        _remember(session, tenant, body.fingerprint, verified)
        standing.note(session, tenant, "install-too-late", now=now)
        return tenant
    tenant = tenant or _create(session, body, now=now)
    if tenant.state is not State.ACTIVE or is_unlisted(settings, body.base_url):
        tenant.state = admitted(settings, body.base_url)
    _describe(tenant, body, verified, now=now)
    session.flush()  # the names and the vault's rows point at the tenant
    came_back = _reopen(session, tenant, body.client_key, now=now)
    grace = timedelta(minutes=0 if came_back else settings.secret_grace_minutes)
    secret, owner = body.shared_secret, tenant.shared_secret
    generation = vault.put(session, keyring, owner, secret, now=now, grace=grace)
    _remember(session, tenant, body.fingerprint, verified)
    standing.note(
        session,
        tenant,
        "installed",
        now=now,
        base_url=body.base_url,
        state=tenant.state,
        secret_generation=generation,
    )
    return tenant


def uninstall(
    session: Session,
    settings: Settings,
    verified: Verified,
    *,
    now: datetime,
) -> Tenant | None:
    """Close the door at once; keep the audit; forget the secret after its retention.

    Return the tenant, or None for a site that never installed us: there is nothing
    to close, and Jira is content.
    """
    identity = standing.find_identity(session, verified.issuer, Door.CONNECT)
    if identity is None:
        return None
    tenant = session.get_one(Tenant, identity.tenant_id, with_for_update=True)
    if _seen(session, verified, ""):
        return tenant
    if verified.issued_at < tenant.lifecycle_at:
        # Uninstalls and installs travel independently ("Lifecycle", Connect).
        _remember(session, tenant, "", verified)
        standing.note(session, tenant, "uninstall-too-late", now=now)
        return tenant
    tenant.lifecycle_at = verified.issued_at
    until = now + timedelta(days=settings.secret_retention_days)
    vault.expire(session, tenant.shared_secret, at=until)
    has_left = standing.leave(session, identity, now=now)
    _remember(session, tenant, "", verified)
    kind = "uninstalled" if has_left else "connect-uninstalled"
    standing.note(session, tenant, kind, now=now)
    return tenant


def _reopen(
    session: Session, tenant: Tenant, client_key: str, *, now: datetime
) -> bool:
    """Let the site's name be good again; return whether it had ended."""
    identity = standing.find_identity(session, client_key, Door.CONNECT)
    if identity is None or identity.ended_at is None:
        return False
    identity.ended_at = None
    # The uninstall killed every version; none of them comes back with the site.
    vault.expire(session, tenant.shared_secret, at=now)
    return True


def _describe(
    tenant: Tenant, body: Installed, verified: Verified, *, now: datetime
) -> None:
    tenant.base_url, tenant.display_url = body.base_url, body.display_url
    tenant.installed_at, tenant.uninstalled_at = now, None
    tenant.lifecycle_at, tenant.enabled = verified.issued_at, True
    tenant.proven_at = None


def forget_departed(session: Session, settings: Settings, *, now: datetime) -> None:
    """Forget every secret of sites that left, once their retention is over."""
    before = now - timedelta(days=settings.secret_retention_days)
    departed = sa.select(Tenant.id).where(
        Tenant.state == State.UNINSTALLED, Tenant.uninstalled_at <= before
    )
    vault.forget_tenants(session, departed)


def forget_expired_tokens(session: Session, *, now: datetime) -> None:
    """Drop the memory of tokens that their own `exp` refuses by now."""
    session.execute(
        sa.delete(LifecycleToken).where(LifecycleToken.expires_at <= now - LEEWAY)
    )


def _create(session: Session, body: Installed, *, now: datetime) -> Tenant:
    tenant = Tenant(id=new_id(now), state=State.PENDING)
    session.add(tenant)
    session.add(
        TenantIdentity(
            id=new_id(now),
            tenant_id=tenant.id,
            door=Door.CONNECT,
            external_id=body.client_key,
        )
    )
    return tenant


def _seen(session: Session, verified: Verified, fingerprint: str) -> bool:
    """Say whether this token was applied before; refuse it with another body."""
    seen = session.get(LifecycleToken, verified.token_hash)
    if seen is not None and seen.fingerprint != fingerprint:
        raise Refused(Reason.TOKEN_REUSED)
    return seen is not None


def _remember(
    session: Session, tenant: Tenant, fingerprint: str, verified: Verified
) -> None:
    session.add(
        LifecycleToken(
            token_hash=verified.token_hash,
            tenant_id=tenant.id,
            fingerprint=fingerprint,
            expires_at=verified.expires_at,
        )
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
