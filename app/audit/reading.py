"""Reads the history: a page of it, one event, the newest of a kind, others' claims."""

import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.kinds import CALLS, REFUSALS, Kind
from app.audit.tables import AuditEvent, Value, clean
from app.db import least_id

CANDIDATES = 1000
"""Events that one page looks through for what no index knows; more is another page."""

TENANT = sa.bindparam("tenant", type_=sa.Uuid())
LEAST, END = (
    sa.bindparam("least", type_=sa.Uuid()),
    sa.bindparam("end", type_=sa.Uuid()),
)
LIMIT = sa.bindparam("limit", type_=sa.Integer())

Detail = sa.orm.InstrumentedAttribute[str]


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event to look at, after its transaction."""

    id: uuid.UUID
    kind: str
    actor: str
    happened_at: datetime
    facts: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Refused calls that claim to be from a site, and that nothing proves to be."""

    count: int
    """With those that were only counted; pruning forgets the oldest (rule T13)."""
    sample: Sequence[Event]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events somebody looks for; what is not named is no limit."""

    kinds: frozenset[Kind] | None = None
    reason: str | None = None
    route: str | None = None
    not_routes: frozenset[str] = frozenset()
    """With these, only calls to any other door."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some events, the newest first."""

    events: Sequence[Event]
    older: uuid.UUID | None
    """What to pass as `before` for the next ones; None at the end."""
    looked_through: int = 0
    """How many were looked through, if that was the limit and not the page's size."""


def page(
    session: Session,
    tenant_id: uuid.UUID,
    wanted: Wanted,
    *,
    before: uuid.UUID | None,
    limit: int = 50,
) -> Page:
    """Return the newest `limit` of a tenant's wanted events before the id `before`.

    The work is bounded whatever the tenant has: kinds and periods are ranges of an
    index; reasons and routes are looked for among `CANDIDATES` events at a time.
    """
    values = _values(tenant_id, wanted, before)
    ids, texts = _newest(_kinds(wanted)), _texts(wanted)
    if texts:
        # A limit also keeps PostgreSQL from looking for the texts first, everywhere.
        looked = sa.orm.aliased(AuditEvent, _rows(ids).limit(LIMIT).subquery())
        wanted_rows = sa.select(looked).where(*texts(looked.detail))
        statement = wanted_rows.order_by(looked.id.desc()).limit(limit + 1)
    else:
        statement = _rows(ids)
    values["limit"] = CANDIDATES if texts else limit + 1
    rows = session.scalars(statement, values).all()
    events = tuple(map(_event, rows[:limit]))
    if len(rows) > limit:
        return Page(events=events, older=events[-1].id)
    last = _last(session, ids, values) if texts else None
    return Page(events=events, older=last, looked_through=CANDIDATES if last else 0)


def find(session: Session, tenant_id: uuid.UUID, event_id: uuid.UUID) -> Event | None:
    """Return one of the tenant's events; what nobody proved is no tenant's (T5)."""
    row = session.scalar(
        sa.select(AuditEvent).where(
            AuditEvent.tenant_id == tenant_id, AuditEvent.id == event_id
        )
    )
    return _event(row) if row else None


def find_latest(session: Session, tenant_id: uuid.UUID, *kinds: str) -> Event | None:
    """Return a tenant's newest event of these kinds."""
    row = session.scalar(
        sa.select(AuditEvent)
        .where(AuditEvent.tenant_id == tenant_id, AuditEvent.kind.in_(kinds))
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return _event(row) if row else None


def claims_of(session: Session, claimed_issuer: str, *, limit: int) -> Claims:
    """Return what strangers did in an issuer's name: how often, and the newest."""
    claimed = (
        AuditEvent.tenant_id.is_(None),
        AuditEvent.claimed_issuer == clean(claimed_issuer),
    )
    written = AuditEvent.kind == Kind.VERIFICATION_REFUSED.value
    count = sa.select(sa.func.count()).select_from(AuditEvent).where(*claimed, written)
    counted = sa.select(AuditEvent).where(*claimed, ~written)
    newest = (
        sa.select(AuditEvent)
        .where(*claimed, written)
        # By the index, in its order: by id alone SQLite reads every site's events.
        .order_by(AuditEvent.claimed_issuer.desc(), AuditEvent.id.desc())
        .limit(limit)
    )
    return Claims(
        count=(session.scalar(count) or 0)
        + sum(map(left_out, session.scalars(counted))),
        sample=tuple(map(_event, session.scalars(newest))),
    )


def left_out(row: AuditEvent) -> int:
    """Return how many calls an event counts that were not written themselves."""
    count = row.facts.get("count")
    return count if isinstance(count, int) else 0


def _kinds(wanted: Wanted) -> tuple[Kind, ...] | None:
    """Return the kinds that can be it at all; None for every kind there is."""
    kinds = set(Kind if wanted.kinds is None else wanted.kinds)
    if wanted.reason is not None:
        kinds &= set(REFUSALS)
    if wanted.route is not None or wanted.not_routes:
        kinds &= set(CALLS)
    # Kinds of older versions have no name any more; without a filter they are shown.
    is_any = wanted.kinds is None and len(kinds) == len(Kind)
    return None if is_any else tuple(sorted(kinds))


def _values(
    tenant_id: uuid.UUID, wanted: Wanted, before: uuid.UUID | None
) -> dict[str, object]:
    """Return between which ids it must be: a period is a range of them."""
    ends = [before] if before else []
    ends += [least_id(wanted.until)] if wanted.until else []
    return {
        "tenant": tenant_id,
        "least": least_id(wanted.since) if wanted.since else uuid.UUID(int=0),
        "end": min(ends, default=uuid.UUID(int=2**128 - 1)),
    }


def _texts(
    wanted: Wanted,
) -> Callable[[Detail], Sequence[sa.ColumnElement[bool]]] | None:
    """Return how the facts are recognised in the canonical text that is stored.

    Attack: a value that somebody else chose contains `"reason":"expired"`. It does not
    help: inside a value JSON puts a backslash before each quotation mark, so a bare one
    begins or ends a member, and the names of members are ours.
    """
    has = [("reason", wanted.reason), ("route", wanted.route)]
    members = [f'"{name}":"{value}"' for name, value in has if value is not None]
    others = [f'"route":"{route}"' for route in sorted(wanted.not_routes)]
    members += ['"route":"'] if others else []
    if not members:
        return None

    def texts(detail: Detail) -> Sequence[sa.ColumnElement[bool]]:
        return [
            *(detail.contains(member, autoescape=True) for member in members),
            *(~detail.contains(other, autoescape=True) for other in others),
        ]

    return texts


@functools.cache
def _newest(kinds: tuple[Kind, ...] | None) -> sa.Select[uuid.UUID]:
    """Return the newest ids between the ends, from the indexes alone.

    One kind after another, each limited: `kind IN (…)` in the order of ids would sort
    all that a tenant has of them.
    """
    if kinds is None:
        return _newest_of()
    if not kinds:
        return sa.select(AuditEvent.id).where(sa.false())
    each = [_newest_of(AuditEvent.kind == kind.value).subquery() for kind in kinds]
    every = sa.union_all(*map(sa.select, each)).subquery()
    return sa.select(every.c.id).order_by(every.c.id.desc()).limit(LIMIT)


def _newest_of(*more: sa.ColumnElement[bool]) -> sa.Select[uuid.UUID]:
    place, tenant = AuditEvent.id, AuditEvent.tenant_id
    return (
        sa.select(place)
        .where(tenant == TENANT, place >= LEAST, place < END, *more)
        .order_by(place.desc())
        .limit(LIMIT)
    )


def _rows(ids: sa.Select[uuid.UUID]) -> sa.Select[AuditEvent]:
    return (
        sa.select(AuditEvent)
        .where(AuditEvent.id.in_(ids))
        .order_by(AuditEvent.id.desc())
    )


def _last(
    session: Session, ids: sa.Select[uuid.UUID], values: Mapping[str, object]
) -> uuid.UUID | None:
    """Return the last one looked through, if that ended it and not the history."""
    looked = ids.subquery()
    count = sa.func.count().over()
    statement = sa.select(looked.c.id, count).order_by(looked.c.id).limit(1)
    last = session.execute(statement, values).one_or_none()
    return last[0] if last is not None and last[1] >= CANDIDATES else None


def _event(row: AuditEvent) -> Event:
    return Event(
        id=row.id,
        kind=row.kind,
        actor=row.actor,
        happened_at=row.happened_at,
        facts=row.facts,
    )
