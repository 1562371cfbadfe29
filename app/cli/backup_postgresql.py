"""A dump of a PostgreSQL database, as SQL, that wakes up held whoever restores it.

The dump is one transaction, and the stop its last statement: a restore that breaks off
in the middle leaves nothing, rather than an instance that is not held (rule T14).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import psycopg.conninfo
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app import stops
from app.cli import environment
from app.cli.backup_sqlite import make_private
from app.stops import Stop

FIRST = b"-- Countersign: a backup that wakes up held\n"
LAST = b"-- Countersign: the end of the backup\n"

_UNKNOWN_TO_OLDER = b"SET transaction_timeout = 0;\n"
"""Of pg_dump 17 and later. It is an error to older servers, and changes nothing."""


def is_backup(path: Path) -> bool:
    """Say whether a file begins like a backup."""
    with path.open("rb") as file:
        return file.readline() == FIRST


def write(url: sa.URL, target: Path, *, now: Callable[[], datetime]) -> None:
    """Write a backup; raise `ClickException` if it did not become whole."""
    program, schema = _program("pg_dump"), _schema(url)
    make_private(target)
    with target.open("wb") as file, tempfile.TemporaryFile() as said:
        file.writelines((FIRST, b"BEGIN;\n"))
        with subprocess.Popen(  # noqa: S603 -- PostgreSQL's own program
            [program, "--no-owner", "--no-privileges", f"--dbname={_conninfo(url)}"],
            env=_environment(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as dump:
            assert dump.stdout is not None  # noqa: S101 -- asked for
            file.writelines(_for_any_server(dump.stdout))
        if dump.returncode:
            said.seek(0)
            raise click.ClickException(_words("pg_dump", said.read()))
        # Not before: what was received up to its snapshot is older than the stop.
        file.writelines((_hold(schema, now()), b"COMMIT;\n", LAST))


def restore(source: Path, url: sa.URL) -> None:
    """Run a backup in a database without tables, all of it or nothing."""
    program = _program("psql")
    _refuse_cut(source)
    _refuse_tables(url)
    done = subprocess.run(  # noqa: S603 -- PostgreSQL's own program
        [
            *(program, "--no-psqlrc", "--quiet", "--output=/dev/null"),
            *("--set=ON_ERROR_STOP=1", f"--file={source}"),
            f"--dbname={_conninfo(url)}",
        ],
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(_words("psql", done.stderr))


def _for_any_server(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out, before the first table, what an older server does not know."""
    is_preamble = True
    for line in lines:
        is_preamble = is_preamble and not line.startswith((b"CREATE ", b"COPY "))
        if not (is_preamble and line == _UNKNOWN_TO_OLDER):
            yield line


def _hold(schema: str, now: datetime) -> bytes:
    """Return the statements by which what is restored is stopped."""
    insert = sa.insert(Stop).values(stops.restored_row(now=now))
    text = insert.compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    # pg_dump leaves no search path behind.
    return f"SET search_path = {schema};\n{text};\n".encode()


def _schema(url: sa.URL) -> str:
    """Return where our tables are, quoted."""
    with _connected(url) as connection:
        name = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    return str(name)


def _refuse_cut(source: Path) -> None:
    with source.open("rb") as file:
        file.seek(-min(len(LAST), source.stat().st_size), 2)
        if file.read() != LAST:
            raise click.ClickException("the backup is not whole: its end is missing")


def _refuse_tables(url: sa.URL) -> None:
    with _connected(url) as connection:
        if sa.inspect(connection).get_table_names():
            raise click.ClickException(
                "the database has tables: restore into an empty one"
            )


@contextmanager
def _connected(url: sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise click.ClickException("the database cannot be reached") from error


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise click.ClickException(
            f"{name} is not on this machine: install PostgreSQL's client programs, of"
            " the server's version or a newer one"
        )
    return found


def _conninfo(url: sa.URL) -> str:
    """Return how to connect, without the password: others see our arguments."""
    given = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "dbname": url.database,
        **{name: ",".join(url.normalized_query[name]) for name in url.query},
        "password": None,
    }
    known = {name: str(value) for name, value in given.items() if value}
    return psycopg.conninfo.make_conninfo("", **known)


def _environment(url: sa.URL) -> dict[str, str]:
    password = url.password or url.query.get("password")
    return environment.extended(**({"PGPASSWORD": str(password)} if password else {}))


def _words(program: str, said: bytes) -> str:
    text = said.decode("utf-8", "replace").strip()
    return f"{program} failed: {text[:1000] or 'it does not say why'}"
