"""Has one process of a web server copy SQLite's log, so that no call waits for it."""

import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from app import patience
from app.db import LogCopier
from app.runtime import Runtime

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.25
"""Under full load some 22,000 pages come meanwhile, which are 90 MB."""

AFTER_ERROR_SECONDS = 10.0
"""A disk that is full stays so for a while, and each look is a line of the log."""

Turn = Callable[[], object]
"""Returns once no other process copies, and holds that until its own process ends."""


def at_once() -> None:
    """Return: there is one process only."""


def one_of_many() -> Turn:
    """Return a turn for the processes that this one begets.

    The lock is the system's, on a file without a name: whoever is killed has it no
    more, and the next one goes on.
    """
    import fcntl  # noqa: PLC0415 -- only where there can be several processes

    with tempfile.TemporaryFile() as file:
        descriptor = os.dup(file.fileno())  # as long as there is one of them
    return lambda: fcntl.lockf(descriptor, fcntl.LOCK_EX)


def begin(runtime: Runtime, turn: Turn = at_once) -> None:
    """Copy now and then on a thread of its own, once it is this process's turn.

    It ends with its process, at any line: SQLite's log says what is copied.
    """
    engine = runtime.recording.engine
    if engine.dialect.name != "sqlite":
        return

    def copy() -> None:
        copier: LogCopier | None = None
        pause = EVERY_SECONDS
        while True:
            time.sleep(pause)
            pause = AFTER_ERROR_SECONDS
            try:
                if copier is None:
                    turn()
                    copier = LogCopier(engine)
                copier.copy()
                pause = EVERY_SECONDS
            except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
                # Nothing is lost: it is in the log, and is copied another time.
                log.error("database: %s", patience.words_of(error))  # noqa: TRY400 -- the text has values
            except Exception:
                log.exception("the log of SQLite is not copied")

    threading.Thread(target=copy, name="copying", daemon=True).start()
