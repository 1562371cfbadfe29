"""The log's lines: one for each event, and no more of one sort than can be read.

Attack: whatever a stranger can have us log, he can have us log a thousand times a
second, until the disk is full (rule T13).
"""

import logging
import threading
from dataclasses import dataclass
from types import TracebackType

from app.db import printable

_Exception = (
    tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
)

PER_MINUTE = 300
"""Lines of one place in the code that are written."""

TRACES_PER_MINUTE = 10
"""Of those that bring a traceback."""

LONGEST = 2000
"""Characters of one line, without its traceback."""


@dataclass
class _Count:
    minute: int
    written: int = 0
    left_out: int = 0


class Sparing(logging.Filter):
    """Passes so many lines a minute of each place, and counts the others.

    The next line of that place in another minute says how many there were. What is
    remembered is bounded by the places that there are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[str, int], _Count] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written; say in it how many before it were not."""
        minute = int(record.created // 60)
        limit = TRACES_PER_MINUTE if record.exc_info else PER_MINUTE
        with self._lock:
            place = (record.pathname, record.lineno)
            count = self._counts.setdefault(place, _Count(minute))
            left_out = 0
            if count.minute != minute:
                left_out = count.left_out
                self._counts[place] = count = _Count(minute)
            if count.written >= limit:
                count.left_out += 1
                return False
            count.written += 1
        if left_out:
            # By then a text: no handler puts the arguments in a second time.
            record.msg = f"{record.getMessage()} (and {left_out} like it, not written)"
            record.args = None
        return True


class OneLine(logging.Formatter):
    """Writes what others wrote as they cannot forge lines or move the cursor by it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- theirs
        record.message = printable(record.message, limit=LONGEST)
        return super().formatMessage(record)

    def formatException(self, ei: _Exception) -> str:  # noqa: N802 -- theirs
        """Write a traceback whose lines nobody takes for lines of the log.

        Attack: an error quotes what somebody sent, with an end of line in it.
        """
        lines = super().formatException(ei).splitlines()
        return "\n".join("    " + printable(line, limit=LONGEST) for line in lines)
