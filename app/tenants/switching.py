"""Whether Jira says that we are switched on; it is shown, and changes nothing else."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from app.tenants import standing
from app.tenants.tables import LifecycleToken, Tenant
from app.tokens.checks import Verified


def switch(
    session: Session,
    tenant_id: uuid.UUID,
    verified: Verified,
    *,
    is_enabled: bool,
    now: datetime,
) -> bool:
    """Note what Jira says; return False for a call that came before.

    Attack: the call is captured, and sent again for its hour: a line of the tenant's
    history each time (rule T13).
    """
    tenant = session.get_one(Tenant, tenant_id)
    standing.lock(session, tenant)
    if session.get(LifecycleToken, verified.token_hash) is not None:
        return False
    session.add(
        LifecycleToken(
            token_hash=verified.token_hash,
            tenant_id=tenant_id,
            fingerprint="",
            expires_at=verified.expires_at,
        )
    )
    tenant.enabled = is_enabled
    kind = "enabled" if is_enabled else "disabled"
    standing.note(session, tenant, kind, now=now)
    return True
