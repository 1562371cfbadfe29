"""Plant small faults, one at a time, and see whether a test notices: `make mutants`.

Each mutant runs in a process of its own, forked when everything is imported, and runs
the tests that run its line, the quickest first, until one fails. A survivor is either a
promise that no test keeps, or written down in `tests/mutants.md` with its reason.

No tool did: those that we tried start pytest anew for each mutant, seconds each, and
leave decorated functions alone, which is where our validators are.
"""

import argparse
import gc
import os
import re
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import coverage
import pytest
from mutating import Mutant, mutants_of
from planting import plant

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ROOT / "tests" / "mutants.md"
LEAST_SECONDS, TIMES_LONGER = 10, 10
"""How long a test may take with a mutant, beside what it takes without."""

KILLED, SURVIVED, STILLBORN = "killed", "survived", "stillborn"


@dataclass(frozen=True)
class Room:
    """A part of the product, and the tests that speak of it."""

    name: str
    files: Sequence[Path]
    tests: Sequence[str]


@dataclass
class Run:
    """A pytest plugin: runs the tests once, and then some of them for each mutant."""

    rooms: Sequence[Room]
    only: str
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    results: dict[str, dict[str, str]] = field(default_factory=dict)
    is_child: bool = False
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed and self.is_child:
            os._exit(1)
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        lines = self._lines(session.items)
        if self.failed:
            raise pytest.UsageError(f"without any mutant fails: {self.failed}")
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        gc.collect()
        gc.freeze()  # what is not touched is not copied for each child
        for room in self.rooms:
            results = self.results.setdefault(room.name, {})
            for path in room.files:
                module = module_of(path)
                for mutant in mutants_of(path, module):
                    if not re.search(self.only, mutant.name):
                        continue
                    ids = _tests_of(mutant, lines.get(str(path), {}))
                    chosen = [items[each] for each in sorted(ids, key=self._length)]
                    result = self._judge(mutant, module, chosen, functions)
                    results[mutant.name] = result
                    if result == SURVIVED:
                        print(f"- {mutant.name}", flush=True)
        return True

    def _length(self, nodeid: str) -> float:
        return self.seconds[nodeid]

    def _lines(
        self, items: Sequence[pytest.Item]
    ) -> Mapping[str, Mapping[int, list[str]]]:
        """Run every test; return which of them ran which line of which file."""
        files = [str(path) for room in self.rooms for path in room.files]
        measured = coverage.Coverage(data_file=None, config_file=False, include=files)
        measured.start()
        for item, following in _in_turn(items):
            measured.switch_context(item.nodeid)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        measured.stop()
        data = measured.get_data()
        return {path: data.contexts_by_lineno(path) for path in files}

    def _judge(
        self,
        mutant: Mutant,
        module: str,
        items: Sequence[pytest.Item],
        functions: Mapping[object, Sequence[FunctionType]],
    ) -> str:
        if not items:
            return SURVIVED
        child = os.fork()
        if not child:
            self.is_child = True
            for number in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            try:
                if not plant(mutant, module, functions):
                    os._exit(2)
                self._try(items)
            except BaseException:  # noqa: BLE001 -- it would go on as the parent
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        # By a signal, too: what hangs until its alarm is noticed.
        return {0: SURVIVED, 2: STILLBORN}.get(
            os.waitstatus_to_exitcode(status), KILLED
        )

    def _try(self, items: Sequence[pytest.Item]) -> None:
        for item, following in _in_turn(items):
            usual = self.seconds[item.nodeid]
            signal.alarm(LEAST_SECONDS + int(TIMES_LONGER * usual))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _in_turn(
    items: Sequence[pytest.Item],
) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    yield from zip(items, [*items[1:], None], strict=True)


def _tests_of(mutant: Mutant, lines: Mapping[int, Sequence[str]]) -> set[str]:
    """Return the tests that run its lines; of a constant, those that run its module."""
    numbers = lines.keys() if mutant.constant else mutant.lines
    return {each for line in numbers for each in lines.get(line, ()) if each}


def _functions() -> Mapping[object, Sequence[FunctionType]]:
    """Return every function there is, by where it stands in the source."""
    found: dict[object, list[FunctionType]] = defaultdict(list)
    gc.unfreeze()  # what the tests hid from the collector is among them
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            code = each.__code__
            key = code.co_filename, code.co_qualname, code.co_firstlineno
            found[key].append(each)
    return found


def known() -> set[str]:
    """Return the survivors that are written down with a reason."""
    text = KNOWN.read_text(encoding="utf-8") if KNOWN.exists() else ""
    return {line[2:] for line in text.splitlines() if line.startswith("- app.")}


def report(run: Run, bar: int) -> bool:
    """Say how many each room killed, what is new, and what is out of date."""
    is_good = True
    for name, results in run.results.items():
        count = Counter(results.values())
        judged = count[KILLED] + count[SURVIVED]
        rate = 100 * count[KILLED] / judged if judged else 100.0
        print(f"{name:8} {count[KILLED]} of {judged} killed: {rate:.1f} %")
        is_good &= rate >= bar or bool(run.only)
    judged_names = {n for results in run.results.values() for n in results}
    survivors = {
        n for each in run.results.values() for n in each if each[n] == SURVIVED
    }
    written = known() if not run.only else known() & judged_names
    rooms = tuple(module_of(path) for room in run.rooms for path in room.files)
    gone = {n for n in written if n.startswith(rooms)} - survivors
    for title, names in (
        ("survive, and no reason is written down", survivors - written),
        ("are written down, and do not survive any more", gone),
    ):
        if names:
            print(f"{len(names)} {title}:", *sorted(names), sep="\n- ")
            is_good = False
    return is_good


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def main() -> int:
    """Judge the rooms that are named, or all of them."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutants"]
    parser = argparse.ArgumentParser(description="which faults do our tests notice?")
    parser.add_argument("rooms", nargs="*", help=", ".join(table["rooms"]))
    parser.add_argument("--only", default="", help="a pattern of mutants' names")
    chosen = parser.parse_args()
    rooms = [
        Room(name, list(_files(row["code"])), row["tests"])
        for name, row in table["rooms"].items()
        if name in chosen.rooms or not chosen.rooms
    ]
    tests = dict.fromkeys(test for room in rooms for test in room.tests)
    run = Run(rooms, chosen.only)
    started = time.monotonic()
    options = ["-q", "-s", "-p", "no:cacheprovider", "--hypothesis-profile=ci"]
    code = pytest.main([*options, *tests], plugins=[run])
    print(f"{time.monotonic() - started:.0f} s")
    return int(code) or int(not report(run, table["bar"]))


def _files(names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


if __name__ == "__main__":
    sys.exit(main())
