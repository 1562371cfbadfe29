"""`make bench ARGS=effects`: from Jira's call to our first call, and to the comment.

The sandbox notes each call as it ends and how long it took, to the millisecond; both
times are counted from when it began to send its own.
"""

import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import click

from bench import databases, report
from bench.carrying import stacks
from bench.carrying.stacks import EMBEDDED, SCALED, TRANSITION, Stack
from bench.report import Bar, Section

IDLE_SECONDS = 0.4
"""Between two transitions, more or less: what is due every second must not be met at
always the same moment."""

BARS_MS = {EMBEDDED: 150, SCALED: 50}
PATIENCE_SECONDS = 60
KEPT = 500
"""Calls that the sandbox remembers."""

_ISSUE = re.compile(r"/rest/api/3/issue/(\d+)(/comment)?(?:[?]|$)")


@dataclass
class Watched:
    """What the sandbox saw, by the issue: moments in seconds."""

    keys: dict[str, str]
    """The number of each issue, by its key."""
    fired: dict[str, float] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    commented: dict[str, float] = field(default_factory=dict)

    def look(self, stack: Stack) -> None:
        """Read what is new; ask often enough, for only so many calls are kept."""
        for entry in reversed(stack.ask(f"traffic?limit={KEPT}")):
            self._note(entry)

    def _note(self, entry: dict[str, Any]) -> None:
        began = _seconds(entry["at"]) - entry["milliseconds"] / 1000
        if entry["direction"] == "to add-on":
            if entry["issue"] in self.keys and entry["verdict"] == "accepted":
                self.fired.setdefault(self.keys[entry["issue"]], began)
            return
        found = _ISSUE.search(entry["url"])
        if found is None or entry["verdict"] != "verified":
            return
        self.called.setdefault(found[1], began)
        if found[2] and entry["method"] == "POST":
            self.commented.setdefault(found[1], began)

    @property
    def done(self) -> int:
        return sum(number in self.commented for number in self.keys.values())

    def wait(self, stack: Stack) -> None:
        """Return once each issue has its comment."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.done < len(self.keys):
            if time.monotonic() > deadline:
                missing = len(self.keys) - self.done
                raise click.ClickException(f"{missing} comments never came")
            time.sleep(0.2)
            self.look(stack)

    def milliseconds(self, until: dict[str, float]) -> list[float]:
        """Return how long each issue took from Jira's call."""
        numbers = self.keys.values()
        return [(until[number] - self.fired[number]) * 1000 for number in numbers]


@click.command()
@click.option("--samples", default=40, help="Transitions while idle.")
@click.option("--burst", default=60, help="Transitions at once, for the throughput.")
@click.option("--seconds", default=8, help="At half of that.")
def effects(samples: int, burst: int, seconds: int) -> list[Section]:
    """Measure how soon a transition has its effect."""
    rows: list[list[str]] = []
    bars: list[Bar] = []
    figures: dict[str, Any] = {}
    for kind in (EMBEDDED, SCALED):
        with databases.folder() as folder, stacks.running(kind, folder) as stack:
            transitions(stack, 3, pause=_idle)  # caches and connections
            idle = transitions(stack, samples, pause=_idle)
            rate = _throughput(transitions(stack, burst, pause=lambda: 0.0))
            count = max(20, round(rate / 2 * seconds))
            busy = transitions(stack, count, pause=partial(float, 2 / rate))
        for load, watched in (("idle", idle), (f"half of {rate:.0f} runs/s", busy)):
            name = f"{kind}, {load}"
            rows.append([name, *_cells(watched)])
            figures[name] = watched.milliseconds(watched.called)
            median = statistics.median(figures[name])
            what = f"transition to first signed call, p50, {kind}, {load}"
            bars.append(report.at_most(what, BARS_MS[kind], median, "ms"))
    section = Section(
        title="From a transition to our first signed call, and to the comment",
        columns=["ms", "runs", *(f"call {p}" for p in _PARTS)]
        + [f"comment {p}" for p in _PARTS],
        rows=rows,
        notes=list(_notes()),
        bars=bars,
        figures=figures,
    )
    click.echo(report.text(section))
    return [section]


_PARTS = ("p50", "p95", "p99")


def _notes() -> Iterator[str]:
    yield (
        "Embedded: `countersign serve` on SQLite. Scaled: PostgreSQL, Redis, the web"
        f" server and {stacks.WORKERS} workers. Counted from when the sandbox sent its"
        " call, to the millisecond; the sandbox shares these processors."
    )


def _cells(watched: Watched) -> Iterator[str]:
    yield str(len(watched.keys))
    for until in (watched.called, watched.commented):
        found = watched.milliseconds(until)
        cuts = statistics.quantiles(found, n=100, method="inclusive")
        for each in (50, 95, 99):
            yield f"{cuts[each - 1]:.0f}"


def _idle() -> float:
    return IDLE_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311 -- guards nothing


def _throughput(watched: Watched) -> float:
    """Return runs a second, from the first comment to the last."""
    found: Sequence[float] = sorted(watched.commented.values())
    return (len(found) - 1) / (found[-1] - found[0])


def transitions(stack: Stack, count: int, *, pause: Callable[[], float]) -> Watched:
    """Let as many new issues make a transition, each once; wait for the comments."""
    issue = {"project": "DEMO", "issuetype": "Task", "summary": "Measured"}
    made = [stack.ask("issues", issue) for _ in range(count)]
    watched = Watched(keys={each["key"]: each["id"] for each in made})
    due = looked = time.monotonic()
    for key in watched.keys:
        stack.ask(f"issues/{key}/transition", {"name": TRANSITION})
        due += pause()
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() - looked > 1:
            watched.look(stack)
            looked = time.monotonic()
    watched.wait(stack)
    return watched


def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
