"""What was measured, as tables for people and as JSON, and which bars it reaches."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
QUIET = 1.0
"""Processes that may want to run before we begin."""

MARKDOWN, JSON = "RESULTS.md", "results.json"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What we set ourselves to reach, and how far we got."""

    what: str
    wanted: str
    found: str
    is_reached: bool | None
    """None where it could not be measured here; `found` says why."""

    @property
    def verdict(self) -> str:
        if self.is_reached is None:
            return "not measured"
        return "reached" if self.is_reached else "**not reached**"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table, with what has to be known to read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    bars: Sequence[Bar] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    """The bare numbers, for machines."""


def at_least(what: str, wanted: float, found: float | None, unit: str = "x") -> Bar:
    """Return a bar for a number that is to be large."""
    return _bar(what, f"≥ {wanted:g} {unit}", found, unit, 1, wanted)


def at_most(what: str, wanted: float, found: float | None, unit: str) -> Bar:
    """Return a bar for a number that is to be small."""
    return _bar(what, f"≤ {wanted:g} {unit}", found, unit, -1, wanted)


def _bar(
    what: str, words: str, found: float | None, unit: str, sign: int, wanted: float
) -> Bar:
    if found is None:
        return Bar(what=what, wanted=words, found="-", is_reached=None)
    return Bar(
        what=what,
        wanted=words,
        found=f"{found:.3g} {unit}" if found < 1000 else f"{found:.0f} {unit}",  # noqa: PLR2004
        is_reached=sign * found >= sign * wanted,
    )


def text(section: Section) -> str:
    """Return a section for the terminal."""
    table = [section.columns, *section.rows]
    widths = [max(len(row[n]) for row in table) for n in range(len(section.columns))]
    lines = [f"\n{section.title}"]
    for row in table:
        first, *rest = (
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    lines += [f"  {note}" for note in section.notes]
    for bar in section.bars:
        verdict = bar.verdict.replace("*", "")
        lines.append(f"  {bar.what}: {bar.found}, wanted {bar.wanted}: {verdict}")
    return "\n".join(lines)


def write(
    folder: Path, sections: Sequence[Section], machine: dict[str, str], seconds: float
) -> list[Path]:
    """Write a whole run down, for people and for machines; return the files."""
    written = [folder / MARKDOWN, folder / JSON]
    written[0].write_text("\n".join(_markdown(sections, machine, seconds)) + "\n")
    kept = {
        "machine": machine,
        "sections": [asdict(section) for section in sections],
    }
    written[1].write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return written


def _markdown(
    sections: Sequence[Section], machine: dict[str, str], seconds: float
) -> Iterator[str]:
    yield "# What was measured"
    yield ""
    yield "Written by `make bench`; do not edit. The same in numbers: `results.json`."
    yield f"The whole run took {seconds / 60:.0f} minutes."
    if float(machine["load before"]) > QUIET:
        yield ""
        yield "**The machine had other work: these figures say nothing.**"
    yield from ["", "## The machine", ""]
    yield from _table(("what", "value"), list(machine.items()))
    yield from ["", "## What was to be reached", ""]
    yield from _table(
        ("what", "wanted", "measured", ""),
        [
            (bar.what, bar.wanted, bar.found, bar.verdict)
            for section in sections
            for bar in section.bars
        ],
    )
    for section in sections:
        yield from ["", f"## {section.title}", ""]
        yield from _table(section.columns, section.rows)
        if section.notes:
            yield ""
        yield from (f"* {note}" for note in section.notes)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" + "|---:" * (len(columns) - 1) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
