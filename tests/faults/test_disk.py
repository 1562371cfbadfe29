"""The disk of the database is full for a while."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import root, servers
from tests.faults.conftest import Conclude, Play
from tests.faults.kept import wait_until
from tests.faults.load import Times
from tests.faults.root import Disk
from tests.faults.stage import Stage

SPARE = 20_000
"""Bytes at most that a full disk may have: some things still go, and others do not."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with root.disk(tmp_path / "small", megabytes=24) as disk:
        yield disk


def test_disk_of_sqlite_is_full(
    play: Play, migrated: Path, small: Disk, conclude: Conclude
) -> None:
    shutil.copy(migrated, small.path / "app.sqlite")
    database, queue = (f"sqlite:///{small.path}/{n}.sqlite" for n in ("app", "queue"))
    with play(database=database, queue=queue) as stage:
        with stage.under_load() as times:
            fill_and_free(stage, times, small)

        verdict = conclude(stage)
    assert verdict.counts["tries"] > verdict.counts["calls"], "it was never full"


@pytest.fixture
def middling() -> Iterator[Disk]:
    with tempfile.TemporaryDirectory(prefix="countersign-disk-") as folder:
        # Whom PostgreSQL runs as has to get there.
        Path(folder).chmod(0o711)
        with root.disk(Path(folder, "middling"), megabytes=120) as disk:
            yield disk


def test_disk_of_postgresql_is_full(
    play: Play, middling: Disk, conclude: Conclude
) -> None:
    with servers.postgres(middling.path) as postgres:
        url = postgres.url(postgres.create())
        with play(database=url) as stage:
            with stage.under_load() as times:
                fill_and_free(stage, times, middling)

            wait_until(postgres.answers, or_say=postgres.process.tail)
            verdict = conclude(stage)
    assert verdict.counts["tries"] > verdict.counts["calls"], "it was never full"


def fill_and_free(stage: Stage, times: Times, disk: Disk) -> None:
    """Have the disk full and free by turns; free in the end."""
    for left in times.naps(0.2, 0.8):
        disk.fill(spare=stage.random.randrange(SPARE))
        time.sleep(stage.random.uniform(0.5, min(2.5, max(left, 0.5))))
        disk.free()
