"""The token that Forge lends us for a site's Jira: kept sealed, and never for long."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import db, vault
from app.crypto import Keyring, Secret
from app.forge.tables import ForgeCall, ForgeInstallation
from app.tenants import TenantIdentity
from app.tokens.checks import LEEWAY
from app.tokens.forge import Invocation
from app.vault import Owner

SYSTEM_TOKEN = "forge-system-token"  # noqa: S105 -- the kind, not a token


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a site on Forge is reached now."""

    api_base_url: str
    token: Secret | None
    """None between the end of one token and the event that brings the next."""
    generation: int | None
    """Which token it is."""
    token_until: datetime | None
    heard_at: datetime
    """When an event of Forge's came last."""

    def is_good_until(self, moment: datetime) -> bool:
        """Say whether there is a token that still opens Jira then."""
        until = self.token_until
        return self.token is not None and until is not None and until > moment


def find_access(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> Access | None:
    """Return how the tenant's Jira is reached through Forge; None if it is not."""
    found = find_installation(session, tenant_id)
    if found is None:
        return None
    opened = vault.accepted(session, keyring, _owner(tenant_id), now=now)
    return Access(
        api_base_url=found.api_base_url,
        token=opened[0].secret if opened else None,
        generation=opened[0].generation if opened else None,
        token_until=found.token_until,
        heard_at=found.heard_at,
    )


def find_installation(
    session: Session, tenant_id: uuid.UUID
) -> ForgeInstallation | None:
    """Return what Forge says of the tenant, if the app is installed by it now."""
    return session.scalar(
        sa.select(ForgeInstallation)
        .join(TenantIdentity, TenantIdentity.id == ForgeInstallation.identity_id)
        .where(
            ForgeInstallation.tenant_id == tenant_id,
            TenantIdentity.tenant_id == tenant_id,
            TenantIdentity.ended_at.is_(None),
        )
    )


def keep_token(
    session: Session,
    keyring: Keyring,
    installation: ForgeInstallation,
    token: Secret,
    *,
    until: datetime,
    now: datetime,
) -> None:
    """Keep a token that Jira has accepted, in the place of the one before (T16)."""
    owner = _owner(installation.tenant_id)
    generation = vault.put(session, keyring, owner, token, now=now)
    vault.forget(session, owner, before=generation)
    vault.expire(session, owner, at=until)
    installation.token_until = until


def forget_token(session: Session, tenant_id: uuid.UUID) -> None:
    """Forget the token of a site that left."""
    vault.forget(session, _owner(tenant_id))


def drop_token(
    session: Session, tenant_id: uuid.UUID, generation: int, *, now: datetime
) -> None:
    """Use a token no more that Jira refuses; the next event brings another.

    That one only: an event may have brought the next while we were told.
    """
    newest = vault.newest(session, _owner(tenant_id))
    if newest is None or newest.generation != generation:
        return
    # Ended, not deleted: the next one shall not be counted as this one.
    vault.expire(session, _owner(tenant_id), at=now)
    session.execute(
        sa.update(ForgeInstallation)
        .where(ForgeInstallation.tenant_id == tenant_id)
        .values(token_until=now)
    )


def use_once(session: Session, invocation: Invocation, *, now: datetime) -> bool:
    """Note that an event's token was used; return False if it was before.

    Attack: a captured token with another body, which no signature covers. Forge's own
    retries carry new tokens.
    """
    name = f"{invocation.installation_id}\x00{invocation.token_id}"
    call = {
        "id": db.new_id(now),
        "token_hash": hashlib.sha256(name.encode()).hexdigest(),
        "expires_at": invocation.verified.expires_at + LEEWAY,
    }
    return db.insert_once(session, ForgeCall, call) is not None


def forget_calls(session: Session, *, now: datetime, limit: int) -> int:
    """Drop the memory of tokens that their own `exp` refuses by now; return how many.

    At most `limit`: a busy hour leaves as many as there were events.
    """
    old = session.scalars(
        sa.select(ForgeCall.id)
        .where(ForgeCall.expires_at <= now)
        .order_by(ForgeCall.expires_at)
        .limit(limit)
    ).all()
    session.execute(sa.delete(ForgeCall).where(ForgeCall.id.in_(old)))
    return len(old)


def count_old_calls(session: Session, *, now: datetime) -> int:
    """Count those."""
    old = sa.select(sa.func.count()).where(ForgeCall.expires_at <= now)
    return session.scalar(old) or 0


def _owner(tenant_id: uuid.UUID) -> Owner:
    return Owner(tenant_id, SYSTEM_TOKEN)
