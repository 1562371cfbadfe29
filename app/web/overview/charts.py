"""Charts of what a site came to, as numbers to draw: the template only places them.

A chart says everything three times: drawn, summed up in a sentence and a legend, and as
a table with the same numbers, for who does not see colours, or nothing at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from app import figures
from app.figures import Figures
from app.runs import RunState
from app.web.overview import scales
from app.web.overview.scales import Line
from app.web.overview.windows import Label, Window

WIDTH, HEIGHT = 360, 152
"""Of the drawing; on a page it is about as many pixels wide, so text stays readable."""

LEFT, TOP, RIGHT, BOTTOM = 50, 10, 350, 126
"""The edges of the part that the bars are in."""

GAP = 2
LEAST = 2.0
"""How high the smallest number is drawn: one refused call must be seen beside 1000."""

HALF, MOST = 0.5, 0.95

ISO = "%Y-%m-%dT%H:%M:%SZ"


class Shape(NamedTuple):
    """Something drawn: a `bar`, or a `stem`, a `dot` and a `square` for times."""

    form: str
    tone: str
    y: float
    height: float = 0


class Series(NamedTuple):
    """What one tone of a chart stands for; its total is said in words."""

    tone: str
    label: str
    total: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A stretch of time: what is drawn over it, and where its calls or runs are."""

    begins_at: datetime
    href: str
    words: str
    x: float
    width: float
    shapes: Sequence[Shape]
    cells: Sequence[str]
    """The numbers drawn, as the table has them."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    id: str
    heading: str
    summary: str
    """All of it in a sentence, for who does not see it."""
    legend: Sequence[Series]
    lines: Sequence[Line]
    labels: Sequence[Label]
    columns: Sequence[Column]
    """Those with something in them; the time between them was empty."""


class Counted(NamedTuple):
    """One kind of thing that bars count."""

    tone: str
    label: str
    of: Callable[[Figures], int]


def _ended(*states: RunState) -> Callable[[Figures], int]:
    return lambda span: sum(span.ended.get(state, 0) for state in states)


CALLS = (
    Counted("good", "Verified", lambda span: span.verified),
    Counted("plain", "Seen before", lambda span: span.duplicates),
    Counted("bad", "Refused", lambda span: span.refused),
)

ENDS = (
    Counted("good", "Succeeded", _ended(RunState.SUCCEEDED)),
    Counted("plain", "Nothing to do", _ended(RunState.SKIPPED, RunState.DUPLICATE)),
    Counted("unsure", "Unconfirmed", _ended(RunState.UNCONFIRMED)),
    Counted("bad", "Failed", _ended(RunState.FAILED)),
)
"""From the ground up, in the legend's order, so that nobody needs their colours."""


def calls(spans: Sequence[Figures], window: Window) -> Chart:
    """Draw how many of Jira's calls were verified, and how many refused."""
    return _stacked("calls", "Calls from Jira", CALLS, spans, window)


def outcomes(spans: Sequence[Figures], window: Window) -> Chart:
    """Draw how the runs ended."""
    return _stacked("ends", "Runs by outcome", ENDS, spans, window)


def durations(spans: Sequence[Figures], window: Window) -> Chart:
    """Draw how long runs took: half of them at most, and nearly all of them at most."""
    heading = "Time from transition to last step"
    known = [span for span in spans if span.took]
    whole = figures.merged(spans)
    legend = [
        Series("half", "Half of the runs, at most", _lasted(whole, HALF)),
        Series("most", "95 % of the runs, at most", _lasted(whole, MOST)),
    ]
    times = [span.took_at_most(share) for span in known for share in (HALF, MOST)]
    drawn = [took for took in times if took is not None]
    scale = scales.timing(min(drawn), max(drawn)) if drawn else scales.NO_TIMES

    def shapes(span: Figures) -> Sequence[Shape]:
        low, high = (
            _y(scale.share(took))
            for took in (span.took_at_most(HALF), span.took_at_most(MOST))
            if took is not None
        )
        stem = Shape("stem", "stem", high, low - high)
        return stem, Shape("square", "most", high), Shape("dot", "half", low)

    columns = []
    for at, span in enumerate(spans):
        if span.took:
            cells = [_lasted(span, HALF), _lasted(span, MOST)]
            column = _column("#/runs", at, span, window)
            words = f"half within {cells[0]}, 95 % within {cells[1]}"
            columns.append(column(words, shapes(span), cells))
    return Chart(
        id="times",
        heading=heading,
        summary=_summary(heading, legend, window),
        legend=legend,
        lines=[Line(_y(line.share), line.text) for line in scale.lines],
        labels=_labels(window),
        columns=columns,
    )


def _stacked(
    id_: str,
    heading: str,
    kinds: Sequence[Counted],
    spans: Sequence[Figures],
    window: Window,
) -> Chart:
    rows = [[kind.of(span) for kind in kinds] for span in spans]
    scale = scales.counting(max(map(sum, rows)))
    page = "#/log" if kinds is CALLS else "#/runs"
    legend = [
        Series(kind.tone, kind.label, f"{sum(numbers):,}")
        for kind, numbers in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
    columns = []
    for at, (span, numbers) in enumerate(zip(spans, rows, strict=True)):
        if any(numbers):
            words = ", ".join(
                f"{number:,} {kind.label.lower()}"
                for kind, number in zip(kinds, numbers, strict=True)
                if number
            )
            tones = [kind.tone for kind in kinds]
            heights = _heights([scale.share(number) for number in numbers])
            column = _column(page, at, span, window)
            cells = [f"{number:,}" for number in numbers]
            columns.append(column(words, _pile(tones, heights), cells))
    return Chart(
        id=id_,
        heading=heading,
        summary=_summary(heading, legend, window),
        legend=legend,
        lines=[Line(_y(line.share), line.text) for line in scale.lines],
        labels=_labels(window),
        columns=columns,
    )


def _column(
    page: str, at: int, span: Figures, window: Window
) -> Callable[[str, Sequence[Shape], Sequence[str]], Column]:
    """Return what makes the column at this place, in this span."""
    width = (RIGHT - LEFT) / window.bars
    ends = {"from": f"{span.begins_at:{ISO}}", "to": f"{span.ends_at:{ISO}}"}
    when = f"{span.begins_at:%Y-%m-%d %H:%M} to {span.ends_at:%H:%M} UTC"

    def column(words: str, shapes: Sequence[Shape], cells: Sequence[str]) -> Column:
        return Column(
            begins_at=span.begins_at,
            href=f"{page}?{urlencode(ends)}",
            words=f"{when}: {words}",
            x=round(LEFT + at * width + GAP / 2, 2),
            width=round(width - GAP, 2),
            shapes=shapes,
            cells=cells,
        )

    return column


def _heights(shares: Sequence[float]) -> Sequence[float]:
    """Return how high each part is; what the small ones get more, the largest gives."""
    exact = [share * (BOTTOM - TOP) for share in shares]
    drawn = [max(height, LEAST) if height else 0.0 for height in exact]
    largest = drawn.index(max(drawn))
    drawn[largest] = max(drawn[largest] - (sum(drawn) - sum(exact)), LEAST)
    return drawn


def _pile(tones: Sequence[str], heights: Sequence[float]) -> Sequence[Shape]:
    found, y = [], float(BOTTOM)
    for tone, height in zip(tones, heights, strict=True):
        if height:
            y -= height
            found.append(Shape("bar", tone, round(y, 2), round(height, 2)))
    return found


def _labels(window: Window) -> Sequence[Label]:
    return [
        Label(round(LEFT + label.share * (RIGHT - LEFT), 2), label.text)
        for label in window.labels
    ]


def _summary(heading: str, legend: Sequence[Series], window: Window) -> str:
    totals = (f"{series.label.lower()} {series.total}" for series in legend)
    return f"{heading} {window.words}: {', '.join(totals)}."


def _lasted(span: Figures, share: float) -> str:
    took = span.took_at_most(share)
    return scales.lasted(took) if took is not None else "none"


def _y(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 2)
