"""The Jira sites that installed us: who they are, and when they may call.

`tables` says what is stored; `installing` and `standing` what happens to a tenant;
`candidates` keeps what a re-install offers and `promoting` makes it the site's, once it
is proven; `switching` what Jira says of us; `sites` where it may be; `reaching` whether
its Jira accepts our calls.
"""

from app.tenants import candidates, promoting
from app.tenants.candidates import SecretCandidate
from app.tenants.installing import (
    Effect,
    Installation,
    Installed,
    forget_departed,
    forget_expired_tokens,
    install,
    uninstall,
)
from app.tenants.reaching import note_answer, note_refusal, note_silence
from app.tenants.sites import admitted, check_site, is_unlisted
from app.tenants.standing import (
    approve,
    find,
    find_identity,
    find_identity_of,
    former_accounts,
    get_calling,
    leave,
    live_identity,
    lock,
    note,
    prove,
    refuse_inactive,
    refuse_unless_active,
    supersede,
)
from app.tenants.switching import switch
from app.tenants.tables import Door, LifecycleToken, State, Tenant, TenantIdentity

__all__ = [
    "Door",
    "Effect",
    "Installation",
    "Installed",
    "LifecycleToken",
    "SecretCandidate",
    "State",
    "Tenant",
    "TenantIdentity",
    "admitted",
    "approve",
    "candidates",
    "check_site",
    "find",
    "find_identity",
    "find_identity_of",
    "forget_departed",
    "forget_expired_tokens",
    "former_accounts",
    "get_calling",
    "install",
    "is_unlisted",
    "leave",
    "live_identity",
    "lock",
    "note",
    "note_answer",
    "note_refusal",
    "note_silence",
    "promoting",
    "prove",
    "refuse_inactive",
    "refuse_unless_active",
    "supersede",
    "switch",
    "uninstall",
]
