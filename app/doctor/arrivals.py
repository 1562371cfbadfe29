"""What becomes of an address on its way to us: sent by the doctor, told by the door.

The door tells hashes only: whoever calls it learns what he has sent himself, and
nothing that he sends comes back to be shown by a browser.
"""

import hashlib
import re
from typing import NamedTuple, Self

from app.tokens import target
from app.tokens.checks import Refused

PATH = "/doctor/target"
"""Below the base URL; what follows is what the doctor wants to see arrive."""

_HASH = re.compile(r"[0-9a-f]{64}")


class Arrival(NamedTuple):
    """A request target as two hashes: of its bytes, and as signatures see it."""

    raw: str
    signed: str
    """The `qsh` that a token for it has (rule T0b); empty for a target that is refused
    because two readers could read it differently."""

    @classmethod
    def of(cls, raw_target: str, base_path: str) -> Self:
        """Hash a target by the very code that judges tokens."""
        raw = hashlib.sha256(raw_target.encode("utf-8", "replace")).hexdigest()
        try:
            relative = target.relative(raw_target, base_path)
            target.refuse_confusable(relative)
        except Refused:
            return cls(raw, "")
        return cls(raw, target.hash_of("GET", relative))

    @classmethod
    def read(cls, document: object) -> Self | None:
        """Read what the door answered; None if that was not our door."""
        if not isinstance(document, dict):
            return None
        raw, signed = document.get("raw"), document.get("signed")
        is_ours = _is_hash(raw) and (signed == "" or _is_hash(signed))
        return cls(str(raw), str(signed)) if is_ours else None


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None
