"""Callers other than Jira that a tenant's admin lets in, and what proves each of them.

`tables` says what is stored; `defining`, `presets` and `transitions` what an admin may
say; `keeping` what admins do; `keysets` reads the keys of others; `judging` lets a
caller in; `rules` keeps what a transition of a self-managed Jira sets off.
"""

from app.audit import Change
from app.listeners import rules
from app.listeners.defining import Definition, Federated, Tokened
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
from app.listeners.rules import ChangedMeanwhileError, Version
from app.listeners.tables import Listener, ListenerRule, ListenerState, Proof
from app.listeners.transitions import Transition, WebhookProof
from app.names import NameTakenError

__all__ = [
    "DEFINITIONS",
    "SECRET_GRACE",
    "Call",
    "Called",
    "Change",
    "ChangedMeanwhileError",
    "Definition",
    "Federated",
    "KeySets",
    "KeySetsAwayError",
    "KeySource",
    "Listener",
    "ListenerRule",
    "ListenerState",
    "NameTakenError",
    "NoKeySetError",
    "NoSuchListenerError",
    "Proof",
    "Tokened",
    "TooManyListenersError",
    "Transition",
    "Version",
    "WebhookProof",
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
    "rules",
    "url_of",
]
