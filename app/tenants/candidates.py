"""Secrets that a re-install offers, until our own signed call proves one (rule T4).

Attack: who replays an install token that was never applied writes the body himself,
since its signature does not cover it: a secret of his own, an address of his own. So
what such a body says is a candidate. It opens no door and changes nothing; it is kept
for an hour, and only Jira's answer to a call of ours makes it the site's secret.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit, vault
from app.crypto import Keyring, Secret
from app.db import Base, new_id
from app.tenants import standing
from app.tenants.tables import Door, Tenant
from app.tokens.checks import same

LIFE = timedelta(hours=1)
"""How long a candidate waits for its proof."""


class Fate(StrEnum):
    WAITING = "waiting"
    PROVEN = "proven"
    DROPPED = "dropped"


class SecretCandidate(Base):
    """The latest secret that a re-install offered, and what became of it.

    The secret itself is in the vault while it waits, and is forgotten when it is
    dropped. A newer one takes its place: a tenant has one at a time.
    """

    __tablename__ = "secret_candidate"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey(Tenant.id), unique=True)
    fate: Mapped[Fate]
    client_key: Mapped[str]
    """By which name the install came; one that ended is good again with the proof."""
    base_url: Mapped[str]
    """Where the install says the site is; the tenant's own address until it is proven
    is the known one."""
    display_url: Mapped[str | None]
    received_at: Mapped[datetime]
    drop_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    """When we call next to prove it; empty once it waits no more."""
    tries: Mapped[int] = mapped_column(default=0)
    doubt: Mapped[str | None]
    """Why the last call did not prove it."""
    refused_at: Mapped[datetime | None]
    """Since when its address is known to be another tenant's."""
    ended_at: Mapped[datetime | None]
    """When it was proven or dropped."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a re-install says that is to be proven, all of it together."""

    client_key: str
    secret: Secret
    base_url: str
    display_url: str | None


def offer(
    session: Session, keyring: Keyring, tenant: Tenant, offer: Offer, *, now: datetime
) -> None:
    """Keep what a re-install says for its proof; the caller has withdrawn the former.

    The current secret stays current, and the known address the tenant's.
    """
    session.add(
        SecretCandidate(
            id=new_id(now),
            tenant_id=tenant.id,
            fate=Fate.WAITING,
            client_key=offer.client_key,
            base_url=offer.base_url,
            display_url=offer.display_url,
            received_at=now,
            drop_at=now + LIFE,
            next_try_at=now,
        )
    )
    vault.forget(session, tenant.offered_secret)
    vault.put(session, keyring, tenant.offered_secret, offer.secret, now=now)


def renew(
    session: Session, keyring: Keyring, tenant: Tenant, offer: Offer, *, now: datetime
) -> bool:
    """Give what waits its hour anew, if it is the same; return whether it was.

    Jira sends an install again that it believes lost. The calls that are stored for
    the candidate are Jira's own then, and must not end with it.
    """
    known = opened(session, keyring, tenant, now=now)
    if known is None or known[0].base_url != offer.base_url:
        return False
    row, kept = known
    if not same(kept.secret.reveal(), offer.secret.reveal()):
        return False
    row.display_url, row.next_try_at, row.drop_at = offer.display_url, now, now + LIFE
    return True


def current(
    session: Session, keyring: Keyring, tenant: Tenant, *, now: datetime
) -> vault.Opened | None:
    """Return the secret that counts now; None for a site without one.

    Of a site that removed its Connect app and has Forge's, none does: the uninstall
    killed every version, although they are kept for a while.
    """
    if standing.live_identity(session, tenant.id, Door.CONNECT) is None:
        return None
    secrets = vault.accepted(session, keyring, tenant.shared_secret, now=now)
    return secrets[0] if secrets else None


def find(session: Session, tenant_id: uuid.UUID) -> SecretCandidate | None:
    """Return what was offered last, whatever became of it."""
    return session.scalar(
        sa.select(SecretCandidate).where(SecretCandidate.tenant_id == tenant_id)
    )


def find_waiting(
    session: Session, tenant_id: uuid.UUID, *, now: datetime
) -> SecretCandidate | None:
    """Return the candidate that may still be proven; its hour counts, not the sweep."""
    found = find(session, tenant_id)
    if found is None or found.fate is not Fate.WAITING or found.drop_at <= now:
        return None
    return found


def opened(
    session: Session, keyring: Keyring, tenant: Tenant, *, now: datetime
) -> tuple[SecretCandidate, vault.Opened] | None:
    """Return the tenant's candidate with its secret, if it has one that waits."""
    found = find_waiting(session, tenant.id, now=now)
    if found is None:
        return None
    secrets = vault.accepted(session, keyring, tenant.offered_secret, now=now)
    return (found, secrets[0]) if secrets else None


def overdue(session: Session, *, now: datetime) -> list[uuid.UUID]:
    """Return the candidates whose hour is over."""
    late = sa.select(SecretCandidate.id).where(
        SecretCandidate.fate == Fate.WAITING, SecretCandidate.drop_at <= now
    )
    return list(session.scalars(late))


def drop(
    session: Session, candidate_id: uuid.UUID, *, now: datetime
) -> SecretCandidate | None:
    """Drop a candidate whose hour is over; return it, or None if it waits no more."""
    whose = sa.select(SecretCandidate.tenant_id)
    tenant_id = session.scalar(whose.where(SecretCandidate.id == candidate_id))
    if tenant_id is None:
        return None
    tenant = session.get_one(Tenant, tenant_id, with_for_update=True)
    row = find(session, tenant_id)
    if row is None or row.id != candidate_id or row.fate is not Fate.WAITING:
        return None
    if row.drop_at > now:
        return None
    _end(session, tenant, row, because=row.doubt or "no call proved it", now=now)
    return row


def withdraw(
    session: Session, tenant: Tenant, because: str, *, now: datetime
) -> uuid.UUID | None:
    """Take back what waits, for a newer one or because the site left; return its id.

    The caller holds the tenant's lock.
    """
    row = find(session, tenant.id)
    if row is None:
        return None
    waited = row.fate is Fate.WAITING
    if waited:
        _end(session, tenant, row, because=because, now=now)
    session.delete(row)
    session.flush()
    return row.id if waited else None


def _end(
    session: Session,
    tenant: Tenant,
    row: SecretCandidate,
    *,
    because: str,
    now: datetime,
) -> None:
    row.fate, row.ended_at, row.next_try_at = Fate.DROPPED, now, None
    vault.forget(session, tenant.offered_secret)
    audit.record(
        session,
        tenant.id,
        "secret-dropped",
        actor="countersign",
        now=now,
        base_url=row.base_url,
        because=because,
    )
