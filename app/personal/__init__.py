"""What we keep of a person: where his account id stands, given out and erased.

`places` is the list of it; `telling` gives it out; `erasing` forgets it; `tables` says
what is stored of a wish to be forgotten.
"""

from app.personal.erasing import (
    ListedErasure,
    TooManyErasuresError,
    erase_some,
    listed,
    unfinished,
    want,
)
from app.personal.places import ERASED, is_account_id
from app.personal.tables import Erasure
from app.personal.telling import Cursor, Told, tell

__all__ = [
    "ERASED",
    "Cursor",
    "Erasure",
    "ListedErasure",
    "Told",
    "TooManyErasuresError",
    "erase_some",
    "is_account_id",
    "listed",
    "tell",
    "unfinished",
    "want",
]
