"""One site: what we hold of it, and whether its Jira takes calls that we sign."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import forge, keys
from app.crypto import CannotOpenError, MissingKeyError
from app.doctor import clocks
from app.doctor.asking import SECONDS, Asker, Heard, host_of, unheard
from app.doctor.findings import Finding, fail, looked, ok, warn
from app.jira import Jira, TokenRefusedError, open_connect, open_jira
from app.keys import ListedKey
from app.runtime import Runtime
from app.tenants import Door, State, Tenant

MYSELF = "/rest/api/3/myself"
"""Answered to every app that Jira knows, whatever it may do there."""

_OK = 200
_REFUSED = 401
_TOO_MANY = 429
_SERVER_ERROR = 500
_CHECKS = {
    Door.CONNECT: "secret",
    Door.FORGE: "forge-token",
    Door.DATACENTER: "access-token",
}
_RENEW = "Have its admin make another token: countersign tenants renew-token."
_CANNOT_OPEN = (
    "Put the encryption key back into COUNTERSIGN_ENCRYPTION_KEYS and restart all. If"
    " it is lost, install the app anew on that site."
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is read of an active site before anybody is asked."""

    id: uuid.UUID
    base_url: str
    connect: Jira | None
    """Its Jira by the shared secret; None if it has none, or none that opens."""
    own: Jira | None
    """Its Jira by a personal access token, of a self-managed site."""
    lent: Jira | None
    """Its Jira by the token that Forge lends us."""
    is_on_forge: bool
    sealed: str
    """Why what we hold of it does not open; empty if it does."""
    keys: Sequence[ListedKey]
    key_set: Sequence[Mapping[str, Any]]
    """The public keys that receivers should see."""
    unsigned: str
    """Why nothing can be signed for it; empty if it can, or nothing ever was."""
    read_at: datetime


def active(session: Session) -> Sequence[uuid.UUID]:
    """Return the sites that may call, in the order in which they came."""
    found = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
    return session.scalars(found.order_by(Tenant.installed_at, Tenant.id)).all()


def waiting(session: Session) -> int:
    """Return how many sites wait for the operator's approval."""
    count = sa.select(sa.func.count()).where(Tenant.state == State.PENDING)
    return session.scalar(count) or 0


def read(session: Session, runtime: Runtime, tenant_id: uuid.UUID) -> Site:
    """Read what we hold of a site; what does not open is part of that."""
    tenant, now = session.get_one(Tenant, tenant_id), runtime.now()
    connect, lent, own, sealed = None, None, None, ""
    try:
        connect = open_connect(session, runtime, tenant)
        found = open_jira(session, runtime, tenant_id)
        lent = found if found.door is Door.FORGE else None
        own = found if found.is_self_managed else None
    except CannotOpenError as error:
        sealed = _why(error)
    return Site(
        id=tenant_id,
        base_url=tenant.base_url,
        connect=connect,
        own=own,
        lent=lent,
        is_on_forge=forge.find_installation(session, tenant_id) is not None,
        sealed=sealed,
        keys=keys.listed(session, tenant_id),
        key_set=keys.key_set(session, tenant_id, now=now),
        unsigned=_unsigned(session, runtime, tenant_id),
        read_at=now,
    )


def proven(asker: Asker, site: Site) -> Iterator[Finding]:
    """Ask the site's Jira by calls that we sign, and compare its clock with ours."""
    if site.sealed:
        yield fail("secret", f"it does not open: {site.sealed}", _CANNOT_OPEN)
        return
    if site.own is not None:
        yield from _asked(asker, site.own)
        return
    if site.connect is None and not site.is_on_forge:
        saw = "we hold no secret of this site, so no call of ours is signed"
        yield fail("secret", saw, "Install the app anew on that site.")
    if site.connect is not None:
        yield from _asked(asker, site.connect)
    if site.lent is not None:
        yield from _asked(asker, site.lent)
    elif site.is_on_forge:
        saw = "Forge lends no token for this site now"
        do = "Wait for its next event, an hour at most; else see whether it is open."
        yield warn("forge-token", saw, do)


def _asked(asker: Asker, jira: Jira) -> Iterator[Finding]:
    mine, host = replace(jira, http=asker.http, seconds=SECONDS), host_of(jira.base_url)
    try:
        heard = asker.hear(lambda: mine.answer("GET", MYSELF))
    except TokenRefusedError:
        saw = f"Jira at {host} takes Forge's token no more; the next one is awaited"
        do = "Wait for Forge's next event; else have the app installed anew."
        yield warn("forge-token", saw, do)
        return
    yield _judged(mine, heard)
    if heard.response is not None:
        yield from looked(clocks.CHECK, lambda: clocks.compare(host, heard))


def _judged(jira: Jira, heard: Heard) -> Finding:
    host = host_of(jira.base_url)
    check = _CHECKS[jira.door]
    if heard.error is not None:
        return unheard(check, jira.base_url, heard.error)
    if heard.status == _OK:
        return _accepted(check, jira, host)
    saw = f"Jira at {host} answers our signed call with {heard.status}"
    if heard.status == _REFUSED and clocks.is_wrong(heard):
        saw += ", as it does to whose clock is wrong"
        return fail(check, saw, "Mend this machine's clock first, then look again.")
    if heard.status == _REFUSED:
        return _refused(check, jira, saw)
    if heard.status == _TOO_MANY or heard.status >= _SERVER_ERROR:
        return warn(check, saw, "It has no time just now: look again in a while.")
    do = "See whether the site was renamed, suspended, or has disabled the app."
    return fail(check, saw, do)


def _refused(check: str, jira: Jira, saw: str) -> Finding:
    if jira.is_self_managed:
        return fail(check, f"{saw}: it has ended, or was revoked", _RENEW)
    saw += ": the secret that we hold is not the one that it has"
    return fail(check, f"wrong secret: {saw}", "Install the app anew on that site.")


def _accepted(check: str, jira: Jira, host: str) -> Finding:
    if 0 in jira.answered:
        return ok(check, f"Jira at {host} takes calls that we sign")
    saw = f"Jira at {host} takes calls by another secret than the newest one only"
    # Also for a moment after a re-install, while the candidate is being proven (T4).
    do = "Look again in a minute; if it stays so, install the app anew on that site."
    return warn(check, saw, do)


def _unsigned(session: Session, runtime: Runtime, tenant_id: uuid.UUID) -> str:
    try:
        keys.signer(session, runtime.keyring, tenant_id, now=runtime.now())
    except keys.NoKeyError:
        return "no key of it is active"
    except CannotOpenError as error:
        return _why(error)
    except IndexError:
        return "the private half of its active key is gone"
    return ""


def _why(error: CannotOpenError) -> str:
    if isinstance(error, MissingKeyError):
        return f"missing key: the encryption key {error.key_id} is not in the ring"
    return "its seal is broken, or it was sealed for something else"
