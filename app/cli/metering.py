"""Has a web process write down what its calls of Jira cost; a worker does by itself."""

import logging
import threading
import time

import sqlalchemy as sa

from app import patience
from app.runtime import Runtime
from app.worker import metering

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


def begin(runtime: Runtime) -> None:
    """Write down every second, on a thread of its own: no request waits for it.

    It ends with its process; what was counted in the last second is lost.
    """

    def write() -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            try:
                metering.write_down(runtime)
            except sa.exc.DBAPIError as error:
                # Nothing is lost: it is counted until the database is back.
                log.error("database: %s", patience.words_of(error))  # noqa: TRY400 -- the text has values
            except Exception:
                # A thread that ended would count no more from then on.
                log.exception("what calls cost is not written down")

    threading.Thread(target=write, name="metering", daemon=True).start()
