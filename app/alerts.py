"""Tells people outside Jira what Jira cannot show: by numbers and by mail.

The operator is told of every site, and whom a site's admins name is told of that site
alone, in a mail of its own. The mail server is the operator's own setting, which no
tenant can reach, so the egress guard does not judge it (docs/adr/0008).

Attack: a tenant's admin has our server write to strangers. He chooses at most five
addresses and nothing of what they get: our own text, numbers, and the site's address;
no name of a rule, nothing that its Jira says; once a day for each cause.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import db, quotas, stops
from app.db import Base, printable
from app.http import MailServer, unjudged
from app.rules import KnownRule
from app.settings import Settings
from app.tenants import State, Tenant, preferences

AGAIN = timedelta(days=1)
"""How long a cause is not told again of the same site."""

LINE_LIMIT = 300

REFUSES, STOPPED, OVERDUE = "jira-refuses-us", "watch-stopped", "tickets-overdue"
LEFT = "left-with-holds"

OF_SITE = "/site"
"""Ends the cause of what was told to a site's own people: they are told apart."""


class Alert(Base):
    """When the operator, or a site's own people, were last told of its trouble."""

    __tablename__ = "alert"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    cause: Mapped[str] = mapped_column(primary_key=True)
    sent_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many of all sites and rules are in trouble or stopped; no site is named."""

    tenants_refusing: int
    tickets_held_overdue: int
    rules_unsound: int
    stopped: bool
    """Whether the operator has stopped everything."""
    tenants_stopped: int
    tenants_resting: int
    """Whose runs wait for a limit of Jira's, or for their share of it."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One site's trouble, in words for the operator or for the site's own people."""

    tenant_id: uuid.UUID
    cause: str
    site: str
    words: str
    bare: str = ""
    """The same without anything that somebody else wrote."""
    notice_to: tuple[str, ...] = ()
    """Whom the site's admins named; empty for what the operator is told."""

    @property
    def noted_as(self) -> str:
        """By what it is remembered that it was told."""
        return f"{self.cause}{OF_SITE}" if self.notice_to else self.cause


def count(session: Session, *, now: datetime) -> Counts:
    """Count what an operator should look into, over all active sites."""
    active = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
    refusing = active.where(Tenant.jira_refuses_since.is_not(None))
    live = (KnownRule.gone_at.is_(None), KnownRule.tenant_id.in_(active))
    unsound = sa.select(KnownRule.id).where(
        *live, KnownRule.unsound_because.is_not(None)
    )
    overdue = sa.select(sa.func.sum(KnownRule.overdue)).where(*live)
    stopped = stops.count(session)
    return Counts(
        tenants_refusing=_number(session, refusing),
        tickets_held_overdue=session.scalar(overdue) or 0,
        rules_unsound=_number(session, unsound),
        stopped=stopped.everything,
        tenants_stopped=stopped.tenants,
        tenants_resting=quotas.count_resting(session, now=now),
    )


def due(session: Session, *, now: datetime) -> Sequence[Trouble]:
    """Return every site's troubles that were not told for a day, the operator's first.

    One that a site's own people are to be told as well is there twice.
    """
    told = {
        (row.tenant_id, row.cause)
        for row in session.scalars(sa.select(Alert).where(Alert.sent_at > now - AGAIN))
    }
    troubles = [*_troubles(session), *_departures(session, now=now)]
    named = {
        tenant_id: preferences.find(session, tenant_id).notice_to
        for tenant_id in {trouble.tenant_id for trouble in troubles}
    }
    notices = [
        replace(trouble, words=trouble.bare, notice_to=named[trouble.tenant_id])
        for trouble in troubles
        if named[trouble.tenant_id]
    ]
    return [
        trouble
        for trouble in (*troubles, *notices)
        if (trouble.tenant_id, trouble.noted_as) not in told
    ]


def note_sent(session: Session, trouble: Trouble, *, now: datetime) -> None:
    """Note that it was told."""
    session.merge(
        Alert(tenant_id=trouble.tenant_id, cause=trouble.noted_as, sent_at=now)
    )


def send(settings: Settings, trouble: Trouble) -> None:
    """Mail it; raise `OSError` or `SMTPException` if that fails.

    Only over TLS with a certificate that this machine trusts.
    """
    if db.in_transaction():
        raise RuntimeError("mail inside a transaction")
    name = urlsplit(settings.base_url).hostname or ""
    with unjudged(_server(settings.smtp_url), name=name) as talk:
        talk.send_message(_message(settings, trouble))


def _server(url: str) -> MailServer:
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or (465 if is_tls else 587),
        is_tls=is_tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _troubles(session: Session) -> Iterator[Trouble]:
    active = sa.select(Tenant).where(Tenant.state == State.ACTIVE)
    for tenant in session.scalars(active.order_by(Tenant.id)):
        if tenant.jira_refuses_since is not None:
            bare = "Its Jira accepts no call of ours"
            words = f"{bare}: {tenant.jira_refuses_because}"
            yield _trouble(tenant, REFUSES, words, bare)
        rows = session.scalars(
            sa.select(KnownRule)
            .where(KnownRule.tenant_id == tenant.id, KnownRule.gone_at.is_(None))
            .order_by(KnownRule.id)
        ).all()
        stopped = [row.name for row in rows if row.watch_stopped_at is not None]
        if stopped:
            words = f"The watchdog stopped for {', '.join(stopped)}: too many rescues"
            bare = f"Rules that the watchdog stopped for: {len(stopped)}"
            yield _trouble(tenant, STOPPED, words, bare)
        if overdue := sum(row.overdue or 0 for row in rows):
            words = f"Tickets past the deadline of their hold: {overdue}"
            yield _trouble(tenant, OVERDUE, words, words)


def _departures(session: Session, *, now: datetime) -> Iterator[Trouble]:
    """Tell of sites that left with rules that hold tickets (rule T4).

    Jira takes our calls no more when it tells us, so nothing can be said there.
    """
    left = sa.select(Tenant).where(
        Tenant.state == State.UNINSTALLED, Tenant.uninstalled_at > now - AGAIN
    )
    for tenant in session.scalars(left.order_by(Tenant.id)):
        gates = sa.select(KnownRule.id).where(
            KnownRule.tenant_id == tenant.id,
            KnownRule.gone_at.is_(None),
            KnownRule.hold_status.is_not(None),
        )
        if count := _number(session, gates):
            words = f"It uninstalled the app, and has rules that hold tickets: {count}"
            yield _trouble(tenant, LEFT, words, words)


def _trouble(tenant: Tenant, cause: str, words: str, bare: str) -> Trouble:
    site = printable(tenant.display_url or tenant.base_url, limit=LINE_LIMIT)
    return Trouble(
        tenant_id=tenant.id,
        cause=cause,
        site=site,
        words=printable(words, limit=LINE_LIMIT),
        bare=bare,
    )


def _message(settings: Settings, trouble: Trouble) -> EmailMessage:
    message = EmailMessage()
    message["From"] = settings.alert_from
    message["To"] = ", ".join(trouble.notice_to or settings.alert_to)
    message["Subject"] = f"Countersign: {trouble.cause} at {trouble.site}"
    because = _TO_SITE if trouble.notice_to else _TO_OPERATOR
    message.set_content(
        f"{trouble.words}.\n\nSite: {trouble.site}\nTenant: {trouble.tenant_id}\n\n"
        "A ticket that is held stays held until Jira accepts our calls again, or until"
        " somebody with the role that the workflow's condition names moves it.\n"
        f"{because}\n"
    )
    return message


_TO_OPERATOR = "You are told once a day for as long as it lasts."
_TO_SITE = (
    "You are told once a day for as long as it lasts, because an administrator of the"
    " site named your address in the settings of Countersign there."
)


def _number(session: Session, rows: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0
