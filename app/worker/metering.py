"""Writes down what the process's calls of Jira cost, and which sites rest for it."""

import logging

import sqlalchemy as sa

from app import quotas
from app.quotas import Share
from app.runtime import Runtime

log = logging.getLogger(__name__)


def write_down(runtime: Runtime) -> None:
    """Write down what was counted: a rest at once, points once a second.

    All processes read it from then on. Raise `OperationalError` if the database is
    away, and forget nothing then.
    """
    now, settings = runtime.now(), runtime.settings
    if not runtime.meter.is_due(now):
        return
    share = Share(pool=settings.points_per_hour, percent=settings.points_percent)
    taken = runtime.meter.take(now)
    try:
        with runtime.sessions.begin() as session:
            rests = quotas.note(session, taken, share, now=now)
    except sa.exc.OperationalError:
        runtime.meter.give_back(taken)
        raise
    for tenant_id, cause, until in rests:
        log.info("tenant=%s rests until %s: %s", tenant_id, until.isoformat(), cause)
