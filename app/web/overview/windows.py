"""The stretches of time that charts show, and what each of their bars stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app import figures
from app.figures import HOUR, Figures


class Label(NamedTuple):
    """A moment on a chart's lower edge: how far along it is, and what it is called."""

    share: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of time up to now, in bars of whole hours."""

    name: str
    title: str
    words: str
    """It, as the end of a sentence."""
    bars: int
    hours_a_bar: int
    labels: Sequence[Label]
    """How long ago, and no time of day: we do not know the viewer's zone."""

    def begins_at(self, now: datetime) -> datetime:
        """Return when the first bar begins; the last one is that of now."""
        hour = figures.hour_of(now)
        last = hour - (hour.hour % self.hours_a_bar) * HOUR
        return last - (self.bars - 1) * self.hours_a_bar * HOUR

    def spans(self, hours: Sequence[Figures]) -> Sequence[Figures]:
        """Add hours up to bars; they begin where the first bar does."""
        return [
            figures.merged(hours[at : at + self.hours_a_bar])
            for at in range(0, len(hours), self.hours_a_bar)
        ]


DAY = Window(
    name="24h",
    title="24 hours",
    words="in the last 24 hours",
    bars=24,
    hours_a_bar=1,
    labels=(Label(0, "24 h ago"), Label(1 / 2, "12 h ago"), Label(1, "now")),
)

WEEK = Window(
    name="7d",
    title="7 days",
    words="in the last 7 days",
    bars=28,
    hours_a_bar=6,
    labels=(Label(0, "7 days ago"), Label(4 / 7, "3 days ago"), Label(1, "now")),
)

WINDOWS: Mapping[str, Window] = {window.name: window for window in (DAY, WEEK)}
