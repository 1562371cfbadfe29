"""A self-managed site as a tenant: added, proven, given another token, removed.

There is no install callback that could carry a proof. So the operator names the site,
and it is a tenant that may do nothing until our own call, with the token that he was
given, is answered there.
"""

import re
import uuid
from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, tenants, vault
from app.crypto import Keyring, Secret
from app.db import new_id
from app.tenants import Door, State, Tenant, TenantIdentity

ACTOR = "operator"

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
    re.ASCII,
)
_PATH = re.compile(r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-])*", re.ASCII)


class WrongAddressError(ValueError):
    """This is no address of a Jira. The message is for the operator."""


class AddressTakenError(ValueError):
    """Another site has this address. The message is for the operator."""


class NotSelfManagedError(LookupError):
    """This tenant has no such identity, or no more. The message is for the operator."""


def address(text: str) -> str:
    """Return a site's base URL, tidied up; raise `WrongAddressError`.

    It may have a context path. Whether it may be reached, and without TLS, `Http`
    judges each time (rule T11).
    """
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise WrongAddressError("this is not an address") from error
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(host):
        raise WrongAddressError("write it as https://HOST, with a path if it has one")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise WrongAddressError("only scheme, host, port and path")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise WrongAddressError("its path has letters, digits and . _ - only")
    shown = f":{port}" if port else ""
    return f"{parts.scheme}://{host}{shown}{path}"


def add(
    session: Session, keyring: Keyring, base_url: str, token: Secret, *, now: datetime
) -> uuid.UUID:
    """Make a site a tenant that waits for its proof; return its id.

    The operator needs the id for the exceptions that let us reach a private network.
    Raise `AddressTakenError` if another tenant is there.
    """
    held = sa.select(Tenant.id).where(
        Tenant.base_url == base_url,
        Tenant.state.in_((State.ACTIVE, State.PENDING)),
    )
    if (holder := session.scalar(held.limit(1))) is not None:
        raise AddressTakenError(f"tenant {holder} has this address")
    tenant = Tenant(
        id=new_id(now),
        state=State.PENDING,
        base_url=base_url,
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    session.add(tenant)
    session.flush()  # the name and the token point at the tenant
    session.add(
        TenantIdentity(
            id=new_id(now),
            tenant_id=tenant.id,
            door=Door.DATACENTER,
            external_id=str(tenant.id),
        )
    )
    session.flush()
    vault.put(session, keyring, tenant.personal_token, token, now=now)
    audit.record(
        session,
        tenant.id,
        "datacenter-added",
        actor=ACTOR,
        now=now,
        base_url=base_url,
    )
    return tenant.id


def find_identity(session: Session, tenant_id: uuid.UUID) -> TenantIdentity | None:
    """Return the name of a self-managed site that is not removed."""
    return tenants.live_identity(session, tenant_id, Door.DATACENTER)


def opened(
    session: Session, keyring: Keyring, tenant: Tenant, *, now: datetime
) -> Secret | None:
    """Return the site's token, also while the site waits for its proof."""
    found = vault.accepted(session, keyring, tenant.personal_token, now=now)
    return found[0].secret if found else None


def prove(
    session: Session, tenant_id: uuid.UUID, account_id: str, *, now: datetime
) -> bool:
    """Let a site in whose Jira answered us; return whether it was waiting.

    `account_id` is the key of the user whose token we have: as whom we act there.
    """
    identity, tenant = _locked(session, tenant_id)
    identity.account_id = account_id
    tenant.proven_at = tenant.proven_at or now
    tenants.note_answer(session, tenant_id, now=now)
    if tenant.state is not State.PENDING:
        return False
    tenant.state = State.ACTIVE
    audit.record(
        session,
        tenant_id,
        "datacenter-proven",
        actor="countersign",
        now=now,
        base_url=tenant.base_url,
        account=account_id,
    )
    return True


def renew_token(
    session: Session,
    keyring: Keyring,
    tenant_id: uuid.UUID,
    token: Secret,
    account_id: str,
    *,
    now: datetime,
) -> int:
    """Take a token whose call Jira has answered; return its number.

    The one before ends at once: a token that is replaced may be one that was lost.
    """
    _, tenant = _locked(session, tenant_id)
    generation = vault.put(session, keyring, tenant.personal_token, token, now=now)
    audit.record(
        session,
        tenant_id,
        "datacenter-token-renewed",
        actor=ACTOR,
        now=now,
        account=account_id,
        number=generation,
    )
    prove(session, tenant_id, account_id, now=now)
    return generation


def remove(session: Session, tenant_id: uuid.UUID, *, now: datetime) -> None:
    """Close the door, as an uninstall does, and forget what opens the site's Jira.

    Nothing is signed for it any more; its history stays, and so do its settings until
    their retention is over.
    """
    identity, tenant = _locked(session, tenant_id)
    vault.forget(session, tenant.personal_token)
    vault.forget(session, tenant.session_secret)
    tenants.leave(session, identity, now=now)
    audit.record(
        session,
        tenant_id,
        "datacenter-removed",
        actor=ACTOR,
        now=now,
        base_url=tenant.base_url,
    )


def _locked(session: Session, tenant_id: uuid.UUID) -> tuple[TenantIdentity, Tenant]:
    tenant = session.get(Tenant, tenant_id, with_for_update=True)
    identity = find_identity(session, tenant_id) if tenant is not None else None
    if tenant is None or identity is None:
        words = "this is no self-managed site, or it was removed"
        raise NotSelfManagedError(words)
    return identity, tenant
