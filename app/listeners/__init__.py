"""Callers other than Jira that a tenant's admin lets in, and what proves each of them.

`tables` says what is stored; `defining` and `presets` what an admin may say; `keeping`
what admins do; `keysets` reads the keys of others; `judging` lets a caller in.
"""

from app.audit import Change
from app.listeners.defining import Definition, Federated
from app.listeners.judging import (
    DEFINITIONS,
    Call,
    Called,
    definition_of,
    judge,
    open_called,
)
from app.listeners.keeping import (
    SECRET_GRACE,
    NoSuchListenerError,
    TooManyListenersError,
    change_to,
    create,
    delete,
    find,
    get,
    listed,
    named,
    note_heard,
    pause,
    renew_secret,
    resume,
    url_of,
)
from app.listeners.keysets import (
    KeySets,
    KeySetsAwayError,
    KeySource,
    NoKeySetError,
    read,
)
from app.listeners.tables import Listener, ListenerState, Proof
from app.names import NameTakenError

__all__ = [
    "DEFINITIONS",
    "SECRET_GRACE",
    "Call",
    "Called",
    "Change",
    "Definition",
    "Federated",
    "KeySets",
    "KeySetsAwayError",
    "KeySource",
    "Listener",
    "ListenerState",
    "NameTakenError",
    "NoKeySetError",
    "NoSuchListenerError",
    "Proof",
    "TooManyListenersError",
    "change_to",
    "create",
    "definition_of",
    "delete",
    "find",
    "get",
    "judge",
    "listed",
    "named",
    "note_heard",
    "open_called",
    "pause",
    "read",
    "renew_secret",
    "resume",
    "url_of",
]
