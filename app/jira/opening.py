"""Which way a tenant's Jira is reached now: by what opens it, Forge's token first."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app import forge, listeners, tenants, vault
from app.crypto import Secret
from app.jira.calling import Jira, Standing
from app.jira.signing import AccessToken, SharedSecret, Signer
from app.runtime import Runtime
from app.tenants import Door, State, Tenant
from app.tenants.promoting import Trial

LEARNING_SECONDS = 1.2
"""How long each question about a new token may take: there are three, and Forge waits
five seconds for the answer to its event."""

PROVING_SECONDS = 5.0
"""How long a call may take that is to prove a secret; it is made again."""

NOBODY = uuid.UUID(int=0)
"""Stands for a site that is only just becoming a tenant: no exception is for it."""


def open_jira(
    session: Session,
    runtime: Runtime,
    tenant_id: uuid.UUID,
    *,
    user_token: Secret | None = None,
) -> Jira:
    """Return the tenant's Jira with what is good now.

    A site that has both doors is reached by Forge as long as Forge lends us a token: it
    is the one that stays. Of a tenant that is not active nothing is good, so every call
    ends in 401. With `user_token` the calls are that person's, who came through Forge.
    """
    tenant = session.get_one(Tenant, tenant_id)
    if tenant.state is not State.ACTIVE:
        return _opened(runtime, tenant, Door.CONNECT, tenant.base_url, [])
    access = forge.find_access(session, runtime.keyring, tenant_id, now=runtime.now())
    token = user_token or (access.token if access else None)
    if access is None or token is None:
        secrets = _secrets(session, runtime, tenant, renews=access is not None)
        jira = _opened(runtime, tenant, Door.CONNECT, tenant.base_url, secrets)
        if access is None:
            own = _open_self_managed(session, runtime, tenant)
            return own or jira
        without = jira.standing if secrets else Standing.WAITING
        return replace(jira, standing=without, heard_at=access.heard_at)
    generation = None if user_token else access.generation
    signer = AccessToken(token=token, renews=user_token is None)
    jira = _opened(runtime, tenant, Door.FORGE, access.api_base_url, [signer])
    return replace(jira, generation=generation, heard_at=access.heard_at)


def _opened(
    runtime: Runtime,
    tenant: Tenant,
    door: Door,
    base_url: str,
    signers: Sequence[Signer],
) -> Jira:
    return Jira(
        tenant_id=tenant.id,
        base_url=base_url,
        door=door,
        signers=signers,
        standing=Standing.READY if signers else Standing.GONE,
        http=runtime.http,
        meter=runtime.meter,
        now=runtime.now,
    )


def open_self_managed(runtime: Runtime, tenant: Tenant, token: Secret) -> Jira:
    """Return a self-managed site's Jira for a token that may not be kept yet."""
    signer = AccessToken(token=token, renews=False)
    return _opened(runtime, tenant, Door.DATACENTER, tenant.base_url, [signer])


def _open_self_managed(
    session: Session, runtime: Runtime, tenant: Tenant
) -> Jira | None:
    if tenants.live_identity(session, tenant.id, Door.DATACENTER) is None:
        return None
    owner, now = tenant.personal_token, runtime.now()
    tokens = vault.accepted(session, runtime.keyring, owner, now=now)
    signers = [AccessToken(token=each.secret, renews=False) for each in tokens]
    jira = _opened(runtime, tenant, Door.DATACENTER, tenant.base_url, signers)
    own_rules = listeners.rules.all_current(session, tenant.id)
    return replace(jira, own_rules=own_rules)


def lent(runtime: Runtime, api_base_url: str, token: Secret) -> Jira:
    """Return a site's Jira for a token that Forge has just brought, unproven still."""
    return Jira(
        tenant_id=NOBODY,
        base_url=api_base_url,
        door=Door.FORGE,
        signers=[AccessToken(token=token, renews=False)],
        seconds=LEARNING_SECONDS,
        http=runtime.http,
        now=runtime.now,
    )


def open_offered(runtime: Runtime, trial: Trial, base_url: str) -> Jira:
    """Return a site's Jira for a secret that is still to be proven (rule T4)."""
    signer = SharedSecret(secret=trial.secret, app_key=runtime.settings.app_key)
    return Jira(
        tenant_id=trial.tenant_id,
        base_url=base_url,
        door=Door.CONNECT,
        signers=[signer],
        seconds=PROVING_SECONDS,
        http=runtime.http,
        meter=runtime.meter,
        now=runtime.now,
    )


def open_connect(session: Session, runtime: Runtime, tenant: Tenant) -> Jira | None:
    """Return the tenant's Jira by Connect's secret alone; None if it has no such."""
    is_active = tenant.state is State.ACTIVE
    secrets = _secrets(session, runtime, tenant) if is_active else []
    if not secrets:
        return None
    return _opened(runtime, tenant, Door.CONNECT, tenant.base_url, secrets)


def _secrets(
    session: Session, runtime: Runtime, tenant: Tenant, *, renews: bool = False
) -> Sequence[Signer]:
    if tenants.live_identity(session, tenant.id, Door.CONNECT) is None:
        return []
    now, app_key = runtime.now(), runtime.settings.app_key
    # In this order: one that is proven between the two is among the second.
    offered = tenants.candidates.opened(session, runtime.keyring, tenant, now=now)
    opened = vault.accepted(session, runtime.keyring, tenant.shared_secret, now=now)
    if opened and offered and offered[0].base_url == tenant.base_url:
        # Jira may have gone over to it already, and then it answers the current one
        # with 401. To try it at the known address is what proves it, so it does no
        # harm; at an address that is offered with it, it would (rule T4).
        opened.insert(1, offered[1])
    return [
        SharedSecret(secret=each.secret, app_key=app_key, renews=renews)
        for each in opened
    ]
