"""Self-managed sites: nobody installs us there, so the operator adds them (ADR 21).

`adding` makes such a site a tenant and keeps what opens its Jira; `sessions` lets a
named person onto our pages, which no Jira frames there.
"""

from app.datacenter.adding import (
    ACTOR,
    AddressTakenError,
    NotSelfManagedError,
    WrongAddressError,
    add,
    address,
    find_identity,
    opened,
    prove,
    remove,
    renew_token,
)
from app.datacenter.sessions import (
    Sitting,
    end_sessions,
    invite,
    is_invited,
    issue,
    judge,
    sign_in,
)

__all__ = [
    "ACTOR",
    "AddressTakenError",
    "NotSelfManagedError",
    "Sitting",
    "WrongAddressError",
    "add",
    "address",
    "end_sessions",
    "find_identity",
    "invite",
    "is_invited",
    "issue",
    "judge",
    "opened",
    "prove",
    "remove",
    "renew_token",
    "sign_in",
]
