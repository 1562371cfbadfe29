"""External systems that a tenant's admin set up, and what we send them.

`tables` says what is stored; `defining` what an admin may say; `keeping` and
`approving` what admins do; `events` is what a delivery says and `sending` how it is
signed; `answers` judges what came back, `health` remembers it; `scrubbing` decides what
of it may be shown.
"""

from app.destinations.answers import LONGEST, Judged, Verdict, next_attempt
from app.destinations.approving import (
    approve,
    approved,
    is_approved,
    refusal,
    withdraw,
)
from app.destinations.defining import Definition
from app.destinations.events import Delivery, issuer, message
from app.destinations.health import Turn, Wait, admit, locked, settle
from app.destinations.keeping import (
    Change,
    NameTakenError,
    NoSuchDestinationError,
    change_to,
    create,
    delete,
    disable,
    find,
    get,
    listed,
    pause,
    renew_secret,
    resume,
)
from app.destinations.sending import (
    Exchange,
    Signed,
    Target,
    exchange,
    note_mint,
    open_target,
    sign,
)
from app.destinations.tables import (
    Approval,
    Destination,
    DestinationHealth,
    DestinationState,
    Kind,
    Pace,
    Signing,
)

__all__ = [
    "LONGEST",
    "Approval",
    "Change",
    "Definition",
    "Delivery",
    "Destination",
    "DestinationHealth",
    "DestinationState",
    "Exchange",
    "Judged",
    "Kind",
    "NameTakenError",
    "NoSuchDestinationError",
    "Pace",
    "Signed",
    "Signing",
    "Target",
    "Turn",
    "Verdict",
    "Wait",
    "admit",
    "approve",
    "approved",
    "change_to",
    "create",
    "delete",
    "disable",
    "exchange",
    "find",
    "get",
    "is_approved",
    "issuer",
    "listed",
    "locked",
    "message",
    "next_attempt",
    "note_mint",
    "open_target",
    "pause",
    "refusal",
    "renew_secret",
    "resume",
    "settle",
    "sign",
    "withdraw",
]
