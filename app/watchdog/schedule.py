"""Looks as often as the operator wants, beside a worker, until it is told to stop."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.watchdog.watching import Watchdog

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""How often a process asks whether a look is due; looks themselves are rarer."""

STOP_SECONDS = 5.0


@contextmanager
def scheduled(watchdog: Watchdog, stop: threading.Event) -> Iterator[None]:
    """Look on a thread of its own: a slow Jira must not hold up the runs of others."""

    def look() -> None:
        while not stop.wait(ASK_SECONDS):
            try:
                watchdog.watch(due_only=True)
            except sa.exc.DBAPIError as error:
                log.error("database: %s", type(error).__name__)  # noqa: TRY400 -- the text has values
            except Exception:
                # The next look may go well; without it nobody is rescued any more.
                log.exception("the look failed")

    thread = threading.Thread(target=look, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS)
