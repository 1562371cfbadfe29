"""What a history is verified against: its key, and what was kept of it elsewhere."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.checkpoints import findings, statement
from app.checkpoints.chain import find_newest, find_private
from app.checkpoints.report import Report
from app.checkpoints.statement import Statement
from app.checkpoints.tables import Checkpoint, CheckpointKey
from app.crypto import CannotOpenError, Keyring, public_half
from app.tokens import checkpoint
from app.tokens.checkpoint import Jwk

LOST = (
    "the key that signs this history cannot be opened: compare its fingerprint with one"
    " that was kept elsewhere"
)
CHANGED = "the public key kept with this history was changed"
GONE = "the key that signed this history is gone"
UNLIKE = "what was kept elsewhere is no checkpoint of this history"


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What a page shows of a chain that nobody has verified just now."""

    fingerprint: str
    """Of the key that is kept with it; empty while there is none."""
    newest: Statement | None


def glance(session: Session, tenant_id: uuid.UUID) -> Glance:
    """Return the key's fingerprint and the newest checkpoint."""
    key = stored_key(session, tenant_id)
    if key is None:
        return Glance(fingerprint="", newest=None)
    return Glance(
        fingerprint=checkpoint.thumbprint(key),
        newest=find_newest(session, tenant_id, key),
    )


def find_key(
    session: Session, keyring: Keyring, report: Report, *, now: datetime
) -> Jwk | None:
    """Return the public key to verify with: that of the private one which we open.

    Attack: who can write the database puts a public key of his own into it, and signs
    a history of his own. He has no private one that the key ring opens.
    """
    public = stored_key(session, report.tenant_id)
    try:
        private = find_private(session, keyring, report.tenant_id, now=now)
    except CannotOpenError:
        private = None
    if private is not None:
        if public_half(private) != public:
            report.note(findings.key(CHANGED, now))
        return public_half(private)
    if public is not None:
        report.note(findings.key(LOST, now))
    elif _has_any(session, report.tenant_id):
        report.note(findings.key(GONE, now))
    return public


def stored_key(session: Session, tenant_id: uuid.UUID) -> Jwk | None:
    """Return the public key as it is kept with the history; None if it is none."""
    text = session.scalar(
        sa.select(CheckpointKey.public_jwk).where(CheckpointKey.tenant_id == tenant_id)
    )
    try:
        key = json.loads(text or "null")
        checkpoint.thumbprint(key)
    except (ValueError, KeyError, TypeError):
        return None
    return key if isinstance(key, Mapping) else None


def compare_kept(
    session: Session, key: Jwk | None, kept: str, report: Report, *, now: datetime
) -> None:
    """Compare with a checkpoint that somebody kept elsewhere.

    Attack: the newest checkpoints are deleted together with their events. Nothing that
    is left says that there were more.
    """
    try:
        said = statement.parse(checkpoint.read(kept, key)) if key else None
    except ValueError:
        said = None
    if said is None or said.tenant_id != report.tenant_id:
        report.note(findings.key(UNLIKE, now))
        return
    here = session.scalar(
        sa.select(Checkpoint.jws).where(
            Checkpoint.tenant_id == report.tenant_id, Checkpoint.seq == said.seq
        )
    )
    if here is None:
        report.note(findings.gap(said.seq, said.seq, said.made_at))
    elif here != kept:
        report.note(findings.not_kept(said.seq, said.made_at))


def _has_any(session: Session, tenant_id: uuid.UUID) -> bool:
    one = sa.select(Checkpoint.id).where(Checkpoint.tenant_id == tenant_id).limit(1)
    return session.scalar(one) is not None
