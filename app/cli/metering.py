"""Has a process write down what its calls of Jira cost, where no worker does."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app import patience
from app.runtime import Runtime
from app.worker import metering

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


@contextmanager
def metered(runtime: Runtime) -> Iterator[None]:
    """Write down every second, on a thread of its own: no request waits for it."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(EVERY_SECONDS):
            try:
                metering.write_down(runtime)
            except sa.exc.DBAPIError as error:
                # Nothing is lost: it is counted until the database is back.
                log.error("database: %s", patience.words_of(error))  # noqa: TRY400 -- the text has values

    thread = threading.Thread(target=write, name="metering", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(2 * EVERY_SECONDS)
