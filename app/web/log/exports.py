"""The log as a file: what the page's filters find, streamed, as CSV or as NDJSON."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app import audit
from app.audit import Event, Wanted
from app.checkpoints import Telling
from app.db import printable
from app.runtime import Runtime
from app.web import context
from app.web.errors import BadRequestError
from app.web.log import event_words, log_filters
from app.web.making import Maker, Order, stamped

BATCH = 1000
"""Events that are read in one transaction, and held at one time."""

CELL_LIMIT = 4000
"""Characters of a cell: the facts of an event are a few values of at most 200."""

COLUMNS = ("time", "id", "kind", "what_happened", "who", "route", "reason", "facts")

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")

Writer = Callable[[Sequence[Event]], str]


def _validate(body: Mapping[str, Any]) -> dict[str, Any]:
    form, given = body.get("format", "csv"), body.get("filters", {})
    if not isinstance(form, str) or form not in FORMATS:
        raise BadRequestError(f"format must be one of {', '.join(FORMATS)}")
    if not isinstance(given, dict) or not all(
        isinstance(value, str) for value in given.values()
    ):
        raise BadRequestError("filters must be an object of texts")
    kept = {name: given[name] for name in log_filters.NAMES if name in given}
    if problem := log_filters.read(kept, now=context.runtime().now()).problem:
        raise BadRequestError(problem)
    return {"format": form, "filters": kept}


def _filename(order: Order) -> str:
    return stamped("log", str(order.wanted["format"]), order.now)


def _mimetype(order: Order) -> str:
    return FORMATS[order.wanted["format"]][0]


def _stream(runtime: Runtime, order: Order) -> Iterator[str]:
    """Yield the file in pieces, the newest event first.

    Each batch has a transaction of its own, and none is open while a piece is sent:
    whoever reads slowly would hold it, and on SQLite nobody else could write.
    """
    if order.wanted["format"] == "ndjson" and not order.wanted["filters"]:
        yield from _with_proof(runtime, order)
        return
    _, heading, write = FORMATS[order.wanted["format"]]
    yield heading
    wanted = log_filters.read(order.wanted["filters"], now=order.now).wanted
    if wanted is None:
        return
    snapshot, before = _until_now(wanted, order), None
    while True:
        with runtime.sessions.begin() as session:
            found = audit.page(
                session, order.tenant_id, snapshot, before=before, limit=BATCH
            )
        yield write(found.events)
        if found.older is None:
            return
        before = found.older


def _with_proof(runtime: Runtime, order: Order) -> Iterator[str]:
    """Yield the whole log with its checkpoints, by which others can verify it.

    A filtered one has none: that nothing of a kind is left out cannot be shown by part
    of a range. Nor has CSV, which has no place for it.
    """
    telling = Telling(tenant_id=order.tenant_id, until=order.now)
    while not telling.is_done:
        with runtime.sessions.begin() as session:
            lines = telling.step(session)
        yield lines


def _until_now(wanted: Wanted, order: Order) -> Wanted:
    """Leave out what happens later: a log that is written to would have no end."""
    until = order.now if wanted.until is None else min(wanted.until, order.now)
    return replace(wanted, until=until)


def _csv(events: Sequence[Event]) -> str:
    return _table(
        (
            event.happened_at.isoformat(),
            str(event.id),
            event.kind,
            event_words.sentence(event),
            event_words.who(event.actor),
            str(event.facts.get("route") or ""),
            str(event.facts.get("reason") or ""),
            audit.canonical(event.facts),
        )
        for event in events
    )


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(text: str) -> str:
    """Return text of others as a spreadsheet may have it (rule T13).

    Attack: a cell that begins like a formula is one to a spreadsheet: it fetches
    addresses and starts programs. With an apostrophe before it, it is text. What would
    begin a cell of its own, a tab or a line, is escaped.
    """
    start = "'" if text.startswith(_FORMULAS) else ""
    return start + printable(text, limit=CELL_LIMIT)


def _ndjson(events: Sequence[Event]) -> str:
    # ASCII only: a reader that ends lines at U+2028 would read two events in one.
    return "".join(
        json.dumps(
            {
                "time": event.happened_at.isoformat(),
                "id": str(event.id),
                "kind": event.kind,
                "who": event.actor,
                "facts": dict(event.facts),
            }
        )
        + "\n"
        for event in events
    )


FORMATS: Mapping[str, tuple[str, str, Writer]] = {
    "csv": ("text/csv", ",".join(COLUMNS) + "\r\n", _csv),
    "ndjson": ("application/x-ndjson", "", _ndjson),
}
"""Each format's media type, its first line, and how events are written in it."""

MAKER = Maker(
    validate=_validate, filename=_filename, mimetype=_mimetype, stream=_stream
)
