"""`make mutants` plants the faults that it says, and they are what runs then."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from tests.shared import ROOT

SOURCE = '''
"""A module: how long a text may be."""

LIMIT = 3


class Judge:
    @property
    def most(self) -> int:
        return LIMIT

    def fits(self, text: str, words: str = "it is empty") -> bool:
        """Say whether the text is short enough."""
        if not text:
            raise ValueError(words)
        return len(text) <= self.most and text != "x"
'''
RETURN = "return len(text) <= self.most and text != 'x'"
NAMES = [
    "snippet.LIMIT: `LIMIT = 3` -> `LIMIT = 4`",
    "snippet.Judge.most: `return LIMIT` -> `return`",
    "snippet.Judge.fits: `if not text` -> `if text`",
    "snippet.Judge.fits: `raise ValueError(words)` -> `pass`",
    *(
        f"snippet.Judge.fits: `{RETURN}` -> `{new}`"
        for new in (
            "return",
            "return text != 'x'",
            "return len(text) <= self.most",
            "return len(text) <= self.most or text != 'x'",
            "return len(text) < self.most and text != 'x'",
            "return len(text) <= self.most and text == 'x'",
            "return len(text) <= self.most and text != ''",
        )
    ),
]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(ROOT / "dev")
    monkeypatch.syspath_prepend(tmp_path)
    made = tmp_path / "snippet.py"
    made.write_text(SOURCE, encoding="utf-8")
    return made


@pytest.fixture
def snippet(path: Path) -> Iterator[ModuleType]:
    del path
    yield importlib.import_module("snippet")
    del sys.modules["snippet"]  # the next test has a file of its own


def mutants(path: Path) -> list[Any]:
    found: list[Any] = importlib.import_module("mutating").mutants_of(path, "snippet")
    return found


def plant(snippet: ModuleType, path: Path, name: str) -> None:
    [mutant] = [each for each in mutants(path) if each.name == name]
    functions: list[FunctionType] = [snippet.Judge.fits, snippet.Judge.most.fget]
    places = {
        (each.__code__.co_filename, each.__qualname__, each.__code__.co_firstlineno): [
            each
        ]
        for each in functions
    }
    assert importlib.import_module("planting").plant(mutant, "snippet", places)


def test_every_fault_has_a_name_that_says_what_it_is(path: Path) -> None:
    assert sorted(each.name for each in mutants(path)) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "text", "was", "found"),
    [
        (NAMES[0], "abcd", False, True),
        (NAMES[6], "x", False, True),
        (NAMES[8], "abc", True, False),
        (NAMES[9], "x", False, True),
    ],
    ids=range(4),
)
def test_planted_fault_is_what_runs(
    snippet: ModuleType, path: Path, name: str, text: str, *, was: bool, found: bool
) -> None:
    judge = snippet.Judge()
    assert judge.fits(text) is was

    plant(snippet, path, name)

    assert judge.fits(text) is found


def test_decorated_function_is_reached(snippet: ModuleType, path: Path) -> None:
    plant(snippet, path, NAMES[1])

    assert snippet.Judge().most is None
