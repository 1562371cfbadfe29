"""Installs and uninstalls: what a captured or late token of theirs cannot do (T3).

A first install is usable at once. What a re-install offers is a candidate (T4).
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.crypto import Keyring, Secret
from app.db import new_id
from app.settings import Settings
from app.tenants import candidates, standing
from app.tenants.candidates import Offer
from app.tenants.sites import admitted, is_unlisted
from app.tenants.tables import Door, LifecycleToken, State, Tenant, TenantIdentity
from app.tokens.checks import Reason, Refused, Verified, same

REMEMBERED = timedelta(days=1)
"""How long after its end a token is known again."""

_NEWER = "a newer installation came"


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

    @property
    def offer(self) -> Offer:
        return Offer(
            client_key=self.client_key,
            secret=self.shared_secret,
            base_url=self.base_url,
            display_url=self.display_url,
        )


class Effect(StrEnum):
    """What an install did."""

    NONE = "none"
    """It was seen before, or comes too late."""
    APPLIED = "applied"
    OFFERED = "offered"
    """Its secret waits for the proof; until then all is as it was (rule T4)."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What became of an install or uninstall, for the edge that heard it."""

    tenant: Tenant
    effect: Effect
    withdrawn: uuid.UUID | None = None
    """The candidate that ended with it; calls may be stored for that one."""


def install(
    session: Session,
    keyring: Keyring,
    settings: Settings,
    verified: Verified,
    body: Installed,
    *,
    now: datetime,
) -> Installation:
    """Create the tenant, or hear what its newest install offers (rules T3, T4).

    The signature does not cover the body, so a captured token could carry another
    secret or another site. Hence: the same token is answered again only with what it
    first came with, one older than the last applied changes nothing, and what a tenant
    that is installed is offered has to be proven.
    """
    tenant = standing.lock(session, standing.find(session, body.client_key))
    if tenant and _seen(session, verified, body.fingerprint):
        return Installation(tenant=tenant, effect=Effect.NONE)
    if tenant and verified.issued_at < tenant.lifecycle_at:
        # Attack: it comes again and again, and is a line of the history each time.
        _remember(session, tenant, body.fingerprint, verified)
        standing.note(session, tenant, "install-too-late", now=now)
        return Installation(tenant=tenant, effect=Effect.NONE)
    if tenant and tenant.state is State.ACTIVE:
        tenant.lifecycle_at = verified.issued_at
        done = _install_again(session, keyring, settings, tenant, body, now=now)
    else:
        tenant = tenant or _create(session, body, now=now)
        tenant.lifecycle_at = verified.issued_at
        done = _install_first(session, keyring, settings, tenant, body, now=now)
    _remember(session, tenant, body.fingerprint, verified)
    return done


def _install_first(
    session: Session,
    keyring: Keyring,
    settings: Settings,
    tenant: Tenant,
    body: Installed,
    *,
    now: datetime,
) -> Installation:
    """Believe the install of a site that is new, or that comes back.

    It is usable at once: there is no secret before it that could be in its way.
    """
    tenant.state = admitted(settings, body.base_url)
    _describe(tenant, body, now=now)
    session.flush()  # the names and the vault's rows point at the tenant
    withdrawn = candidates.withdraw(session, tenant, _NEWER, now=now)
    standing.reopen(session, tenant, body.client_key, now=now)
    secret, owner = body.shared_secret, tenant.shared_secret
    # Attack: somebody replays an install token of a site that waits for the operator,
    # with a secret of his own. Were the one before good for a while yet, he would be
    # let in by his own, and Jira would answer our questions about him by the other.
    vault.expire(session, owner, at=now)
    generation = vault.put(session, keyring, owner, secret, now=now)
    tenant.proven_at = None
    _note_installed(session, tenant, generation, now=now)
    return Installation(tenant=tenant, effect=Effect.APPLIED, withdrawn=withdrawn)


def _install_again(
    session: Session,
    keyring: Keyring,
    settings: Settings,
    tenant: Tenant,
    body: Installed,
    *,
    now: datetime,
) -> Installation:
    """Keep what the install offers for its proof, if it offers anything new.

    A body with the secret that the site has now is the site's own: nobody else knows
    it. Where that is all it says, there is nothing to prove. (Another address still
    has to answer, see `promoting`.)
    """
    current = candidates.current(session, keyring, tenant, now=now)
    knows_secret = current is not None and same(
        current.secret.reveal(), body.shared_secret.reveal()
    )
    if current and knows_secret and body.base_url == tenant.base_url:
        withdrawn = candidates.withdraw(session, tenant, _NEWER, now=now)
        _describe(tenant, body, now=now)
        if is_unlisted(settings, body.base_url):
            tenant.state = admitted(settings, body.base_url)
        _note_installed(session, tenant, current.generation, now=now)
        return Installation(tenant=tenant, effect=Effect.APPLIED, withdrawn=withdrawn)
    withdrawn = None
    if not candidates.renew(session, keyring, tenant, body.offer, now=now):
        withdrawn = candidates.withdraw(session, tenant, _NEWER, now=now)
        candidates.offer(session, keyring, tenant, body.offer, now=now)
    standing.note(session, tenant, "secret-offered", now=now, base_url=body.base_url)
    return Installation(tenant=tenant, effect=Effect.OFFERED, withdrawn=withdrawn)


def uninstall(
    session: Session,
    settings: Settings,
    verified: Verified,
    *,
    now: datetime,
) -> Installation | None:
    """Close the door at once; keep the audit; forget the secret after its retention.

    Return None for a site that never installed us: there is nothing to close, and Jira
    is content.
    """
    identity = standing.find_identity(session, verified.issuer, Door.CONNECT)
    if identity is None:
        return None
    tenant = session.get_one(Tenant, identity.tenant_id, with_for_update=True)
    if _seen(session, verified, ""):
        return Installation(tenant=tenant, effect=Effect.NONE)
    if verified.issued_at < tenant.lifecycle_at:
        # Uninstalls and installs travel independently ("Lifecycle", Connect).
        _remember(session, tenant, "", verified)
        standing.note(session, tenant, "uninstall-too-late", now=now)
        return Installation(tenant=tenant, effect=Effect.NONE)
    tenant.lifecycle_at = verified.issued_at
    until = now + timedelta(days=settings.secret_retention_days)
    vault.expire(session, tenant.shared_secret, at=until)
    withdrawn = candidates.withdraw(session, tenant, "the site left", now=now)
    has_left = standing.leave(session, identity, now=now)
    _remember(session, tenant, "", verified)
    kind = "uninstalled" if has_left else "connect-uninstalled"
    standing.note(session, tenant, kind, now=now)
    return Installation(tenant=tenant, effect=Effect.APPLIED, withdrawn=withdrawn)


def _describe(tenant: Tenant, body: Installed, *, now: datetime) -> None:
    tenant.base_url, tenant.display_url = body.base_url, body.display_url
    tenant.installed_at, tenant.uninstalled_at = now, None
    tenant.enabled = True


def _note_installed(
    session: Session, tenant: Tenant, generation: int, *, now: datetime
) -> None:
    standing.note(
        session,
        tenant,
        "installed",
        now=now,
        base_url=tenant.base_url,
        state=tenant.state,
        secret_generation=generation,
    )


def forget_departed(session: Session, settings: Settings, *, now: datetime) -> None:
    """Forget every secret of sites that left, once their retention is over."""
    before = now - timedelta(days=settings.secret_retention_days)
    departed = sa.select(Tenant.id).where(
        Tenant.state == State.UNINSTALLED, Tenant.uninstalled_at <= before
    )
    vault.forget_tenants(session, departed)


def forget_expired_tokens(session: Session, *, now: datetime) -> None:
    """Drop the memory of tokens that their own `exp` has refused for a day.

    Attack: a clock that was ahead for a while is set right, and the token that was
    forgotten meanwhile comes again, with another body.
    """
    session.execute(
        sa.delete(LifecycleToken).where(LifecycleToken.expires_at <= now - REMEMBERED)
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
