"""Tells the operator outside Jira what Jira cannot show: by numbers and by mail.

The mail server is the operator's own setting, which no tenant can reach, so the egress
guard does not judge it (docs/adr/0008).
"""

import smtplib
import ssl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import db
from app.db import Base, printable
from app.rules import KnownRule
from app.settings import Settings
from app.tenants import State, Tenant

AGAIN = timedelta(days=1)
"""How long a cause is not told again of the same site."""

SMTP_SECONDS = 20
LINE_LIMIT = 300

REFUSES, STOPPED, OVERDUE = "jira-refuses-us", "watch-stopped", "tickets-overdue"


class Alert(Base):
    """When the operator was last told of a site's trouble."""

    __tablename__ = "alert"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    cause: Mapped[str] = mapped_column(primary_key=True)
    sent_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many of all sites and rules are in trouble; no site is named."""

    tenants_refusing: int
    tickets_held_overdue: int
    rules_unsound: int


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One site's trouble, in words for the operator."""

    tenant_id: uuid.UUID
    cause: str
    site: str
    words: str


def count(session: Session) -> Counts:
    """Count what an operator should look into, over all active sites."""
    active = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
    refusing = active.where(Tenant.jira_refuses_since.is_not(None))
    live = (KnownRule.gone_at.is_(None), KnownRule.tenant_id.in_(active))
    unsound = sa.select(KnownRule.id).where(
        *live, KnownRule.unsound_because.is_not(None)
    )
    overdue = sa.select(sa.func.sum(KnownRule.overdue)).where(*live)
    return Counts(
        tenants_refusing=_number(session, refusing),
        tickets_held_overdue=session.scalar(overdue) or 0,
        rules_unsound=_number(session, unsound),
    )


def due(session: Session, *, now: datetime) -> Sequence[Trouble]:
    """Return every site's troubles that were not told for a day."""
    told = {
        (row.tenant_id, row.cause)
        for row in session.scalars(sa.select(Alert).where(Alert.sent_at > now - AGAIN))
    }
    return [
        trouble
        for trouble in _troubles(session)
        if (trouble.tenant_id, trouble.cause) not in told
    ]


def note_sent(session: Session, trouble: Trouble, *, now: datetime) -> None:
    """Note that the operator was told of it."""
    session.merge(Alert(tenant_id=trouble.tenant_id, cause=trouble.cause, sent_at=now))


def send(settings: Settings, trouble: Trouble) -> None:
    """Mail it to the operator; raise `OSError` or `SMTPException` if that fails.

    Only over TLS with a certificate that this machine trusts.
    """
    if db.in_transaction():
        raise RuntimeError("mail inside a transaction")
    with _connected(settings.smtp_url) as server:
        server.send_message(_message(settings, trouble))


@contextmanager
def _connected(url: str) -> Iterator[smtplib.SMTP]:
    parts, context = urlsplit(url), ssl.create_default_context()
    host = parts.hostname or ""
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=SMTP_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=SMTP_SECONDS)
    with server:
        if parts.scheme == "smtp":
            # Attack: whoever is in between drops the offer; then this raises.
            server.starttls(context=context)
        if parts.username is not None:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server


def _troubles(session: Session) -> Iterator[Trouble]:
    active = sa.select(Tenant).where(Tenant.state == State.ACTIVE)
    for tenant in session.scalars(active.order_by(Tenant.id)):
        if tenant.jira_refuses_since is not None:
            words = f"Its Jira accepts no call of ours: {tenant.jira_refuses_because}"
            yield _trouble(tenant, REFUSES, words)
        rows = session.scalars(
            sa.select(KnownRule)
            .where(KnownRule.tenant_id == tenant.id, KnownRule.gone_at.is_(None))
            .order_by(KnownRule.id)
        ).all()
        stopped = [row.name for row in rows if row.watch_stopped_at is not None]
        if stopped:
            words = f"The watchdog stopped for {', '.join(stopped)}: too many rescues"
            yield _trouble(tenant, STOPPED, words)
        if overdue := sum(row.overdue or 0 for row in rows):
            words = f"Tickets past the deadline of their hold: {overdue}"
            yield _trouble(tenant, OVERDUE, words)


def _trouble(tenant: Tenant, cause: str, words: str) -> Trouble:
    site = printable(tenant.display_url or tenant.base_url, limit=LINE_LIMIT)
    return Trouble(
        tenant_id=tenant.id,
        cause=cause,
        site=site,
        words=printable(words, limit=LINE_LIMIT),
    )


def _message(settings: Settings, trouble: Trouble) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.alert_from
    message["To"] = ", ".join(settings.alert_to)
    message["Subject"] = f"Countersign: {trouble.cause} at {trouble.site}"
    message.set_content(
        f"{trouble.words}.\n\nSite: {trouble.site}\nTenant: {trouble.tenant_id}\n\n"
        "A ticket that is held stays held until Jira accepts our calls again, or until"
        " somebody with the role that the workflow's condition names moves it.\n"
        "You are told once a day for as long as it lasts.\n"
    )
    return message


def _number(session: Session, rows: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0
