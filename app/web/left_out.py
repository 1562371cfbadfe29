"""Writes down how many calls were not written down, so that the counts stay honest."""

import logging
import uuid
from datetime import datetime

import sqlalchemy as sa
from flask import Flask, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import audit, metrics
from app.audit import Kind
from app.web.context import Web, web
from app.web.limits import LeftOut, Limit, Source

log = logging.getLogger(__name__)

DUPLICATES = Limit(per_minute=20, per_hour=120)
"""Of one tenant. Jira tries again now and then; a captured token comes again for an
hour, as often as its thief likes."""


def init_app(flask: Flask) -> None:
    flask.after_request(_after)


def admits_duplicate(tenant_id: uuid.UUID, *, now: datetime) -> bool:
    """Say whether a call that came again is written into its tenant's history."""
    metrics.DUPLICATES.inc()
    source = Source(tenant_id=tenant_id, kind=Kind.VERIFICATION_DUPLICATE)
    return web().limits.admit(source, DUPLICATES, now=now)


def write(of: Web, *, now: datetime | None = None) -> None:
    """Write the counts of the minutes that are over; without a `now`, all there are.

    While the database is away they are kept, and written later.
    """
    taken = of.limits.take(now=now)
    if not taken:
        return
    try:
        with of.runtime.sessions.begin() as session:
            for each in taken:
                _record(session, each, now=now or of.runtime.now())
    except (DBAPIError, sa.exc.TimeoutError) as error:
        of.limits.give_back(taken)
        log.warning("counts not written: %s", type(error).__name__)
        return
    log.warning("%s more calls were only counted", sum(each.count for each in taken))


def _after(response: Response) -> Response:
    # The call is served by now. Once a minute one of them waits for a short write.
    write(web(), now=web().runtime.now())
    return response


def _record(session: Session, each: LeftOut, *, now: datetime) -> None:
    source, kind = each.source, audit.LEFT_OUT[each.source.kind]
    detail: dict[str, audit.Value] = {
        "count": each.count,
        "since": each.since.isoformat(),
        "reason": source.reason,
    }
    if source.listener_id is not None:
        detail["listener"] = str(source.listener_id)
    if source.tenant_id is not None:
        audit.record(
            session, source.tenant_id, kind, actor="countersign", now=now, **detail
        )
        return
    audit.record_left_out(
        session, kind, detail, claimed_issuer=source.claimed_issuer, now=now
    )
