"""New signing keys for a site that came back, whichever door it came in by."""

import uuid

from app import keys
from app.tenants import State, Tenant
from app.web.context import runtime


def renew(tenant_id: uuid.UUID) -> None:
    """Give a site that came back other keys for those that ended with it (T14).

    Its destinations are still there, and would have nothing to sign with.
    """
    with runtime().sessions.begin() as session:
        is_here = session.get_one(Tenant, tenant_id).state is not State.SUPERSEDED
        has_had = bool(keys.listed(session, tenant_id))
        if not is_here or not has_had or keys.has_keys(session, tenant_id):
            return
    fresh = keys.make(2)
    rotation = keys.Rotation(
        tenant_id=tenant_id, actor="jira", now=runtime().now(), fresh=fresh
    )
    with runtime().sessions.begin() as session:
        keys.ensure(session, runtime().keyring, rotation)
