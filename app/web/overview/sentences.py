"""What the overview says of a site: a sentence, and the one thing to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

NAMED = 3
"""Names that a sentence has; more are a number."""


class Next(NamedTuple):
    """The one thing to do next."""

    label: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Health:
    sentence: str
    tone: str
    detail: str = ""
    since: datetime | None = None
    next: Next | None = None


def names(names: Sequence[str], what: str) -> str:
    if len(names) > NAMED:
        return f"{len(names)} {what}"
    return ", ".join(f"“{name}”" for name in names)
