"""Which trace something belongs to, as W3C Trace Context has it, and what the log says.

A run's id is 16 bytes and never zero, so it is a trace id as it stands: a run whose
call named none needs no place to keep one. A trace that a call named is kept beside the
run's other hints, which nobody believes.

Source: W3C Trace Context, "traceparent Header". structlog keeps what is bound, because
it does so for each thread, and hands it to every line that is logged meanwhile.
"""

import re
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "traceparent"

HINT = "trace"
"""The key by which a named trace is among a run's hints."""

_NAMED = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_NONE = {"0" * 32, "0" * 16}


def named(unverified: str | None) -> str | None:
    """Return the trace that a header names; None unless it is exactly such a header.

    Attack: it is unsigned, and is sent on, shown and logged. So only its 32 hex digits
    are taken, and they decide nothing. Whoever sends it can make calls look as if they
    belonged together; each line has the run's own id beside it.
    """
    found = _NAMED.fullmatch(unverified or "")
    if found is None or _NONE & set(found.groups()):
        return None
    return found[1]


def hint(unverified: str | None) -> dict[str, str]:
    """Return what is kept of a header with a run: nothing, if it names no trace."""
    trace = named(unverified)
    return {} if trace is None else {HINT: trace}


def trace_of(run_id: uuid.UUID, unverified_hint: Mapping[str, Any]) -> str:
    """Return the run's trace: the one that its call named, else its own id."""
    return named_in(unverified_hint) or run_id.hex


def named_in(unverified_hint: Mapping[str, Any]) -> str | None:
    """Return the trace that a run's call named, if it did."""
    kept = unverified_hint.get(HINT)
    return str(kept) if kept else None


@contextmanager
def carried(
    run_id: uuid.UUID, tenant_id: uuid.UUID, unverified_hint: Mapping[str, Any]
) -> Iterator[None]:
    """Name the run in each line of the log, and in what it sends, inside the block."""
    trace = trace_of(run_id, unverified_hint)
    with bound_contextvars(run=str(run_id), tenant=str(tenant_id), trace=trace):
        yield


def headers() -> dict[str, str]:
    """Return what goes with one request of the run at hand; nothing outside of a run.

    Each request is a span of its own. It says that the trace is recorded: our log and
    the run's page are where.
    """
    trace = get_contextvars().get("trace")
    if trace is None:
        return {}
    span = f"{secrets.randbits(64) or 1:016x}"
    return {HEADER: f"00-{trace}-{span}-01"}
