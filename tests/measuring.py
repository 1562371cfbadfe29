"""Which tests coverage looks at: to be traced costs a test half of its time again.

Not those of the sandbox, which never imports the product; nor those that run the
product in processes of their own, to look at it with a browser or to kill it. And of
what is tested on both databases, not the second time: it is the same code.
"""

from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import Coverage

ELSEWHERE = tuple(
    Path(__file__).parent / name for name in ("sandbox", "browser", "faults")
)
SECOND = "postgresql"
MANY_TIMES = frozenset(
    f"test_{name}.py"
    for name in (
        *("fuzz", "runs_found", "downloads", "floods", "scanner"),
        *("secret_lifecycle", "key_lifecycle", "rotation"),
    )
)
"""They go the same ways thousands of times, on which others have been."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if _tells_something(item):
        return (yield)
    # In each of several processes there are two: the one that coverage starts by itself
    # goes on when that of the tests is stopped.
    stopped: list[Coverage] = []
    while (measured := Coverage.current()) is not None:
        measured.stop()
        stopped.append(measured)
    try:
        return (yield)
    finally:
        for each in reversed(stopped):
            each.start()


def _tells_something(item: pytest.Item) -> bool:
    if any(map(item.path.is_relative_to, ELSEWHERE)):
        return False
    if item.path.name in MANY_TIMES:
        return False
    chosen = getattr(item, "callspec", None)
    return chosen is None or chosen.params.get("database_url") != SECOND
