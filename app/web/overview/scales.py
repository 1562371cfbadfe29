"""How high a value is drawn, and the round numbers beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

MOST_STEPS = 4

THOUSAND, MILLION = 1000, 1_000_000

_MARKS = {
    timedelta(milliseconds=10): "10 ms",
    timedelta(milliseconds=100): "100 ms",
    timedelta(seconds=1): "1 s",
    timedelta(seconds=10): "10 s",
    timedelta(minutes=1): "1 min",
    timedelta(minutes=10): "10 min",
    timedelta(hours=1): "1 h",
    timedelta(hours=10): "10 h",
    timedelta(days=3): "3 days",
    timedelta(days=30): "30 days",
    timedelta(days=300): "300 days",
}
"""Round times, about ten times as long each: people compare them by how many times."""


class Line(NamedTuple):
    """A line across a chart: how high it is, from 0 to 1, and what it is called."""

    share: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Counting:
    """From 0 evenly up to a round number."""

    top: int
    lines: Sequence[Line]

    def share(self, number: int) -> float:
        return number / self.top


@dataclass(frozen=True, kw_only=True)
class Timing:
    """From one round time to another; ten times as long is always as much higher."""

    least: timedelta
    most: timedelta
    lines: Sequence[Line]

    def share(self, took: timedelta) -> float:
        inside = min(max(took, self.least), self.most)
        return math.log(inside / self.least) / math.log(self.most / self.least)


def counting(most: int) -> Counting:
    """Return the scale for counts up to `most`, with at most four steps of 1, 2 or 5.

    Without anything to count there is the ground line alone.
    """
    step = next(
        factor * 10**power
        for power in range(19)
        for factor in (1, 2, 5)
        if factor * 10**power * MOST_STEPS >= most
    )
    steps = math.ceil(most / step)
    top = step * max(steps, 1)
    return Counting(
        top=top,
        lines=[Line(step * n / top, short(step * n)) for n in range(steps + 1)],
    )


def timing(shortest: timedelta, longest: timedelta) -> Timing:
    """Return the scale for times from `shortest` to `longest`."""
    marks = list(_MARKS)
    first = max((n for n, mark in enumerate(marks) if mark <= shortest), default=0)
    longer = (n for n, mark in enumerate(marks) if mark >= longest)
    last = max(next(longer, len(marks) - 1), first + 1)
    if last == len(marks):
        first, last = first - 1, last - 1
    scale = Timing(least=marks[first], most=marks[last], lines=())
    lines = [Line(scale.share(mark), _MARKS[mark]) for mark in marks[first : last + 1]]
    return Timing(least=scale.least, most=scale.most, lines=lines)


NO_TIMES = Timing(
    least=timedelta(milliseconds=10),
    most=timedelta(seconds=1),
    lines=[Line(0, "10 ms"), Line(1, "1 s")],
)
"""The scale while there is nothing to draw."""


def short(number: int) -> str:
    """Return a round number in at most five characters or so."""
    if number >= MILLION:
        return f"{number / MILLION:g}M"
    if number >= 10 * THOUSAND:
        return f"{number / THOUSAND:g}k"
    return f"{number:,}"


def lasted(took: timedelta) -> str:
    """Say how long something took, about: two digits are as exact as we know it."""
    for unit, name, least in _UNITS:
        number = took / unit
        if number >= least:
            digits = 1 if number < ONE_DIGIT else 0
            return f"{number:.{digits}f} {name}"
    return f"{took / timedelta(milliseconds=1):.0f} ms"


ONE_DIGIT = 9.95

_UNITS = (
    (timedelta(days=1), "days", 2),
    (timedelta(hours=1), "h", 0.995),
    (timedelta(minutes=1), "min", 0.995),
    (timedelta(seconds=1), "s", 0.9995),
)
"""Each with how many of it there must be, as rounding goes: 59.9 s is a minute."""
