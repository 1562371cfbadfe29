"""Forgets a person's account id: batch by batch, and a kill between two costs nothing.

What was done and how far it got are in one transaction, so whoever goes on begins where
the last batch ended. A row that was looked at twice is none the worse.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, checkpoints
from app.audit import AuditEvent
from app.checkpoints import Chain, LostKeyError
from app.crypto import CannotOpenError, Keyring
from app.db import least_id, new_id
from app.personal import places
from app.personal.places import PLACES, UNDER_WAY, Place
from app.personal.tables import Erasure

log = logging.getLogger(__name__)

BATCH = 500
"""Rows that one transaction looks at."""

MOST = 20
"""Erasures of one site under way. Attack: each costs a look at every row of the site,
and workers have other sites' runs to carry out."""

SHOWN = 20

Changes = dict[str, Any]
"""Columns of one row, as they are to be."""


class TooManyErasuresError(Exception):
    """The site has as many under way as it may."""


@dataclass(frozen=True, kw_only=True)
class ListedErasure:
    """One erasure, for a page. Whose it is is not shown, and soon not known."""

    id: uuid.UUID
    wanted_at: datetime
    done_at: datetime | None
    erased: int
    at: str
    """What is looked through now."""


def want(
    session: Session,
    tenant_id: uuid.UUID,
    account_id: str,
    *,
    actor: str,
    now: datetime,
) -> uuid.UUID:
    """Write down that a person is to be forgotten; a worker does it.

    The same wish twice is one. Raise `ValueError` for what is no account id, and
    `TooManyErasuresError`.
    """
    if not places.is_account_id(account_id):
        raise ValueError("not an account id")
    under_way = (Erasure.tenant_id == tenant_id, Erasure.done_at.is_(None))
    open_ones = session.scalars(sa.select(Erasure).where(*under_way)).all()
    for erasure in open_ones:
        if erasure.account_id == account_id:
            return erasure.id
    if len(open_ones) >= MOST:
        raise TooManyErasuresError
    new = Erasure(
        id=new_id(now),
        tenant_id=tenant_id,
        account_id=account_id,
        wanted_at=now,
        wanted_by=actor,
        part=0,
        erased=0,
    )
    session.add(new)
    # The history says that it was asked for, and never whose id it was.
    said = {"erasure": str(new.id)}
    audit.record(session, tenant_id, "erasure-wanted", actor=actor, now=now, **said)
    return new.id


def listed(session: Session, tenant_id: uuid.UUID) -> Sequence[ListedErasure]:
    """Return a tenant's erasures, the newest first."""
    rows = session.scalars(
        sa.select(Erasure)
        .where(Erasure.tenant_id == tenant_id)
        .order_by(Erasure.id.desc())
        .limit(SHOWN)
    )
    return [
        ListedErasure(
            id=row.id,
            wanted_at=row.wanted_at,
            done_at=row.done_at,
            erased=row.erased,
            at="" if row.done_at else PLACES[row.part].words,
        )
        for row in rows
    ]


def unfinished(session: Session) -> Sequence[uuid.UUID]:
    """Return every site's erasures that are to go on, the oldest first."""
    return session.scalars(
        sa.select(Erasure.id).where(Erasure.done_at.is_(None)).order_by(Erasure.id)
    ).all()


def erase_some(
    session: Session, keyring: Keyring, erasure_id: uuid.UUID, *, now: datetime
) -> bool:
    """Do one batch; return whether there is more to do now.

    It waits, and has nothing to do now, while a run that is older than the wish and
    names the person is under way: what that run has begun to send, it has to be able
    to send again.
    """
    # Two workers take turns, and the second sees how far the first one got.
    erasure = session.get_one(Erasure, erasure_id, with_for_update=True)
    if erasure.account_id is None:
        return False
    if not places.is_account_id(erasure.account_id):
        return _refuse(session, erasure, now)
    return _erase_some(session, keyring, erasure, erasure.account_id, now=now)


def _refuse(session: Session, erasure: Erasure, now: datetime) -> bool:
    """End a wish that no door of ours wrote down; there is nothing more to do.

    Attack: who can write the database, and has no key, puts a wish in that names no
    person but a word of the history; we would take that out, and attest it.
    """
    log.error("tenant=%s erasure=%s names no person", erasure.tenant_id, erasure.id)
    _finish(session, erasure, now)
    return False


def _erase_some(
    session: Session,
    keyring: Keyring,
    erasure: Erasure,
    account_id: str,
    *,
    now: datetime,
) -> bool:
    place = PLACES[erasure.part]
    chain = _chain(session, keyring, erasure, now)
    rows = places.after(session, place, erasure.tenant_id, erasure.reached, limit=BATCH)
    found: dict[uuid.UUID, Changes] = {}
    for row in rows:
        changed = places.named(place, row, account_id)
        if changed and place.of_runs and row["state"] in UNDER_WAY:
            if row["key"] < least_id(erasure.wanted_at):
                _change(session, place, erasure, found)
                return False
            changed = {}  # it began after the wish
        if changed:
            found[row["key"]] = changed
        erasure.reached = row["key"]
    with checkpoints.amending(session, chain, found, now=now):
        _change(session, place, erasure, found)
    if len(rows) < BATCH:
        erasure.part, erasure.reached = erasure.part + 1, None
    if erasure.part == len(PLACES):
        _finish(session, erasure, now)
    return erasure.account_id is not None


def _chain(
    session: Session, keyring: Keyring, erasure: Erasure, now: datetime
) -> Chain | None:
    """Take the proof of the history before its events are read, if they are next.

    None of them may come under a checkpoint between being read and being changed.
    Where the key that signs is lost, none can; the person is forgotten all the same,
    and what was proven of these events is so no more.
    """
    if PLACES[erasure.part].table is not AuditEvent:
        return None
    try:
        return checkpoints.lock(session, keyring, erasure.tenant_id, now=now)
    except (LostKeyError, CannotOpenError):
        log.error("tenant=%s erasing without a checkpoint", erasure.tenant_id)  # noqa: TRY400 -- as said
        return None


def _change(
    session: Session, place: Place, erasure: Erasure, found: Mapping[uuid.UUID, Changes]
) -> None:
    """Write what is to stand there now; rows that change alike in one statement."""
    table = cast("sa.Table", place.table.__table__)
    alike: defaultdict[tuple[str, ...], list[Changes]] = defaultdict(list)
    for key, changed in found.items():
        alike[tuple(changed)].append({**changed, "its_key": key})
    for names, rows in alike.items():
        session.connection().execute(
            sa.update(table)
            .where(
                table.c.tenant_id == erasure.tenant_id,
                table.c[place.key] == sa.bindparam("its_key"),
            )
            .values({name: sa.bindparam(name) for name in names}),
            rows,
        )
    erasure.erased += len(found)


def _finish(session: Session, erasure: Erasure, now: datetime) -> None:
    erasure.account_id, erasure.done_at = None, now
    audit.record(
        session,
        erasure.tenant_id,
        "erasure-done",
        actor="countersign",
        now=now,
        erasure=str(erasure.id),
        rows=erasure.erased,
    )
