"""The Jira sites that installed us: who they are, and when they may call.

`tables` says what is stored; `installing` and `standing` what happens to a tenant;
`sites` where it may be; `reaching` whether its Jira accepts our calls.
"""

from app.tenants.installing import (
    Installed,
    forget_departed,
    forget_expired_tokens,
    install,
    uninstall,
)
from app.tenants.reaching import note_answer, note_refusal, note_silence
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
    "forget_departed",
    "forget_expired_tokens",
    "get_calling",
    "install",
    "note_answer",
    "note_refusal",
    "note_silence",
    "prove",
    "refuse_unless_active",
    "uninstall",
]
