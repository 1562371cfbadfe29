"""What is hashed of an event, and what is signed of many: the same for ever.

Whoever changes a line of this makes every checkpoint that there is a broken one. A new
form is a new version beside the old one. `examples/audit/verify_export.py` says the
same in other words; a test holds the two together.
"""

import hashlib
import json
import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent

NONCE_BYTES = 16
"""Of chance in each event's text.

Attack: the hash of an event stays when a person is erased from it. Account ids can be
listed; who hashes the event with each of them in turn would know whose it was. With 128
bits of chance in the text, destroyed at the erasure, there is nothing to try.
"""

ID_BYTES, DIGEST_BYTES = 16, 32

COLUMNS = (
    AuditEvent.id,
    AuditEvent.kind,
    AuditEvent.actor,
    AuditEvent.happened_at,
    AuditEvent.detail,
    AuditEvent.nonce,
    AuditEvent.claimed_issuer,
)
"""What is read of an event to hash it. As columns: no stale object is hashed."""


class Event(NamedTuple):
    """An event as it is stored; its fields are `COLUMNS`."""

    id: uuid.UUID
    kind: str
    actor: str
    happened_at: datetime
    detail: str
    nonce: bytes | None
    claimed_issuer: str | None


class Leaf(NamedTuple):
    """An event under a checkpoint: which one, and the hash of its text."""

    event_id: uuid.UUID
    digest: bytes


class Amendment(NamedTuple):
    """A lawful change of an event under a checkpoint: a person was erased from it."""

    event_id: uuid.UUID
    old: bytes
    new: bytes


def read(session: Session, wanted: sa.Select[*tuple[Any, ...]]) -> Sequence[Event]:
    """Return the events that a statement over `COLUMNS` finds."""
    return [Event._make(row) for row in session.execute(wanted)]


def new_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


def digest(
    tenant_id: uuid.UUID,
    event: Event,
    *,
    event_id: uuid.UUID | None = None,
    nonce: bytes | None = None,
) -> bytes:
    r"""Return the SHA-256 of an event's canonical text, version 1.

    The text is a JSON array without spaces, in ASCII (RFC 8259, others as \uXXXX): the
    word `countersign-event-1`, the tenant's id, the event's id, its kind, who did it,
    when (ISO 8601, UTC, as Python writes it), its facts as the JSON text that is
    stored, and the nonce in hex.

    `event_id` and `nonce` ask how it would be with another than the event has.
    """
    text = [
        "countersign-event-1",
        str(tenant_id),
        str(event_id or event.id),
        event.kind,
        event.actor,
        moment(event.happened_at),
        event.detail,
        (nonce or event.nonce or b"").hex(),
    ]
    return hashlib.sha256(json.dumps(text, separators=(",", ":")).encode()).digest()


def moment(at: datetime) -> str:
    """Return a moment as it is hashed, signed and exported."""
    return at.astimezone(UTC).isoformat()


def pack(leaves: Iterable[Leaf]) -> bytes:
    """Return leaves as they are kept and hashed: 48 bytes each, by the events' ids."""
    return b"".join(each.event_id.bytes + each.digest for each in sorted(leaves))


def unpack(packed: bytes) -> Sequence[Leaf]:
    size = ID_BYTES + DIGEST_BYTES
    return [
        Leaf(
            uuid.UUID(bytes=packed[at : at + ID_BYTES]),
            packed[at + ID_BYTES : at + size],
        )
        for at in range(0, len(packed) - size + 1, size)
    ]


def root(packed: bytes) -> str:
    """Return what a checkpoint signs of its leaves."""
    return hashlib.sha256(packed).hexdigest()


def root_of_amendments(amendments: Iterable[Amendment]) -> str:
    """Return what a checkpoint signs of its amendments: id, old and new, by the ids."""
    parts = (b"".join((a.event_id.bytes, a.old, a.new)) for a in sorted(amendments))
    return hashlib.sha256(b"".join(parts)).hexdigest()
