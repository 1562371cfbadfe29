"""The way to the workers: whether a wake-up gets there, and whether one takes it."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import UTCDateTime
from app.doctor.findings import Finding, fail, ok, warn
from app.queue import Queue, QueueError

PATIENCE = 3.0
"""Seconds that a wake-up may wait; a worker that is idle takes it in a tenth of one."""

LONGEST_LOOK = timedelta(minutes=10)
"""How long a look of the watchdog at all sites may take."""

_NAP = 0.05
_HEARTBEAT = sa.table("heartbeat", sa.column("beat_at", UTCDateTime()))
_START = "Start `countersign worker`, or see in its log why it stopped."


def last_look(session: Session) -> datetime | None:
    """Return when a worker's watchdog last began to look; None before the first."""
    return session.scalar(sa.select(_HEARTBEAT.c.beat_at))


def round_trip(
    queue: Queue,
    looked_at: datetime | None,
    *,
    every: timedelta,
    now: datetime,
    patience: float = PATIENCE,
) -> Iterator[Finding]:
    """Send a wake-up and see whether a worker takes it; it makes nobody do anything."""
    try:
        is_taken = _is_taken(queue, patience)
    except QueueError as error:
        saw = f"the queue cannot be reached ({error}): wake-ups are lost"
        do = "See COUNTERSIGN_QUEUE_URL and that Redis runs; runs come late meanwhile."
        yield fail("queue", saw, do)
        yield from _living(looked_at, every, now)
        return
    if is_taken:
        yield ok("queue", "a wake-up went in, and a worker took it")
        return
    is_late = looked_at is None or now - looked_at > 2 * every + LONGEST_LOOK
    saw = f"no worker took a wake-up within {patience:.0f} s"
    if is_late:
        yield fail("worker", f"{saw}, and none has looked after holds lately", _START)
    else:
        do = f"They may all be busy, or have just stopped. {_START}"
        yield warn("worker", saw, do)


def _living(
    looked_at: datetime | None, every: timedelta, now: datetime
) -> Iterator[Finding]:
    if looked_at is None or now - looked_at > 2 * every + LONGEST_LOOK:
        saw = "no worker has looked after holds lately"
        yield fail("worker", saw, _START)
    else:
        seconds = max(0.0, (now - looked_at).total_seconds())
        yield ok("worker", f"one looked after holds {seconds:.0f} s ago")


def _is_taken(queue: Queue, patience: float) -> bool:
    """Say whether fewer wake-ups wait at some moment than when ours had come in."""
    queue.wake()
    waited, until = queue.waiting(), time.monotonic() + patience
    while waited and time.monotonic() < until:
        time.sleep(_NAP)
        if queue.waiting() < waited:
            return True
    return not waited
