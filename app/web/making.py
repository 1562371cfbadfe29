"""What can be downloaded is made by a maker: `downloads.MAKERS` names them all."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Order:
    """One download that was asked for with a ticket: whose, of what, and when."""

    tenant_id: uuid.UUID
    account_id: str
    wanted: Mapping[str, Any]
    """What `Maker.validate` returned."""
    now: datetime
    """The moment that the file shows: what happens later is not in it."""


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes one sort of file."""

    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Takes what was asked, `what` included; returns what the ticket is to keep, which
    is what goes into the file. Raises `BadRequestError`."""
    filename: Callable[[Order], str]
    """Plain ASCII, without a path."""
    mimetype: Callable[[Order], str]
    stream: Callable[[Runtime, Order], Iterator[str]]
    """Yields the file's text piece by piece. It runs after the request: it begins short
    transactions of its own, and holds none while it yields, for whoever reads the file
    may be slow."""


def stamped(name: str, ending: str, now: datetime) -> str:
    """Return a name for a file that says of when it is."""
    return f"countersign-{name}-{now:%Y%m%d-%H%M%S}.{ending}"
