"""`make bench ARGS=footprint`: memory of each process, and how soon it is ready."""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from bench import databases, report
from bench.carrying import effects, stacks
from bench.carrying.stacks import EMBEDDED, SCALED
from bench.report import Bar, Section
from tests.processes import Process

RESIDENT_MB, READY_SECONDS = 200, 3
_KB = re.compile(r"^(Rss|Pss):\s+(\d+) kB", re.MULTILINE)
_GROUP = 2
"""Where the number of the group is, among what follows a process's name."""


class Memory(NamedTuple):
    """What one process holds, in MB."""

    name: str
    resident: float
    """All its pages, also those that it shares with others."""
    share: float
    """Pages that several share are counted once, in parts."""


@click.command()
@click.option("--starts", default=3, help="Cold starts of each.")
@click.option("--work", default=60, help="Runs before memory is read.")
def footprint(starts: int, work: int) -> list[Section]:
    """Measure memory and the time to start."""
    rows: list[list[str]] = []
    bars: list[Bar] = []
    for kind in (EMBEDDED, SCALED):
        ready, found = _measured(kind, starts, work)
        rows += [
            [f"{kind}: {each.name}", f"{each.resident:.0f}", f"{each.share:.0f}", ""]
            for each in found
        ]
        whole = Memory(
            name="all of it",
            resident=sum(each.resident for each in found),
            share=sum(each.share for each in found),
        )
        seconds = statistics.median(ready)
        rows.append(
            [
                f"{kind}: {whole.name}",
                f"{whole.resident:.0f}",
                f"{whole.share:.0f}",
                f"{seconds:.1f} s",
            ]
        )
        if kind == EMBEDDED:
            what = "all-in-one embedded"
            bars += [
                report.at_most(f"{what}, memory", RESIDENT_MB, whole.share, "MB"),
                report.at_most(f"{what}, ready", READY_SECONDS, seconds, "s"),
            ]
    section = Section(
        title="Memory and start",
        columns=["process", "RSS, MB", "PSS, MB", "ready after"],
        rows=rows,
        notes=list(_notes(starts, work)),
        bars=bars,
    )
    click.echo(report.text(section))
    return [section]


def _measured(kind: str, starts: int, work: int) -> tuple[list[float], list[Memory]]:
    ready: list[float] = []
    memory: list[Memory] = []
    for number in range(starts):
        with databases.folder() as folder, stacks.running(kind, folder) as stack:
            ready.append(stack.seconds_to_ready)
            if number == 0:
                effects.transitions(stack, work, pause=float)
                memory = [m for each in stack.processes for m in _of(each)]
    return ready, memory


def _notes(starts: int, work: int) -> Iterator[str]:
    yield (
        f"Memory after {work} runs. What several processes share, such as the code of"
        " Python, RSS counts for each of them and PSS once, in parts: the sum of PSS is"
        " what the machine has to have, and what the bar is for."
    )
    yield (
        f"Ready: from the start of the processes to the first 200 of /readyz, median of"
        f" {starts}; files are in the system's cache by then."
    )


def _of(process: Process) -> Iterator[Memory]:
    """Yield the memory of a process of ours and of all its children."""
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[_GROUP]) != process.popen.pid:
                continue
            found = dict(_KB.findall((folder / "smaps_rollup").read_text()))
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue  # it has ended
        if found:
            yield Memory(
                name=_name(words),
                resident=int(found["Rss"]) / 1024,
                share=int(found["Pss"]) / 1024,
            )


def _name(words: list[str]) -> str:
    """Return a command line without the interpreter and its module."""
    kept = [Path(word).name for word in words if word]
    for skipped in ("app.cli", "countersign"):
        if skipped in kept:
            return " ".join(["countersign", *kept[kept.index(skipped) + 1 :]])
    return " ".join(kept[-3:])
