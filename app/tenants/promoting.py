"""From a candidate to the site's secret: who is tried next, and what a proof does (T4).

The call itself is made between the two, outside any transaction (app/worker/proving).
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, vault
from app.crypto import Keyring, Secret
from app.db import printable
from app.settings import Settings
from app.tenants import candidates, reaching, standing
from app.tenants.candidates import Fate, SecretCandidate
from app.tenants.sites import admitted, is_unlisted
from app.tenants.tables import State, Tenant
from app.tokens.checks import same

WAITS = tuple(timedelta(seconds=s) for s in (2, 5, 10, 30, 60, 120, 300))
"""Between two calls that are to prove it; the last one goes on until the hour is over.
Jira may know its new secret only some moments after it has told us."""

WORDS_LIMIT = 300


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate whose turn it is, and what it takes to prove it."""

    candidate_id: uuid.UUID
    tenant_id: uuid.UUID
    secret: Secret
    known_url: str
    offered_url: str
    knows_secret: bool
    """It is the secret that the site has now: who wrote that body knows it."""


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What became of a tenant whose candidate was proven."""

    generation: int
    renamed: bool


def take(session: Session, *, now: datetime) -> uuid.UUID | None:
    """Take the candidate that is due longest; return its id.

    It is due again after a wait, whatever becomes of this trial: a worker that is
    killed between the call and the promotion costs one wait, and the proof is made
    again. Two workers at once take two different ones.
    """
    row = session.scalar(
        sa.select(SecretCandidate)
        .join(Tenant, Tenant.id == SecretCandidate.tenant_id)
        .where(
            SecretCandidate.fate == Fate.WAITING,
            SecretCandidate.next_try_at <= now,
            SecretCandidate.drop_at > now,
            # Whoever waits for the operator, or has left, is not called.
            Tenant.state == State.ACTIVE,
        )
        .order_by(SecretCandidate.next_try_at, SecretCandidate.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=SecretCandidate)
    )
    if row is None:
        return None
    row.next_try_at = now + WAITS[min(row.tries, len(WAITS) - 1)]
    row.tries += 1
    return row.id


def trial(
    session: Session, keyring: Keyring, candidate_id: uuid.UUID, *, now: datetime
) -> Trial | None:
    """Return what it takes to prove a candidate.

    None if it waits no more, or if its address is another tenant's: then that is noted,
    and it is not even called.
    """
    known = session.get(SecretCandidate, candidate_id)
    if known is None:
        return None  # a newer one took its place
    # In the order in which installs lock them: else the two wait for each other, and
    # the install that the database breaks off may be one that Jira sends only once.
    tenant = session.get_one(Tenant, known.tenant_id, with_for_update=True)
    session.expire(known)
    row = session.get(SecretCandidate, candidate_id, with_for_update=True)
    if row is None:
        return None
    if is_taken(session, tenant, row.base_url):
        refuse_address(session, row, now=now)
        return None
    found = candidates.opened(session, keyring, tenant, now=now)
    if found is None or found[0].id != candidate_id:
        return None
    secret = found[1].secret
    current = candidates.current(session, keyring, tenant, now=now)
    return Trial(
        candidate_id=row.id,
        tenant_id=row.tenant_id,
        secret=secret,
        known_url=tenant.base_url,
        offered_url=row.base_url,
        knows_secret=current is not None
        and same(secret.reveal(), current.secret.reveal()),
    )


def note_doubt(session: Session, candidate_id: uuid.UUID, doubt: str) -> None:
    """Note why a call did not prove the candidate; it is tried again."""
    row = session.get(SecretCandidate, candidate_id, with_for_update=True)
    if row is not None and row.fate is Fate.WAITING:
        row.doubt = printable(doubt, limit=WORDS_LIMIT)


def promote(
    session: Session,
    keyring: Keyring,
    settings: Settings,
    trial: Trial,
    *,
    now: datetime,
) -> Promoted | None:
    """Make the candidate the site's secret: Jira has answered a call signed with it.

    Return None if nothing came of it: a newer one came meanwhile, its hour is over, the
    site has left, or its address is another tenant's. Under the tenant's lock, and for
    exactly the candidate that was tried, so that a proof of one promotes no other.
    """
    tenant = session.get_one(Tenant, trial.tenant_id, with_for_update=True)
    row = candidates.find_waiting(session, tenant.id, now=now)
    if row is None or row.id != trial.candidate_id or tenant.state is not State.ACTIVE:
        return None
    if tenant.base_url != trial.known_url:
        return None  # what was asked about the known address is no answer for this one
    if is_taken(session, tenant, row.base_url):
        refuse_address(session, row, now=now)
        return None
    came_back = standing.reopen(session, tenant, row.client_key, now=now)
    grace = timedelta(minutes=0 if came_back else settings.secret_grace_minutes)
    generation = vault.put(
        session, keyring, tenant.shared_secret, trial.secret, now=now, grace=grace
    )
    vault.forget(session, tenant.offered_secret)
    renamed = tenant.base_url != row.base_url
    _become(session, settings, tenant, row, now=now)
    audit.record(
        session,
        tenant.id,
        "secret-proven",
        actor="countersign",
        now=now,
        base_url=row.base_url,
        secret_generation=generation,
        grace_minutes=int(grace.total_seconds() // 60),
    )
    return Promoted(generation=generation, renamed=renamed)


def _become(
    session: Session,
    settings: Settings,
    tenant: Tenant,
    row: SecretCandidate,
    *,
    now: datetime,
) -> None:
    row.fate, row.ended_at, row.next_try_at = Fate.PROVEN, now, None
    row.doubt = None
    if is_unlisted(settings, row.base_url):
        # The operator's list is of addresses: this one waits for a word of his (T3).
        tenant.state = admitted(settings, row.base_url)
    tenant.base_url, tenant.display_url = row.base_url, row.display_url
    tenant.installed_at, tenant.enabled = row.received_at, True
    tenant.proven_at = None
    session.flush()
    reaching.note_answer(session, tenant.id, now=now)
    if tenant.state is State.ACTIVE:
        standing.prove(session, tenant.id, now=now)


def is_taken(session: Session, tenant: Tenant, base_url: str) -> bool:
    """Say whether another installed tenant has this address, and the tenant has not.

    Attack: a body that names another customer's address. Two tenants that have one
    address already are a site and its import; there the newest proof decides (T5).

    Attack: anybody installs the app on a site of his own, and his body says that it is
    at the address to which another is about to move; that one could not move any more.
    So an address is had by who has proven it: whose Jira answered there.
    """
    if base_url == tenant.base_url:
        return False
    others = sa.select(Tenant.id).where(
        Tenant.base_url == base_url,
        Tenant.id != tenant.id,
        Tenant.state.in_((State.ACTIVE, State.PENDING)),
        Tenant.proven_at.is_not(None),
    )
    return session.scalar(others.limit(1)) is not None


def refuse_address(session: Session, row: SecretCandidate, *, now: datetime) -> None:
    """Note, once, that a candidate's address is another tenant's."""
    row.doubt = "the address is that of another site that has the app"
    if row.refused_at is not None:
        return
    row.refused_at = now
    audit.record(
        session,
        row.tenant_id,
        "address-refused",
        actor="countersign",
        now=now,
        base_url=row.base_url,
    )
