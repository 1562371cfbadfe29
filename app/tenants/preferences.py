"""What a site's admins decide for their site: how long we keep what, who is told."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit
from app.db import Base
from app.tenants.tables import State, Tenant

RUN_DAYS, AUDIT_DAYS, EXCHANGE_DAYS = 90, 365, 30
"""What a site has whose admins chose nothing."""

MIN_RUN_DAYS, MAX_RUN_DAYS = 30, 365
MIN_AUDIT_DAYS, MAX_AUDIT_DAYS = 90, 1095

MAX_NOTICES = 5
"""Addresses that are told. Attack: a tenant's admin lets our mail server write to
strangers; so there are few of them, and what they get is our own fixed text."""

_ADDRESS = re.compile(
    r"(?=.{1,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}",
    re.ASCII,
)
"""ASCII on one line: a line break in a header would be a header of somebody's own."""


class Preferences(Base):
    """One site's choices; a site without a row has the defaults."""

    __tablename__ = "preferences"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    run_days: Mapped[int]
    """How long runs, their steps and their attempts are kept."""
    audit_days: Mapped[int]
    """How long audit events are kept."""
    exchange_days: Mapped[int]
    """How long it is kept what a delivery sent and was answered; 0: never kept."""
    notice_to: Mapped[list[Any]]
    """Who of the site is told by mail, beside the operator."""
    on_call_role: Mapped[str | None]
    """The id of the project role that may have runs carried out again."""
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


def is_address(text: str) -> bool:
    """Say whether it is a plain address of somebody's mail."""
    return bool(_ADDRESS.fullmatch(text))


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"“{text[:80]}” is no mail address")
    return text


class Wanted(BaseModel):
    """One site's choices as its form has them; all of them, each time."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    run_days: int = Field(ge=MIN_RUN_DAYS, le=MAX_RUN_DAYS)
    audit_days: int = Field(ge=MIN_AUDIT_DAYS, le=MAX_AUDIT_DAYS)
    exchange_days: int = Field(ge=0, le=MAX_RUN_DAYS)
    notice_to: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...],
        Field(max_length=MAX_NOTICES),
    ] = Field(repr=False)
    on_call_role: Annotated[str, Field(pattern=r"^([0-9]{1,19})?$")]
    """Empty: only Jira's admins may have a run carried out again."""

    @model_validator(mode="after")
    def _exchanges_go_with_their_runs(self) -> Self:
        if self.exchange_days > self.run_days:
            raise PydanticCustomError("exchange_days", "longer than runs are kept")
        return self


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What holds for a site now."""

    run_days: int = RUN_DAYS
    audit_days: int = AUDIT_DAYS
    exchange_days: int = EXCHANGE_DAYS
    notice_to: tuple[str, ...] = ()
    on_call_role: str | None = None
    changed_at: datetime | None = None
    """Empty for a site that has the defaults."""

    @property
    def keeps_exchanges(self) -> bool:
        """Whether it is kept at all what a delivery sent and was answered."""
        return self.exchange_days > 0


DEFAULTS = Choices()


def find(session: Session, tenant_id: uuid.UUID) -> Choices:
    """Return what holds for the site: its own choices, or the defaults."""
    row = session.get(Preferences, tenant_id)
    if row is None:
        return DEFAULTS
    return Choices(
        run_days=row.run_days,
        audit_days=row.audit_days,
        exchange_days=row.exchange_days,
        notice_to=tuple(row.notice_to),
        on_call_role=row.on_call_role,
        changed_at=row.changed_at,
    )


def change(
    session: Session,
    tenant_id: uuid.UUID,
    wanted: Wanted,
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Let these hold from now on, and write down what changed; False if nothing did."""
    # Two admins at once take turns, and each event says what it really changed.
    session.get_one(Tenant, tenant_id, with_for_update=True)
    before, after = find(session, tenant_id), _choices(wanted, now)
    changed = dict(_changed(before, after))
    if not changed:
        return False
    session.merge(
        Preferences(
            tenant_id=tenant_id,
            run_days=after.run_days,
            audit_days=after.audit_days,
            exchange_days=after.exchange_days,
            notice_to=list(after.notice_to),
            on_call_role=after.on_call_role,
            changed_at=now,
            changed_by=actor,
        )
    )
    audit.record(
        session, tenant_id, "preferences-changed", actor=actor, now=now, **changed
    )
    return True


def forget_departed(session: Session, *, before: datetime) -> None:
    """Forget the addresses of sites that left before; nobody there is told any more."""
    departed = sa.select(Tenant.id).where(
        Tenant.state == State.UNINSTALLED, Tenant.uninstalled_at <= before
    )
    session.execute(
        sa.update(Preferences)
        .where(Preferences.tenant_id.in_(departed))
        .values(notice_to=[])
    )


def _choices(wanted: Wanted, now: datetime) -> Choices:
    return Choices(
        run_days=wanted.run_days,
        audit_days=wanted.audit_days,
        exchange_days=wanted.exchange_days,
        notice_to=tuple(dict.fromkeys(wanted.notice_to)),
        on_call_role=wanted.on_call_role or None,
        changed_at=now,
    )


def _changed(before: Choices, after: Choices) -> Iterator[tuple[str, audit.Value]]:
    """Yield what is different, before and after; of addresses only how many."""
    for name in ("run_days", "audit_days", "exchange_days", "on_call_role"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name}_before", old
            yield name, new
    if before.notice_to != after.notice_to:
        yield "notice_to_before", len(before.notice_to)
        yield "notice_to", len(after.notice_to)
