"""A wake-up that nobody takes: whether a worker is dead, or only busy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.doctor import workers
from app.doctor.findings import Finding
from app.queue import Queue

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
EVERY = timedelta(minutes=5)
NOBODY = "redis://127.0.0.1:1/0"


def sent(queue: Queue, looked_at: datetime | None) -> list[Finding]:
    return list(
        workers.round_trip(queue, looked_at, every=EVERY, now=NOW, patience=0.06)
    )


@pytest.mark.parametrize(
    ("looked", "health"),
    [(None, "fail"), (timedelta(hours=1), "fail"), (timedelta(minutes=4), "warn")],
)
def test_nobody_takes_it(tmp_path: Path, looked: timedelta | None, health: str) -> None:
    queue = Queue(f"sqlite:///{tmp_path}/queue.sqlite")

    [found] = sent(queue, NOW - looked if looked is not None else None)

    assert (found.check, found.health) == ("worker", health)
    assert "no worker took a wake-up" in found.saw


@pytest.mark.parametrize(
    ("looked", "health"), [(timedelta(minutes=4), "ok"), (timedelta(hours=1), "fail")]
)
def test_queue_is_away_and_workers_are_judged_by_their_last_look(
    looked: timedelta, health: str
) -> None:
    [queue, worker] = sent(Queue(NOBODY), NOW - looked)

    assert (queue.check, queue.health) == ("queue", "fail")
    assert (worker.check, worker.health) == ("worker", health)


def test_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(f"sqlite:///{tmp_path}/queue.sqlite")
    waiting = iter([3, 3, 2])
    monkeypatch.setattr(queue, "waiting", lambda: next(waiting))

    [found] = workers.round_trip(queue, None, every=EVERY, now=NOW)

    assert (found.check, found.health) == ("queue", "ok")
