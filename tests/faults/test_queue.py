"""The queue goes away, forgets, or loses its file: it carries no truth."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import servers
from tests.faults.conftest import Conclude, Play
from tests.faults.servers import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with servers.redis_server(tmp_path) as server:
        yield server


def test_redis_is_killed_and_flushed(
    play: Play, database: str, redis: Redis, conclude: Conclude
) -> None:
    with play(database=database, queue=redis.url) as stage:
        with stage.under_load() as times:
            for _ in times.naps(0.2, 1.2):
                if stage.random.random() < 0.5:
                    redis.flush()
                else:
                    redis.process.kill(away=stage.random.uniform(0, 1.5))

        conclude(stage)


def test_file_of_the_queue_is_deleted(
    play: Play, database: str, tmp_path: Path, conclude: Conclude
) -> None:
    with play(database=database) as stage:
        with stage.under_load() as times:
            for _ in times.naps(0.5, 2.0):
                for file in tmp_path.glob("queue.sqlite*"):
                    file.unlink(missing_ok=True)

        conclude(stage)
