"""Sessions of a self-managed site's people: invited by the operator, minutes at a time.

A link has a ticket that is good once and for a minute; the page that it opens changes
it for a token, which its script keeps in memory and has renewed while somebody looks.
No cookie, and nothing in an address that could be used again (rule T10).
"""

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app import audit, tenants, tickets, vault
from app.crypto import Keyring, Secret
from app.tenants import Door, State, Tenant
from app.tokens import session as tokens
from app.tokens.checks import Reason, Refused, Unverified, Verified

PURPOSE = "session"
"""What a ticket is for. Attack: one for a download is taken to the sign-in."""


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One person's session: whose it is, and since when it lasts."""

    tenant_id: uuid.UUID
    person: str
    """The key of a user of that Jira."""
    since: datetime
    generation: int | None = None
    """Which version of the site's secret signed its token; None before its first."""


def invite(
    session: Session, tenant_id: uuid.UUID, person: str, *, now: datetime
) -> str:
    """Return a ticket that lets this person in, once, within a minute."""
    audit.record(
        session,
        tenant_id,
        "person-invited",
        actor="operator",
        now=now,
        account=person,
    )
    return tickets.issue(session, tenant_id, person, {}, purpose=PURPOSE, now=now)


def is_invited(session: Session, unverified_ticket: str, *, now: datetime) -> bool:
    """Say whether there is such a ticket, without using it up."""
    return tickets.is_there(session, unverified_ticket, purpose=PURPOSE, now=now)


def sign_in(
    session: Session, unverified_ticket: str, *, now: datetime
) -> Sitting | None:
    """Use a ticket up; None if it is none, or of a site that has left."""
    redeemed = tickets.redeem(session, unverified_ticket, purpose=PURPOSE, now=now)
    if redeemed is None:
        return None
    tenant_id, person = redeemed.tenant_id, redeemed.account_id
    tenant = session.get_one(Tenant, tenant_id)
    is_live = tenants.live_identity(session, tenant_id, Door.DATACENTER) is not None
    if tenant.state is not State.ACTIVE or not is_live:
        return None
    audit.record(session, tenant_id, "person-signed-in", actor=person, now=now)
    return Sitting(tenant_id=tenant_id, person=person, since=now)


def issue(
    session: Session,
    keyring: Keyring,
    sitting: Sitting,
    *,
    audience: str,
    now: datetime,
) -> tuple[Secret, datetime]:
    """Return the next token of a session, and when it ends.

    Raise `Refused` if the session was ended since its token was judged.
    """
    tenant = session.get_one(Tenant, sitting.tenant_id)
    token, ends_at = tokens.mint(
        _secret(session, keyring, tenant, sitting.generation, now=now),
        tenant=str(sitting.tenant_id),
        person=sitting.person,
        audience=audience,
        signed_in_at=sitting.since,
        now=now,
    )
    return Secret(token), ends_at


def judge(
    session: Session,
    keyring: Keyring,
    tenant: Tenant,
    token: Unverified,
    *,
    audience: str,
    now: datetime,
) -> tuple[Sitting, Verified]:
    """Return whose session a token is of, and what it says; raise `Refused`.

    `tenant` is the site that the token names, and may call now.
    """
    versions = vault.accepted(session, keyring, tenant.session_secret, now=now)
    verified, since = tokens.verify(token, versions, audience=audience, now=now)
    person = verified.account_id or ""
    sitting = Sitting(
        tenant_id=tenant.id,
        person=person,
        since=since,
        generation=verified.generation,
    )
    return sitting, verified


def end_sessions(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """End every session of a site's people at once."""
    tenant = session.get_one(Tenant, tenant_id)
    vault.expire(session, tenant.session_secret, at=now)
    audit.record(session, tenant_id, "sessions-ended", actor="operator", now=now)


def _secret(
    session: Session,
    keyring: Keyring,
    tenant: Tenant,
    generation: int | None,
    *,
    now: datetime,
) -> Secret:
    """Return what signs the site's sessions; a first one, or one anew, is made here.

    Attack: whoever has a session renews it on and on, until one renewal was judged just
    before all sessions ended, and is answered just after. It must not begin a new one.
    """
    known = vault.accepted(session, keyring, tenant.session_secret, now=now)
    if generation is not None and generation not in {each.generation for each in known}:
        raise Refused(Reason.EXPIRED, "the operator ended all sessions", proven=True)
    if known:
        return known[0].secret
    fresh = Secret(secrets.token_urlsafe(32))
    vault.put(session, keyring, tenant.session_secret, fresh, now=now)
    return fresh
