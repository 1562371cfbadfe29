"""What a receiver says when it is asked: that a delivery came, or how it ended."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A delivery that was found at the receiver, and under which name."""

    reference: str
    url: str = ""


class NotNowError(Exception):
    """The receiver cannot be asked just now; `wait` is the least until it can."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"not within {wait.total_seconds():.0f} s")
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The end of what a delivery set off, as the receiver tells it when asked."""

    succeeded: bool
    words: str
    url: str = ""
