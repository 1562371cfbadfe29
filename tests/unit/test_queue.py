"""The queue says how many wake-ups wait, and what is wrong with it."""

from pathlib import Path

import pytest

from app.queue import Queue, QueueError


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_wake_ups_that_nobody_took_are_counted(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/queue.sqlite"
    queue = Queue(request.getfixturevalue("redis_url") if kind == "redis" else url)
    assert queue.waiting() == 0

    queue.wake()

    assert queue.waiting() == 1


def test_queue_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(QueueError):
        Queue(f"sqlite:///{tmp_path}/none/queue.sqlite")
    with pytest.raises(QueueError):
        Queue("redis://127.0.0.1:1/0").waiting()
