"""Our signing keys, a set for each tenant: next, active, retiring (rule T14).

A key is published a good while before it signs, so that a receiver which remembers our
key set knows it already; it stays published until the last token that it signed has
expired. `next` waits, `active` signs, `retiring` only lets old tokens be checked.
"""

from app.keys.changing import (
    Rotation,
    TooSoonError,
    end,
    ensure,
    make,
    revoke_active,
    revoke_all,
    rotate,
)
from app.keys.reading import (
    RETIREMENT,
    ListedKey,
    Signer,
    due,
    has_keys,
    key_set,
    listed,
    signer,
)
from app.keys.tables import KeyState, NoKeyError, SigningKey

__all__ = [
    "RETIREMENT",
    "KeyState",
    "ListedKey",
    "NoKeyError",
    "Rotation",
    "Signer",
    "SigningKey",
    "TooSoonError",
    "due",
    "end",
    "ensure",
    "has_keys",
    "key_set",
    "listed",
    "make",
    "revoke_active",
    "revoke_all",
    "rotate",
    "signer",
]
