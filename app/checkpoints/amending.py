"""Attests the one lawful change of an event under a checkpoint: a person was erased.

The change and its attestation are one transaction. Attack: were it noted somewhere to
be signed later, whoever can write the database would note a change of his own there,
and we would sign it.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.checkpoints import hashing
from app.checkpoints.chain import Chain, Link, append
from app.checkpoints.hashing import COLUMNS, Amendment


@contextmanager
def amending(
    session: Session,
    chain: Chain | None,
    changed: Collection[uuid.UUID],
    *,
    now: datetime,
) -> Iterator[None]:
    """Attest what the block changes of these events; what no checkpoint has is free.

    The chain is to be locked before the events are read, so that none of them comes
    under a checkpoint between. Without one, what is changed is no event.
    """
    before = _sealed(session, chain.tenant_id, changed) if chain else {}
    yield
    if chain is None or not before:
        return
    # The old chance is destroyed: the old hash stays, and tells nobody whose it was.
    session.connection().execute(
        sa.update(AuditEvent.__table__)  # type: ignore[arg-type]
        .where(AuditEvent.id == sa.bindparam("event"))
        .values(nonce=sa.bindparam("chance")),
        [{"event": key, "chance": hashing.new_nonce()} for key in before],
    )
    after = _sealed(session, chain.tenant_id, before)
    amendments = [Amendment(key, before[key], new) for key, new in after.items()]
    append(session, chain, Link(amendments=amendments), now=now)


def _sealed(
    session: Session, tenant_id: uuid.UUID, event_ids: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, bytes]:
    """Return the hashes of those that are under a checkpoint, as they are now."""
    rows = hashing.read(
        session,
        sa.select(*COLUMNS).where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.id.in_(event_ids),
            AuditEvent.checkpoint_id.is_not(None),
        ),
    )
    return {row.id: hashing.digest(tenant_id, row) for row in rows}
