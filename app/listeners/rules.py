"""Rules that are ours to keep: those of a self-managed Jira, one for each listener.

A save is a new version, and no version is ever changed (ADR 21).
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import db
from app.audit import Change
from app.db import new_id
from app.listeners import keeping
from app.listeners.judging import definition_of
from app.listeners.tables import Listener, ListenerCall, ListenerRule
from app.listeners.transitions import Transition
from app.tokens.checks import LEEWAY
from app.tokens.listener import Heard

NEVER_SAVED = 0
"""The version of a rule that nobody has written yet: an empty text. A run of it fails,
and says so."""

EMPTY_HASH = hashlib.sha256(b"").hexdigest()
"""Of that text."""


class ChangedMeanwhileError(ValueError):
    """Somebody else saved the rule since it was opened. The message is for an admin."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a listener's rule, at its place in the workflow."""

    number: int
    config: str
    rule_hash: str
    place: Transition


def current(session: Session, row: Listener) -> Version | None:
    """Return what the listener carries out now; None for one of another kind."""
    return _version(row, _newest(session, row))


def find_version(
    session: Session,
    tenant_id: uuid.UUID,
    listener_id: uuid.UUID,
    number: int,
) -> Version | None:
    """Return a version of the rule, while its listener is there (rules T1, T5)."""
    row = keeping.find(session, tenant_id, listener_id)
    if row is None:
        return None
    if number == NEVER_SAVED:
        return _version(row, None)
    found = session.scalar(_of(row).where(ListenerRule.version == number))
    return _version(row, found) if found is not None else None


def all_current(session: Session, tenant_id: uuid.UUID) -> Sequence[Version]:
    """Return what the tenant's listeners carry out now: its whole inventory."""
    rows = keeping.listed(session, tenant_id)
    of_transitions = {row.id: row for row in rows if row.proof.is_transition}
    if not of_transitions:
        return []
    same = sa.orm.aliased(ListenerRule)
    newest = (
        sa.select(sa.func.max(same.version))
        .where(same.tenant_id == tenant_id)
        .where(same.listener_id == ListenerRule.listener_id)
        .scalar_subquery()
    )
    wanted = sa.select(ListenerRule).where(
        ListenerRule.tenant_id == tenant_id,
        ListenerRule.listener_id.in_(of_transitions),
        ListenerRule.version == newest,
    )
    saved = {rule.listener_id: rule for rule in session.scalars(wanted)}
    found = (_version(row, saved.get(id_)) for id_, row in of_transitions.items())
    return [version for version in found if version is not None]


def versions(session: Session, row: Listener) -> Sequence[ListenerRule]:
    """Return the versions that were saved, the newest first."""
    wanted = _of(row).order_by(ListenerRule.version.desc())
    return session.scalars(wanted).all()


def save(
    session: Session,
    change: Change,
    listener_id: uuid.UUID,
    *,
    rule: tuple[str, str],
    over: int,
) -> int:
    """Keep `rule`, text and hash, as a new version over the one that was opened.

    Return its number; the same one if nothing is new. Raise `ChangedMeanwhileError`.
    """
    row = keeping.get(session, change.tenant_id, listener_id)
    session.refresh(row, with_for_update=True)  # two admins take turns
    newest = _newest(session, row)
    number = newest.version if newest else NEVER_SAVED
    config, rule_hash = rule
    if newest is not None and newest.rule_hash == rule_hash:
        return number
    if number != over:
        raise ChangedMeanwhileError(
            f"Somebody saved version {number} meanwhile: open it and look"
        )
    session.add(
        ListenerRule(
            id=new_id(change.now),
            tenant_id=change.tenant_id,
            listener_id=listener_id,
            version=number + 1,
            config=config,
            rule_hash=rule_hash,
            saved_at=change.now,
            saved_by=change.actor,
        )
    )
    keeping.note(
        session,
        change,
        row,
        "listener-rule-saved",
        version=number + 1,
        hash=rule_hash,
    )
    return number + 1


def use_once(
    session: Session, *, heard: Heard, listener_id: uuid.UUID, now: datetime
) -> bool:
    """Use a token's `jti` up; return whether it still was to be used (rule T2).

    A webhook has none: it is known again by its body.
    """
    if heard.token_id is None:
        return True
    name = f"{listener_id}\x00{heard.token_id}"
    call = {
        "id": new_id(now),
        "token_hash": hashlib.sha256(name.encode()).hexdigest(),
        "expires_at": heard.expires_at + LEEWAY,
    }
    return db.insert_once(session, ListenerCall, call) is not None


def forget_calls(session: Session, *, now: datetime, limit: int) -> int:
    """Forget some tokens that their own `exp` refuses by now; return how many."""
    old = sa.select(ListenerCall.id).where(ListenerCall.expires_at <= now).limit(limit)
    gone = sa.delete(ListenerCall).where(ListenerCall.id.in_(old))
    return len(session.execute(gone.returning(ListenerCall.id)).all())


def count_old_calls(session: Session, *, now: datetime) -> int:
    """Return how many there are of these."""
    count = sa.select(sa.func.count()).select_from(ListenerCall)
    return session.scalar(count.where(ListenerCall.expires_at <= now)) or 0


def _version(row: Listener, saved: ListenerRule | None) -> Version | None:
    place = definition_of(row)
    if not isinstance(place, Transition):
        return None
    return Version(
        number=saved.version if saved else NEVER_SAVED,
        config=saved.config if saved else "",
        rule_hash=saved.rule_hash if saved else EMPTY_HASH,
        place=place,
    )


def _newest(session: Session, row: Listener) -> ListenerRule | None:
    wanted = _of(row).order_by(ListenerRule.version.desc()).limit(1)
    return session.scalar(wanted)


def _of(row: Listener) -> sa.Select[ListenerRule]:
    return sa.select(ListenerRule).where(
        ListenerRule.tenant_id == row.tenant_id, ListenerRule.listener_id == row.id
    )
