"""External systems that a tenant's admin set up, and what we send them.

`tables` says what is stored; `defining` what an admin may say; `keeping`, `sealing` and
`approving` what admins do. `connector` is what a kind of destination is, `attempting`
what one attempt is made of; each kind has a file, and `connectors` lists them. `events`
is what a delivery says; `opening` gets its credentials out; `answers` judges what came
back, `health` remembers it; `findings` is what a receiver says when it is asked;
`scrubbing` decides what of it all may be shown.
"""

from app.audit import Change
from app.destinations.answers import LONGEST, Judged, Verdict, next_attempt
from app.destinations.approving import (
    approve,
    approved,
    is_approved,
    refusal,
    withdraw,
)
from app.destinations.attempting import Exchange, Form, Line, Signed, Target
from app.destinations.borrowed import Borrowed
from app.destinations.connector import Connector
from app.destinations.connectors import (
    CONNECTORS,
    connector_of,
    fitting,
    inputs_of,
)
from app.destinations.defining import Definition, Unfit, unfit
from app.destinations.events import (
    AnswerTo,
    Delivery,
    Progress,
    issuer,
    subject_of,
)
from app.destinations.findings import Finding, NotNowError, Sight
from app.destinations.health import Turn, Wait, admit, locked, settle
from app.destinations.inputs import Taken, taken
from app.destinations.inputs import unfit as unfit_inputs
from app.destinations.keeping import (
    NoSuchDestinationError,
    answered_by,
    change_to,
    create,
    delete,
    disable,
    find,
    forget_departed,
    get,
    listed,
    pause,
    renew_secret,
    resume,
)
from app.destinations.opening import AnyTarget, audience_of, note_mint, open_target
from app.destinations.sealing import NoCredentialError
from app.destinations.snippets import Snippet
from app.destinations.tables import (
    Approval,
    Destination,
    DestinationHealth,
    DestinationState,
    Pace,
    Signing,
)
from app.names import NameTakenError

__all__ = [
    "CONNECTORS",
    "LONGEST",
    "AnswerTo",
    "AnyTarget",
    "Approval",
    "Borrowed",
    "Change",
    "Connector",
    "Definition",
    "Delivery",
    "Destination",
    "DestinationHealth",
    "DestinationState",
    "Exchange",
    "Finding",
    "Form",
    "Judged",
    "Line",
    "NameTakenError",
    "NoCredentialError",
    "NoSuchDestinationError",
    "NotNowError",
    "Pace",
    "Progress",
    "Sight",
    "Signed",
    "Signing",
    "Snippet",
    "Taken",
    "Target",
    "Turn",
    "Unfit",
    "Verdict",
    "Wait",
    "admit",
    "answered_by",
    "approve",
    "approved",
    "audience_of",
    "change_to",
    "connector_of",
    "create",
    "delete",
    "disable",
    "find",
    "fitting",
    "forget_departed",
    "get",
    "inputs_of",
    "is_approved",
    "issuer",
    "listed",
    "locked",
    "next_attempt",
    "note_mint",
    "open_target",
    "pause",
    "refusal",
    "renew_secret",
    "resume",
    "settle",
    "subject_of",
    "taken",
    "unfit",
    "unfit_inputs",
    "withdraw",
]
