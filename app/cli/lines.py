"""The log's lines: one for each event, and no more of one sort than can be read.

Each is one of Python's own log records, whoever wrote it; structlog's formatter gives
it the names that are bound and writes it, as JSON or as text.

Attack: whatever a stranger can have us log, he can have us log a thousand times a
second, until the disk is full (rule T13).
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.types import EventDict, Processor

from app.db import printable
from app.queue import TroubleFilter

PER_MINUTE = 300
"""Lines of one place in the code that are written."""

TRACES_PER_MINUTE = 10
"""Of those that bring a traceback."""

CALLS, CALLS_PER_MINUTE = "app.web.measuring", 60_000
"""Who writes a line for each verified call, if the operator wants that; strangers have
none, and whoever caught a genuine token fills no disk in a day."""

LONGEST = 2000
"""Characters of one line, without its traceback."""

FIELD = 200
"""Characters of one value in it that somebody else may have written."""

Names = Callable[[], Mapping[str, str]]
"""Says what a line is about, beside what is bound."""


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
        with self._lock:
            place = (record.pathname, record.lineno)
            count = self._counts.setdefault(place, _Count(minute))
            left_out = 0
            if count.minute != minute:
                left_out = count.left_out
                self._counts[place] = count = _Count(minute)
            if count.written >= _limit(record):
                count.left_out += 1
                return False
            count.written += 1
        if left_out:
            # By then a text: no handler puts the arguments in a second time.
            record.msg = f"{record.getMessage()} (and {left_out} like it, not written)"
            record.args = None
        return True


def _limit(record: logging.LogRecord) -> int:
    if record.exc_info:
        return TRACES_PER_MINUTE
    return CALLS_PER_MINUTE if record.name == CALLS else PER_MINUTE


class Capped(logging.Filter):
    """Cuts what is put into a line: one long value must not push out the others."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every line."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(_capped, record.args))
        elif record.args:
            record.args = {name: _capped(v) for name, v in record.args.items()}
        return True


def _capped(value: object) -> object:
    is_number = isinstance(value, int | float)
    return value if is_number else printable(str(value), limit=FIELD)


def handler(
    form: Literal["json", "text"], names: Names = dict
) -> logging.StreamHandler[Any]:
    """Return what writes the log to standard error.

    `names` is asked for each line that is written, in the thread that logs it.
    """

    def named(_: object, __: str, event: EventDict) -> EventDict:
        return {**names(), **event}

    write: Processor = JSONRenderer() if form == "json" else _text
    made = logging.StreamHandler()
    for each in (TroubleFilter(), Capped(), Sparing()):
        made.addFilter(each)
    made.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[merge_contextvars, named, ExtraAdder(EXTRAS)],
            processors=[_line, write],
        )
    )
    return made


EXTRAS = ("route", "status", "ms", "tenant", "trace")
"""What a line may bring beside its text."""


def _line(_: object, __: str, event: EventDict) -> EventDict:
    """Give a line its head, and take everything from it by which others forge lines."""
    record: logging.LogRecord = event.pop("_record")
    error, text = event.pop("exc_info", None), event.pop("event")
    event.pop("_from_structlog")
    event.pop("stack_info", None)
    head: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(
            timespec="milliseconds"
        ),
        "level": record.levelname,
        "logger": record.name,
        "event": printable(text, limit=LONGEST),
    }
    head |= {name: _capped(value) for name, value in event.items()}
    if error:
        head["exception"] = _traceback(error)
    return head


def _traceback(error: Any) -> str:  # noqa: ANN401 -- as logging has it
    """Return a traceback whose lines nobody takes for lines of the log.

    Attack: an error quotes what somebody sent, with an end of line in it.
    """
    lines = logging.Formatter().formatException(error).splitlines()
    return "\n".join("    " + printable(line, limit=LONGEST) for line in lines)


def _text(_: object, __: str, event: EventDict) -> str:
    """Write a line for people; what its text says already is not said twice."""
    text, error = event.pop("event"), event.pop("exception", None)
    head = f"{event.pop('time')} {event.pop('level')} {event.pop('logger')} {text}"
    pairs = (f"{name}={value}" for name, value in event.items())
    line = " ".join((head, *(pair for pair in pairs if pair not in text)))
    return line if error is None else f"{line}\n{error}"
