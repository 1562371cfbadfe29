"""What a checkpoint says, and how it is read again."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.checkpoints.hashing import moment

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The signed part of a checkpoint."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    seq: int
    """1 for a tenant's first one, and no number is left out."""
    previous: str
    """SHA-256 of the JWS before; empty for the first one."""
    count: int
    """Events that came under this checkpoint. One that only says that ranges were
    pruned, or that persons were erased, has none."""
    root: str
    """SHA-256 of their ids and hashes."""
    amended: int
    amendments: str
    """SHA-256 of the changes of events that it attests, and how many they are."""
    pruned_through: int
    """The events of checkpoints up to this one were deleted by age. Attack: who
    deletes a range says that it was old; without our signature it is missing."""
    through: datetime
    """When the last of its events happened. Every event up to then, but for those that
    were just being written, was under a checkpoint when this one was made."""
    made_at: datetime

    def payload(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "id": str(self.id),
            "tenant": str(self.tenant_id),
            "seq": self.seq,
            "previous": self.previous,
            "count": self.count,
            "root": self.root,
            "amended": self.amended,
            "amendments": self.amendments,
            "pruned_through": self.pruned_through,
            "through": moment(self.through),
            "made_at": moment(self.made_at),
        }


def parse(payload: Mapping[str, Any]) -> Statement:
    """Read what was signed; raise `ValueError` for what is no statement of version 1.

    Only ours are signed, so a fault in one is another version's form.
    """
    try:
        if payload["v"] != VERSION:
            raise ValueError("another version")
        return Statement(
            id=uuid.UUID(payload["id"]),
            tenant_id=uuid.UUID(payload["tenant"]),
            seq=int(payload["seq"]),
            previous=str(payload["previous"]),
            count=int(payload["count"]),
            root=str(payload["root"]),
            amended=int(payload["amended"]),
            amendments=str(payload["amendments"]),
            pruned_through=int(payload["pruned_through"]),
            through=datetime.fromisoformat(payload["through"]),
            made_at=datetime.fromisoformat(payload["made_at"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no statement") from error
