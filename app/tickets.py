"""Tickets: a browser comes by an address alone, without a header of ours.

For a download, or for the beginning of a session on our pages (`app/datacenter`).
Attack: an address ends in histories, logs and clipboards. A ticket is good once, for a
minute, for one thing of one person's; the database has only its hash.
"""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, new_id

LIFETIME = timedelta(seconds=60)
"""How long a ticket waits to be used: a browser does it at once."""

DOWNLOAD = "download"
"""What a ticket is for, unless something else is said."""

RANDOM_BYTES = 32
"""256 bits: nobody guesses one, so trying needs no limit of its own."""


class Ticket(Base):
    """One download that somebody may fetch, or one session that he may begin."""

    __tablename__ = "ticket"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    account_id: Mapped[str]
    ticket_hash: Mapped[str] = mapped_column(unique=True)
    wanted: Mapped[dict[str, Any]]
    """What is to be in the file; of a session, nothing."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, kw_only=True)
class Redeemed:
    """A ticket that was good: whose it was, and for what."""

    tenant_id: uuid.UUID
    account_id: str
    wanted: Mapping[str, Any]


def issue(
    session: Session,
    tenant_id: uuid.UUID,
    account_id: str,
    wanted: Mapping[str, Any],
    *,
    purpose: str = DOWNLOAD,
    now: datetime,
) -> str:
    """Return a new ticket; it is in this answer and nowhere else."""
    ticket = secrets.token_urlsafe(RANDOM_BYTES)
    session.add(
        Ticket(
            id=new_id(now),
            tenant_id=tenant_id,
            account_id=account_id,
            ticket_hash=_hash(purpose, ticket),
            wanted=dict(wanted),
            expires_at=now + LIFETIME,
        )
    )
    return ticket


def is_there(
    session: Session,
    unverified_ticket: str,
    *,
    purpose: str = DOWNLOAD,
    now: datetime,
) -> bool:
    """Say whether there is such a ticket, which is to be asked before it is used up.

    Attack: on SQLite one writes at a time, and a stranger who guesses would be one.
    """
    found = sa.select(Ticket.id).where(*_good(purpose, unverified_ticket, now))
    return session.scalar(found) is not None


def redeem(
    session: Session,
    unverified_ticket: str,
    *,
    purpose: str = DOWNLOAD,
    now: datetime,
) -> Redeemed | None:
    """Use a ticket up; None for one that is used, expired, or never was.

    Attack: two requests with one ticket at the same instant. One statement finds the
    ticket and deletes it, so the database lets one of them have it.

    Attack: the comparison's time tells how much of a guess was right. What is compared
    is a hash, of which a guesser chooses no part.
    """
    row = session.execute(
        sa.delete(Ticket)
        .where(*_good(purpose, unverified_ticket, now))
        .returning(Ticket.tenant_id, Ticket.account_id, Ticket.wanted)
    ).one_or_none()
    if row is None:
        return None
    return Redeemed(
        tenant_id=row.tenant_id, account_id=row.account_id, wanted=row.wanted
    )


def delete_expired(session: Session, *, now: datetime) -> None:
    """Forget tickets that nobody came with in time."""
    session.execute(sa.delete(Ticket).where(Ticket.expires_at <= now))


def _good(
    purpose: str, unverified_ticket: str, now: datetime
) -> tuple[sa.ColumnElement[bool], ...]:
    named = Ticket.ticket_hash == _hash(purpose, unverified_ticket)
    return named, Ticket.expires_at > now


def _hash(purpose: str, ticket: str) -> str:
    # Attack: a ticket for a file is taken to the sign-in, or one for the sign-in, with
    # its purpose before it, to the files. It is another one there.
    named = f"{purpose}\x00{ticket}"
    return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()
