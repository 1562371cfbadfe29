"""SQLite's log of what was written last: it is begun anew, whoever writes or dies."""

import itertools
import os
import signal
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.cli import log_copying as copying
from app.db import LogCopier, engines, log_copying, make_engine
from app.runtime import Runtime
from tests.functional.test_stopping import (
    OUTLASTING,
    TRIGGERED,
    Site,
    installed,
    wait_until,
    web_server,
)
from tests.processes import Process, free_port

NUMBERS = itertools.count(20_000)
"""Of issues."""


def times_begun(database: Path) -> int:
    """Return how often it was begun, as its header says (sqlite.org/fileformat2)."""
    head = Path(f"{database}-wal").read_bytes()[:16]
    return int(struct.unpack(">I", head[12:])[0])


@contextmanager
def written_by_two(engine: sa.Engine) -> Iterator[list[int]]:
    """Two connections that write all the time, as two processes under load do.

    Yield what has one element more after each transaction.
    """
    over, written = threading.Event(), list[int]()

    def write() -> None:
        while not over.is_set():
            with engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO t VALUES (randomblob(50000))")
                connection.exec_driver_sql("DELETE FROM t WHERE rowid % 20 = 0")
            written.append(1)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        yield written
    finally:
        over.set()
        for each in threads:
            each.join()


def see_more(written: list[int]) -> None:
    enough = len(written) + 5
    wait_until(lambda: len(written) >= enough)


def test_log_is_begun_anew_although_somebody_always_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_copying, "QUIET_PAGES", 1)
    file = tmp_path / "app.sqlite"
    engine = make_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
    copier, begun_anew = LogCopier(engine), 0

    with written_by_two(engine) as written:
        for _ in range(20):
            begun = times_begun(file)
            see_more(written)
            copier.copy()
            see_more(written)
            begun_anew += times_begun(file) > begun
    engine.dispose()

    # Who looks just then leaves it as it is, and it comes with the next copy. Without
    # a turn for the copier it was 2 or 3.
    assert begun_anew >= 8


def test_what_was_copied_is_all_there(tmp_path: Path) -> None:
    """Read from the file alone, without the log that it was copied from."""
    engine = make_engine(f"sqlite:///{tmp_path / 'app.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
        for _ in range(log_copying.QUIET_PAGES // 10):
            connection.exec_driver_sql("INSERT INTO t VALUES (randomblob(50000))")

    assert LogCopier(engine).copy() > log_copying.QUIET_PAGES

    alone = tmp_path / "alone.sqlite"
    with engine.connect() as connection:  # nobody writes meanwhile
        os.link(tmp_path / "app.sqlite", alone)
        wanted = connection.exec_driver_sql("SELECT count(*), max(rowid) FROM t").one()
    engine.dispose()
    copied = make_engine(f"sqlite:///{alone}")
    with copied.connect() as connection:
        found = connection.exec_driver_sql("SELECT count(*), max(rowid) FROM t").one()
        [checked] = connection.exec_driver_sql("PRAGMA integrity_check").one()
    copied.dispose()
    assert tuple(found) == tuple(wanted)
    assert checked == "ok"


def test_disk_that_fails_once_is_copied_to_later(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if runtime.recording.dialect.name != "sqlite":
        return  # others have no such log
    tries, again = itertools.count(), threading.Event()

    def copy(_: LogCopier) -> int:
        if next(tries) == 0:
            raise sqlite3.OperationalError("disk I/O error")
        again.set()
        threading.Event().wait()  # it ends with its process
        return 0

    monkeypatch.setattr(LogCopier, "copy", copy)
    monkeypatch.setattr(copying, "EVERY_SECONDS", 0)
    monkeypatch.setattr(copying, "AFTER_ERROR_SECONDS", 0)

    copying.begin(runtime)

    assert again.wait(OUTLASTING)
    assert "database: OperationalError" in caplog.text


def test_another_process_copies_once_the_one_that_did_is_killed(tmp_path: Path) -> None:
    database = tmp_path / "app.sqlite"
    with installed(f"sqlite:///{database}", tmp_path) as site:
        port = free_port()
        env = site.env | {"COUNTERSIGN_WEB_PROCESSES": "2"}
        with web_server("web", env, tmp_path, port) as web:
            web.wait_until_answers(f"http://127.0.0.1:{port}/readyz")
            wait_until(lambda: len(children(web)) == 2)
            see_copied(site, port, database)
            for process in children(web):
                os.kill(process, signal.SIGKILL)
                see_replaced(web, process)
                see_copied(site, port, database)


def see_replaced(web: Process, gone: int) -> None:
    def is_replaced() -> bool:
        there = children(web)
        return gone not in there and len(there) == 2

    wait_until(is_replaced)


def see_copied(site: Site, port: int, database: Path) -> None:
    """Call until the log is begun anew: what was in it before is copied by then."""
    assert engines.WAL_PAGES > 10_000  # or SQLite would have done it by itself
    begun = times_begun(database)

    def is_begun_anew() -> bool:
        see_answered(site, port)
        return times_begun(database) > begun

    wait_until(is_begun_anew)


def see_answered(site: Site, port: int) -> None:
    client = HTTPConnection("127.0.0.1", port, timeout=OUTLASTING)
    body, headers = site.signed(next(NUMBERS))
    client.request("POST", TRIGGERED, body, headers)
    assert client.getresponse().status == 204
    client.close()


def children(web: Process) -> list[int]:
    number = web.popen.pid
    listed = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [int(each) for each in listed.split()]
