"""`countersign backup` and `restore`: what is restored is held until you let it go.

Neither the encryption keys nor the queue are in a backup. Keep the keys elsewhere:
without them no secret in it opens.
"""

import os
import sqlite3
from pathlib import Path
from types import ModuleType

import click
import sqlalchemy as sa

from app.cli import backup_postgresql, backup_sqlite, environment
from app.runtime import utc_now
from app.stops import Stop

_PATH = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_PATH)
def backup(file: Path) -> None:
    """Write all that must not be lost to a new file.

    Everything may run on. Whatever is made from it starts stopped. The encryption keys
    are not in it.
    """
    url = sa.make_url(environment.settings().database_url)
    if file.exists():
        raise click.ClickException(f"{file} is there already")
    _refuse_older(url)
    # Beside it first: what has the name is whole.
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        _kind(url).write(url, partial, now=utc_now)
        _to_disk(partial)
        partial.replace(file)
    except (OSError, sqlite3.Error, sa.exc.DBAPIError) as error:
        raise click.ClickException(f"no backup was made: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"{file}: {file.stat().st_size:,} bytes")
    click.echo("Keep the encryption keys elsewhere: they are not in it.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Make the database from a backup.

    It must not be there yet, or be empty.
    """
    url = sa.make_url(environment.settings().database_url)
    kind = _kind(url)
    if not kind.is_backup(file):
        raise click.ClickException(
            f"this is no backup for {url.get_backend_name()} by `countersign backup`"
        )
    try:
        kind.restore(file, url)
    except OSError as error:
        raise click.ClickException(f"not restored: {error}") from error
    click.echo("restored, and stopped: calls are recorded, nothing is carried out")
    click.echo("Next: `countersign db upgrade`, start, `countersign resume`.")


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _kind(url: sa.URL) -> ModuleType:
    is_sqlite = url.get_backend_name() == "sqlite"
    return backup_sqlite if is_sqlite else backup_postgresql


def _refuse_older(url: sa.URL) -> None:
    """Refuse a database that has no place for the stop which a backup has in it."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        # To ask would make a file of that name.
        raise click.ClickException(f"there is no database at {url.database}")
    engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    try:
        has_stops = sa.inspect(engine).has_table(Stop.__tablename__)
    except sa.exc.OperationalError as error:
        raise click.ClickException("the database cannot be reached") from error
    if not has_stops:
        raise click.ClickException(
            "this database is of an older version, or empty: make the backup with the"
            " version that runs on it, or `countersign db upgrade` first"
        )
