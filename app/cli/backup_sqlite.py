"""A copy of a SQLite database, made while it is written to, that wakes up held."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from app import db, stops
from app.stops import Cause, Stop

PRIVATE = 0o600
"""Who reads a backup reads what people did, if no secret: its owner alone."""


def make_private(path: Path) -> None:
    """Make an empty file that only its owner reads, from its first moment on.

    Attack: in a folder of everybody's, somebody makes that file before us, or opens it
    before its rights are changed, and reads along.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


_MAGIC = b"SQLite format 3\x00"


def is_backup(path: Path) -> bool:
    """Say whether a file is a SQLite database at all."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def write(url: sa.URL, target: Path, *, now: Callable[[], datetime]) -> None:
    """Write a backup; raise `sqlite3.Error` or `OSError` if that fails.

    `VACUUM INTO` reads one state of the database, whatever is written meanwhile.
    """
    # By a mode that makes no new file of a mistaken path.
    live_at = f"{_path(url).absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(live_at, uri=True)) as live:
        live.execute(f"PRAGMA busy_timeout = {db.BUSY_SECONDS * 1000}")
        make_private(target)
        live.execute("VACUUM INTO ?", (str(target),))
    # Not before: what was received up to its snapshot is older than the stop.
    with _opened(target) as connection:
        connection.execute(sa.insert(Stop).values(stops.restored_row(now=now())))


def restore(source: Path, url: sa.URL) -> None:
    """Put a backup in the place of a database that is not there yet, or is empty."""
    place = _path(url)
    if place.exists() and not _is_empty(place):
        raise click.ClickException(
            f"{place} is there already: restore where there is no database"
        )
    for end in ("-wal", "-shm", "-journal"):
        # SQLite would carry the old database's last writes into the new one.
        if (left := place.with_name(f"{place.name}{end}")).exists():
            raise click.ClickException(
                f"{left} is left of an older database: move it away"
            )
    copy = place.with_name(f"{place.name}.restoring")
    try:
        copy.unlink(missing_ok=True)
        make_private(copy)
        shutil.copyfile(source, copy)
        _check(copy)
        copy.replace(place)
    finally:
        copy.unlink(missing_ok=True)


def _is_empty(place: Path) -> bool:
    """Say whether there is no table yet: any command makes such a file by looking."""
    try:
        with closing(sqlite3.connect(place)) as connection:
            [[number]] = connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        return False
    return bool(number == 0)


def _check(copy: Path) -> None:
    """Refuse what is damaged, or would not wake up held (rule T14)."""
    try:
        with closing(sqlite3.connect(copy)) as connection:
            [[verdict]] = connection.execute("PRAGMA quick_check(1)")
            held = connection.execute(
                "SELECT 1 FROM stop WHERE cause = ? AND resumed_at IS NULL",
                (Cause.RESTORED.value,),
            ).fetchone()
    except sqlite3.Error as error:
        raise click.ClickException(f"this is no backup of ours: {error}") from error
    if verdict != "ok":
        raise click.ClickException(f"the backup is damaged: {verdict}")
    if held is None:
        raise click.ClickException(
            "this is a copy of a database, not a backup by `countersign backup`: its"
            " runs would go on by themselves"
        )


@contextmanager
def _opened(path: Path) -> Iterator[sa.Connection]:
    """Open a copy by our own column types, and leave nothing beside it."""
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _path(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise click.ClickException("a database in memory has no backup")
    return Path(url.database)
