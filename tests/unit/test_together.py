"""Many threads, one transaction: nobody is told more than what was written."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from app.web.express import together
from app.web.express.together import Together, UnwrittenError

MANY = 40
PATIENCE = 30


class Disk:
    """Writes as soon as it is let; says what it was given at a time."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.free = threading.Event()
        self.fails = False

    def write(self, items: Sequence[int]) -> Sequence[str]:
        self.batches.append(list(items))
        self.begun.release()
        assert self.free.wait(PATIENCE)
        if self.fails:
            raise OSError
        return [f"wrote {item}" for item in items]


@pytest.fixture
def disk() -> Disk:
    return Disk()


def all_wait(parts: Together[int, str], count: int) -> None:
    """Return once so many wait for the one who writes."""
    tick = threading.Event()
    while parts.waiting() < count:
        tick.wait(0.001)


def test_who_comes_meanwhile_is_written_at_once(disk: Disk) -> None:
    parts = Together(disk.write)
    with ThreadPoolExecutor(MANY + 1) as threads:
        first = threads.submit(parts.submit, 0)
        assert disk.begun.acquire(timeout=PATIENCE)
        rest = [threads.submit(parts.submit, number) for number in range(1, MANY + 1)]
        all_wait(parts, MANY)
        disk.free.set()
        told = [each.result(PATIENCE) for each in (first, *rest)]

    assert told == [f"wrote {number}" for number in range(MANY + 1)]
    assert [len(batch) for batch in disk.batches] == [1, MANY]


def test_no_transaction_grows_without_end(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST", 7)
    parts = Together(disk.write)
    with ThreadPoolExecutor(MANY + 1) as threads:
        first = threads.submit(parts.submit, 0)
        assert disk.begun.acquire(timeout=PATIENCE)
        rest = [threads.submit(parts.submit, number) for number in range(1, MANY + 1)]
        all_wait(parts, MANY)
        disk.free.set()
        assert all(each.result(PATIENCE) for each in (first, *rest))

    assert max(map(len, disk.batches)) == 7
    assert sorted(chain(*disk.batches)) == list(range(MANY + 1))


def test_nobody_is_told_that_something_was_written_which_was_not(disk: Disk) -> None:
    parts = Together(disk.write)
    disk.fails = True
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(parts.submit, 0)
        assert disk.begun.acquire(timeout=PATIENCE)
        rest = [threads.submit(parts.submit, number) for number in (1, 2)]
        all_wait(parts, 2)
        disk.free.set()
        errors = [each.exception(PATIENCE) for each in (first, *rest)]

    assert {type(error) for error in errors} == {OSError, UnwrittenError}
    disk.fails = False
    assert parts.submit(3) == "wrote 3"


def test_who_writes_waits_a_moment_for_as_many_as_came_the_last_time(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "GATHER_SECONDS", PATIENCE)
    parts = Together(disk.write)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(parts.submit, 0)
        assert disk.begun.acquire(timeout=PATIENCE)
        rest = [threads.submit(parts.submit, number) for number in (1, 2)]
        all_wait(parts, 2)
        disk.free.set()
        assert all(each.result(PATIENCE) for each in (first, *rest))

        again = [threads.submit(parts.submit, number) for number in (3, 4)]
        assert all(each.result(PATIENCE) for each in again)

    assert [len(batch) for batch in disk.batches] == [1, 2, 2]


def test_who_comes_alone_waits_for_nobody(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "GATHER_SECONDS", 10 * PATIENCE)
    disk.free.set()
    parts = Together(disk.write)

    assert [parts.submit(number) for number in range(3)] == [
        f"wrote {number}" for number in range(3)
    ]
    assert [len(batch) for batch in disk.batches] == [1, 1, 1]
