"""Whom the pages of a self-managed site let in: a token family of its own (ADR 21)."""

from flask import g

from app import datacenter, tenants
from app.datacenter import Sitting
from app.tenants import Door
from app.tokens import target
from app.web.context import Caller, runtime
from app.web.guards import bearer_token, raw_target

PLACE = "/datacenter"
"""Below this the pages are served; also what the sessions' tokens are for."""


def audience() -> str:
    """Return what a session's token has as `aud`: these pages and nothing else."""
    return f"{runtime().settings.base_url}{PLACE}"


def stands_alone() -> None:
    """Let everybody see the empty frame of these pages: nothing of a site's is in it.

    No Jira shows it in a frame of its own, so nobody else may.
    """
    g.stands_alone = True


def session_token() -> None:
    """Let in a person by the session that the operator's sign-in link began.

    Sets `g.sitting`. Attack: a session outlives what it was given for. Its site may
    have left, and its person may have been shut out of Jira: both are asked each time.
    """
    target.refuse_confusable(raw_target())
    token, now = bearer_token(), runtime().now()
    g.claimed_issuer = token.issuer
    with runtime().reading.begin() as session:
        tenant = tenants.get_calling(session, token.issuer, Door.DATACENTER)
        g.tenant_id = tenant.id
        sitting, verified = datacenter.judge(
            session, runtime().keyring, tenant, token, audience=audience(), now=now
        )
    g.sitting = sitting
    g.caller = Caller(
        tenant_id=sitting.tenant_id,
        door=Door.DATACENTER,
        verified=verified,
        origins=(),  # nobody frames these pages
    )


def sitting() -> Sitting:
    """Return whose session it is, and since when it lasts."""
    found: Sitting = g.sitting
    return found
