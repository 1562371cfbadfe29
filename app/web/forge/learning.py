"""What we make of an installation, and of the token that came with an event (T16).

A token is stored only after the site's own Jira answered a call with it. The questions
are asked before the transaction that notes the answers.
"""

import logging
import threading
import uuid

from sqlalchemy.orm import Session

from app import destinations, forge, runs, tenants
from app.crypto import Secret
from app.forge import Site
from app.http import SendError
from app.jira import ODD, JiraError, lent, open_connect, site_of
from app.tenants import Door, State, Tenant
from app.tokens.checks import Reason, Refused
from app.tokens.forge import Invocation, access_ends
from app.web import key_renewal, recording
from app.web.context import runtime

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Installations that are learnt of at a time in one process: each keeps a thread for
seconds, and a slow gateway must not take all of them from calls that only want to be
written down."""

_places = threading.BoundedSemaphore(AT_ONCE)


class UnprovenError(Exception):
    """The site's Jira does not take the token now; Forge should send another."""


def learn(invocation: Invocation, token: Secret | None) -> None:
    """Note the installation, whose tenant it is, and the token that opens its Jira.

    Raise `UnprovenError` where there is no token, or Jira does not accept it: right
    after an install it may not yet. Raise `Refused` for a site that is not allowed.
    """
    if token is None:
        raise UnprovenError("Forge sent no token for the site")
    if not _places.acquire(blocking=False):
        raise UnprovenError("too many sites are being looked at")
    try:
        site = _ask(invocation, token)
    finally:
        _places.release()
    _note_connect_account(site.client_key)
    tenant_id = _keep(invocation, site, token)
    key_renewal.renew(tenant_id)
    recording.wake()


def _ask(invocation: Invocation, token: Secret) -> Site:
    settings = runtime().settings
    jira = lent(runtime(), invocation.api_base_url, token)
    try:
        account_id, base_url, client_key = site_of(jira, app_key=settings.app_key)
    except (JiraError, SendError, *ODD) as error:
        _note_trouble(invocation, error)
        raise UnprovenError(type(error).__name__) from error
    _refuse_another_account(invocation, account_id)
    return Site(
        base_url=tenants.check_site(settings, base_url),
        account_id=account_id,
        client_key=client_key,
    )


def _refuse_another_account(invocation: Invocation, account_id: str) -> None:
    """Refuse a token that opens the site for somebody else than for us.

    Attack: no signature covers the header it comes in. Whoever has one call of Forge's
    in his hands, and a token of his own for that site, would have us act as him.
    """
    with runtime().sessions.begin() as session:
        name = invocation.installation_id
        identity = tenants.find_identity(session, name, Door.FORGE)
        known = identity.account_id if identity else None
    if known is not None and known != account_id:
        raise Refused(Reason.BODY_MISMATCH, "the token is another account's")


def _keep(invocation: Invocation, site: Site, token: Secret) -> uuid.UUID:
    now = runtime().now()
    until = access_ends(token.reveal(), now=now)
    with runtime().sessions.begin() as session:
        settings, keyring = runtime().settings, runtime().keyring
        _let_move(session, invocation, site)
        found = forge.install(session, settings, invocation, site, now=now)
        tenant = session.get_one(Tenant, found.tenant_id)
        if tenant.state in {State.ACTIVE, State.PENDING}:
            forge.keep_token(session, keyring, found, token, until=until, now=now)
        if tenant.state is State.ACTIVE:
            tenants.note_answer(session, tenant.id, now=now)
            runs.wake(session, tenant.id, now=now)
        return tenant.id


def _let_move(session: Session, invocation: Invocation, site: Site) -> None:
    """Let an installation go over to the tenant that Jira names, if it has nothing yet.

    Forge may have come first, and rights are given minutes after an install: until
    then Jira does not say that the site had the Connect app.
    """
    identity = tenants.find_identity(session, invocation.installation_id, Door.FORGE)
    if identity is None or site.client_key is None:
        return
    linked = tenants.find(session, site.client_key)
    if linked is None or linked.id == identity.tenant_id:
        return
    former = session.get_one(Tenant, identity.tenant_id)
    is_empty = not runs.latest(session, former.id, limit=1) and not (
        destinations.listed(session, former.id)
    )
    if is_empty and tenants.find_identity_of(session, former.id, Door.CONNECT) is None:
        forge.move(session, identity, linked, now=runtime().now())


def _note_trouble(invocation: Invocation, error: Exception) -> None:
    """Note, of a tenant that we know, that its token opens nothing, or nobody answers.

    While the token before is still good, that is nothing to worry anybody.
    """
    log.warning("forge token unproven: %s", type(error).__name__)
    now, keyring = runtime().now(), runtime().keyring
    refused = isinstance(error, JiraError) and error.refuses_us
    note = tenants.note_refusal if refused else tenants.note_silence
    with runtime().sessions.begin() as session:
        known = tenants.find(session, invocation.installation_id, Door.FORGE)
        if known is None or known.state is not State.ACTIVE:
            return
        access = forge.find_access(session, keyring, known.id, now=now)
        if access is None or access.token is None:
            note(session, known.id, str(error), now=now)


def _note_connect_account(client_key: str | None) -> None:
    """Ask, while Connect still opens the site, as whom we acted through it.

    The conditions of its holds name that account; they are to name ours of today.
    """
    if client_key is None:
        return
    with runtime().sessions.begin() as session:
        identity = tenants.find_identity(session, client_key, Door.CONNECT)
        if identity is None or identity.ended_at or identity.account_id:
            return
        tenant = session.get_one(Tenant, identity.tenant_id)
        jira = open_connect(session, runtime(), tenant)
    if jira is None:
        return
    try:
        account_id = jira.own_account()
    except (JiraError, SendError, *ODD):
        return
    with runtime().sessions.begin() as session:
        identity = tenants.find_identity(session, client_key, Door.CONNECT)
        if identity is not None:
            identity.account_id = account_id
