"""What docs/security.md promises is there: every file, every test, every rule."""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.shared import ROOT

NO_RULE = "\N{EN DASH}"
DOCUMENT = ROOT / "docs" / "security.md"
HEAD = "| threat | STRIDE | where it is stopped | rule | tests |"
RULES = ("0", "0a", "0b", "0c", *map(str, range(1, 19)))
"""Trust rules by their numbers: T0 has three parts of its own."""


class Row(NamedTuple):
    threat: str
    letters: str
    stopped: str
    rules: str
    tests: str


def read(text: str) -> Iterator[Row]:
    """Yield the rows of every table with the head of a threat's."""
    lines = iter(text.splitlines())
    for line in lines:
        if line != HEAD:
            continue
        next(lines)
        for each in lines:
            if not each.startswith("|"):
                break
            yield Row(*(cell.strip() for cell in each.strip("|").split(" | ")))


@functools.cache
def every_test() -> frozenset[str]:
    """Return the name of every test there is."""
    found = (
        re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in (ROOT / "tests").rglob("test_*.py")
    )
    return frozenset(name for names in found for name in names)


ROWS = tuple(read(DOCUMENT.read_text(encoding="utf-8")))


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.threat[:60])
def test_threat_names_what_there_is(row: Row) -> None:
    assert row.letters
    assert set(row.letters) <= set("STRIDE")
    files = [name for name in named(row.stopped) if name.startswith("app/")]
    assert files, "where is it stopped?"
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert named(row.tests), "which test sees it?"
    assert [name for name in named(row.tests) if name not in every_test()] == []
    rules = re.findall(r"T(\d+[a-c]?)", row.rules)
    assert row.rules == NO_RULE or rules
    assert set(rules) <= set(RULES)


@pytest.mark.parametrize("number", RULES)
def test_rule_has_a_threat_and_a_test_with_its_number(number: str) -> None:
    assert any(re.search(rf"\bT{number}\b", row.rules) for row in ROWS)
    pattern = re.compile(rf"test_(t\d+[a-c]?_)*t{number}_")
    assert any(pattern.match(name) for name in every_test())


def test_threats_are_many_and_none_is_there_twice() -> None:
    assert len(ROWS) > 60
    assert len({row.threat for row in ROWS}) == len(ROWS)
    assert {letter for row in ROWS for letter in row.letters} == set("STRIDE")
