"""A tenant's chain, taken to add to it: one at a time, each link signed at once."""

import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.checkpoints import hashing, statement
from app.checkpoints.hashing import Amendment, Leaf
from app.checkpoints.statement import Statement
from app.checkpoints.tables import AmendmentRow, Checkpoint, CheckpointKey, owner
from app.crypto import Keyring, Secret, make_signing_pair, public_half
from app.db import insert_once, new_id
from app.tokens import checkpoint
from app.tokens.checkpoint import Jwk

log = logging.getLogger(__name__)

LOOKED_BACK = 50
"""Checkpoints among which one is looked for that can be read, if the newest cannot."""


class LostKeyError(LookupError):
    """The key that signs this tenant's checkpoints is not in the vault any more."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A tenant's chain, locked until the transaction ends."""

    tenant_id: uuid.UUID
    private: Secret
    public: Jwk
    seq: int
    """Of its newest checkpoint; 0 before the first."""
    previous: str
    newest: Statement | None
    """The newest one that is as it was signed: what others say is not carried on."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """What is added."""

    leaves: Sequence[Leaf] = ()
    amendments: Sequence[Amendment] = ()
    through: datetime | None = None
    """As the one before, unless events came under it."""
    pruned_through: int | None = None


def lock(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> Chain:
    """Take a tenant's chain; who else wants it waits for the transaction's end.

    The first one that asks makes the key. Raise `LostKeyError`, and `CannotOpenError`
    where the key ring does not open it.
    """
    locked = (
        sa.select(CheckpointKey.id)
        .where(CheckpointKey.tenant_id == tenant_id)
        .with_for_update()
    )
    if session.scalar(locked) is None:
        _make_key(session, keyring, tenant_id, now=now)
        session.execute(locked)
    private = find_private(session, keyring, tenant_id, now=now)
    if private is None:
        raise LostKeyError(tenant_id)
    public = public_half(private)
    top = session.execute(_newest_first(tenant_id).limit(1)).one_or_none()
    newest = find_newest(session, tenant_id, public)
    if top is not None and (newest is None or newest.seq != top.seq):
        log.error("tenant=%s checkpoint=%s is broken", tenant_id, top.seq)
    return Chain(
        tenant_id=tenant_id,
        private=private,
        public=public,
        seq=top.seq if top else 0,
        previous=checkpoint.digest(top.jws) if top else "",
        newest=newest,
    )


def append(session: Session, chain: Chain, link: Link, *, now: datetime) -> Statement:
    """Sign the next checkpoint, and store it with what it is about."""
    packed = hashing.pack(link.leaves)
    before = chain.newest
    said = Statement(
        id=new_id(now),
        tenant_id=chain.tenant_id,
        seq=chain.seq + 1,
        previous=chain.previous,
        count=len(link.leaves),
        root=hashing.root(packed),
        amended=len(link.amendments),
        amendments=hashing.root_of_amendments(link.amendments),
        pruned_through=link.pruned_through or (before.pruned_through if before else 0),
        through=_through(link, before, now),
        made_at=now,
    )
    kid = checkpoint.thumbprint(chain.public)
    jws = checkpoint.sign(chain.private, kid, said.payload())
    session.add(
        Checkpoint(
            id=said.id,
            tenant_id=chain.tenant_id,
            seq=said.seq,
            jws=jws,
            leaves=packed,
        )
    )
    session.flush()
    if link.amendments:
        rows = [
            {"tenant_id": chain.tenant_id, "seq": said.seq, **each._asdict()}
            for each in link.amendments
        ]
        session.execute(sa.insert(AmendmentRow), rows)
    return said


def _through(link: Link, before: Statement | None, now: datetime) -> datetime:
    """Return up to when all is under checkpoints: not less than before.

    Attack: an old event is put in, so that the next one is not found to be late. Only
    a clock that was set back makes it less: what it said before was not so.
    """
    through = link.through or (before.through if before else now)
    return max(through, before.through) if before and now >= before.made_at else through


def find_private(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> Secret | None:
    """Return the key that signs; None for a tenant that has none."""
    opened = vault.accepted(session, keyring, owner(tenant_id), now=now)
    return opened[0].secret if opened else None


def find_newest(
    session: Session, tenant_id: uuid.UUID, public: Jwk
) -> Statement | None:
    """Return what the newest checkpoint says that is as it was signed.

    Attack: the newest one is replaced by a text of somebody's own, that says how much
    was pruned; what is added next would say it on, signed. A broken one is passed over
    and stays where it is, for `verify` to name.
    """
    for limit in (1, LOOKED_BACK):
        for row in session.execute(_newest_first(tenant_id).limit(limit)):
            try:
                said = statement.parse(checkpoint.read(row.jws, public))
            except ValueError:
                continue
            if said.seq == row.seq:
                return said
    return None


def _newest_first(tenant_id: uuid.UUID) -> sa.Select[int, str]:
    return (
        sa.select(Checkpoint.seq, Checkpoint.jws)
        .where(Checkpoint.tenant_id == tenant_id)
        .order_by(Checkpoint.seq.desc())
    )


def _make_key(
    session: Session, keyring: Keyring, tenant_id: uuid.UUID, *, now: datetime
) -> None:
    """Make the key, or write its public half down again: the vault is what counts."""
    private = find_private(session, keyring, tenant_id, now=now)
    pair = make_signing_pair()
    public = pair.public if private is None else public_half(private)
    values = {
        "id": new_id(now),
        "tenant_id": tenant_id,
        "public_jwk": json.dumps(public, sort_keys=True),
    }
    # Two workers at once: the second one waits here, and finds the first one's key.
    if insert_once(session, CheckpointKey, values) is not None and private is None:
        vault.put(session, keyring, owner(tenant_id), pair.private, now=now)
        session.flush()
        # Attack: a history is thrown away with its key, and begins anew. The log is
        # elsewhere: it has the day on which a site got another key.
        kid = checkpoint.thumbprint(public)
        log.warning("tenant=%s has a new checkpoint key=%s", tenant_id, kid)
