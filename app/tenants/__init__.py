"""The Jira sites that installed us: who they are, and when they may call.

`tables` says what is stored; `installing` and `standing` what happens to a tenant;
`sites` where it may be.
"""

from app.tenants.installing import (
    Installed,
    forget_expired_tokens,
    install,
    uninstall,
)
from app.tenants.sites import check_site
from app.tenants.standing import (
    approve,
    find,
    get_calling,
    prove,
    refuse_unless_active,
)
from app.tenants.tables import Door, LifecycleToken, State, Tenant, TenantIdentity

__all__ = [
    "Door",
    "Installed",
    "LifecycleToken",
    "State",
    "Tenant",
    "TenantIdentity",
    "approve",
    "check_site",
    "find",
    "forget_expired_tokens",
    "get_calling",
    "install",
    "prove",
    "refuse_unless_active",
    "uninstall",
]
