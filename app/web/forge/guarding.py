"""Whom an endpoint of our Forge manifest lets in: one token family, two sorts (T16)."""

import uuid

from flask import g, request

from app import tenants
from app.crypto import Secret
from app.forge import manifest
from app.tenants import Door
from app.tokens import forge, target
from app.tokens.checks import Refused, Unverified
from app.tokens.forge import Expected, Invocation
from app.web import guards
from app.web.context import Caller, runtime, web
from app.web.guards import Guard

PAGES = manifest.page_modules() | {manifest.PAGES.key}
"""What our pages call: the one endpoint that is for people. Atlassian's own example of
such a token names the module of the page instead (docs/adr/0011)."""

MAX_LENT = 16 * 1024
"""Bytes of a token for Jira that we take along."""

SYSTEM_HEADER = "X-Forge-Oauth-System"
USER_HEADER = "X-Forge-Oauth-User"


def event(endpoint: str) -> Guard:
    """Return what lets in Forge's events for this endpoint: no person is in them.

    Sets `g.invocation`. The installation may be unknown still: the view looks it up.
    """

    def forge_event() -> None:
        g.invocation = _invocation(frozenset({endpoint}), is_ui=False)
        g.tenant_id = _known(g.invocation.installation_id)

    return forge_event


def forge_page() -> None:
    """Let in a person's page that Forge vouches for, with that person's own token.

    Attack: a token of somebody else's beside a person's page. What it is used for is to
    ask Jira about the person whom Forge named, so it can only say less of him.
    """
    invocation = _invocation(PAGES, is_ui=True)
    with runtime().sessions.begin() as session:
        tenant = tenants.get_calling(session, invocation.installation_id, Door.FORGE)
        tenant_id = tenant.id
    g.tenant_id = tenant_id
    g.caller = Caller(
        tenant_id=tenant_id,
        door=Door.FORGE,
        verified=invocation.verified,
        origins=(),  # Atlassian frames these pages, from its own host
        user_token=_header(USER_HEADER),
    )


def system_token() -> Secret | None:
    """Return the token for the site's Jira that came with an event; unproven."""
    return _header(SYSTEM_HEADER)


def _invocation(endpoints: frozenset[str], *, is_ui: bool) -> Invocation:
    settings, now = runtime().settings, runtime().now()
    target.refuse_confusable(guards.raw_target())
    token = _read_token()
    forge.precheck(token, app_id=settings.forge_app_id, now=now)
    key = web().forge_keys.get(forge.key_id(token))
    expected = Expected(
        app_id=settings.forge_app_id,
        endpoints=endpoints,
        environments=frozenset(settings.forge_environments),
        api_url=settings.forge_api_url,
        is_ui=is_ui,
    )
    try:
        return forge.verify(token, key, expected)
    except Refused as error:
        if error.proven:  # nothing is looked up in the name of a stranger
            g.tenant_id = _known(forge.installation(token))
        raise


def _known(installation_id: str) -> uuid.UUID | None:
    with runtime().sessions.begin() as session:
        known = tenants.find(session, installation_id, Door.FORGE)
        return known.id if known else None


def _read_token() -> Unverified:
    token = guards.bearer_token()
    g.claimed_issuer = forge.installation(token)
    return token


def _header(name: str) -> Secret | None:
    value = request.headers.get(name, "").strip()
    return Secret(value) if 0 < len(value) <= MAX_LENT else None
