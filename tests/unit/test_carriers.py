"""The threads that carry runs: woken one by one, and never past what is due."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from app.worker import Carriers


@dataclass
class Runs:
    """What is due, as a number; each run is held until all of them may end."""

    carriers: Carriers
    due: int = 0
    in_hand: int = 0
    most: int = 0
    looks: int = 0
    may_end: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def carry(self) -> None:
        while self._take():
            self.carriers.wake()
            self.may_end.wait(10)
            with self.lock:
                self.in_hand -= 1

    def _take(self) -> bool:
        with self.lock:
            self.looks += 1
            if not self.due:
                return False
            self.due -= 1
            self.in_hand += 1
            self.most = max(self.most, self.in_hand)
            return True


def comes(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.002)
    return is_so()


def test_one_wake_up_finds_all_threads_where_there_is_enough_to_do() -> None:
    runs = Runs(Carriers(count=4), due=20)

    with runs.carriers.working(runs.carry):
        runs.carriers.wake()
        assert comes(lambda: runs.in_hand == 4)
        runs.may_end.set()
        assert comes(lambda: runs.due + runs.in_hand == 0)

    assert runs.most == 4


def test_one_run_is_looked_for_by_few() -> None:
    runs = Runs(Carriers(count=16), due=1)
    runs.may_end.set()

    with runs.carriers.working(runs.carry):
        runs.carriers.wake()
        assert comes(lambda: runs.due + runs.in_hand == 0)

    assert runs.looks <= 4


def test_run_that_comes_while_all_are_busy_waits_for_no_sweep() -> None:
    looked, may_go = threading.Event(), threading.Event()
    looks: list[int] = []
    carriers = Carriers(count=1)

    def carry() -> None:
        looks.append(len(looks))
        looked.set()
        may_go.wait(10)  # it has looked, and found nothing

    with carriers.working(carry):
        carriers.wake()
        assert looked.wait(10)
        carriers.wake()
        may_go.set()
        assert comes(lambda: len(looks) == 2)


def test_wake_up_is_left_to_other_processes_while_all_are_busy() -> None:
    runs = Runs(Carriers(count=2), due=3)
    heard = threading.Event()

    def hear() -> None:
        runs.carriers.hear()
        heard.set()

    with runs.carriers.working(runs.carry):
        runs.carriers.hear()
        assert comes(lambda: runs.in_hand == 2)
        consumer = threading.Thread(target=hear)
        consumer.start()
        assert not heard.wait(0.05)

        runs.may_end.set()
        assert heard.wait(10)
        consumer.join(10)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), sa.exc.OperationalError("", {}, Exception())]
)
def test_thread_outlives_what_fails_in_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    carriers = Carriers(count=1)

    def carry() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise error

    with carriers.working(carry):
        carriers.wake()
        assert comes(lambda: len(calls) == 1)
        carriers.wake()
        assert comes(lambda: len(calls) == 2)

    assert "failed" in caplog.text or "OperationalError" in caplog.text


def test_its_end_waits_for_what_is_in_hand() -> None:
    runs = Runs(Carriers(count=2), due=2)

    with runs.carriers.working(runs.carry):
        runs.carriers.wake()
        assert comes(lambda: runs.in_hand == 2)
        threading.Timer(0.05, runs.may_end.set).start()

    assert runs.in_hand == 0
