"""For all tests: the services they need, and no skipping (tests/services.py)."""

import gc
import os
import shutil
from pathlib import Path

pytest_plugins = ["tests.services", "tests.measuring"]

ENVIRON = os.environ  # noqa: TID251 -- where to put files is the machine's to say
MEMORY = Path("/dev/shm")  # noqa: S108 -- pytest makes a folder of its own in it
ENOUGH_BYTES = 2_000_000_000


def pytest_configure() -> None:
    """Keep the tests' folders in memory, where there is enough.

    SQLite waits for the disk at each commit, up to 6 ms. What a process loses that is
    killed is the same; only a machine that loses its power would lose more.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        ENVIRON.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_xdist_auto_num_workers() -> int:
    """Have one process more than processors: some wait for browsers and disks."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Take what is imported by now out of the garbage collector's rounds, and have few.

    It is never garbage, and there is so much of it that a round takes half a second:
    the collector comes by itself, and some tests call it. What tests leave behind is
    little; with rounds as often as Python has them they take an eighth longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
