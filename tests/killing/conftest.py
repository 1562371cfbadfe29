"""A Jira on a port, the add-on on a real database, and processes that can be killed."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import db
from app.crypto import Keyring
from app.db import Base
from app.http import NoMail
from app.queue import Queue
from app.runtime import Runtime, utc_now
from app.settings import Settings
from app.web import create_app
from sandbox import Jira
from sandbox import create_app as create_jira
from sandbox.github import GitHub
from sandbox.wire import Transport
from tests import lending
from tests.functional.callers import Caller
from tests.functional.conftest import BASE_URL, KEY, ROOT, SITE, rule
from tests.functional.fakes import Clock, Wire, call
from tests.killing import racing
from tests.killing.racing import SharedJira
from tests.processes import ENVIRON, unmeasured
from tests.serving import serving

ADDON = "http://addon.test"
COMMENT = {"do": "add-comment", "body": "Once"}
LAG = 0.06
"""Seconds that this Jira's search is late; the workers' looks outlast it."""


@dataclass
class Started:
    """A child at work."""

    port: int
    """Where it serves, if that is its job."""
    code: int | None = None
    """How it ended; empty until it did."""


@dataclass(frozen=True)
class Launcher:
    """The process of `tests.killing.launcher`, which forks a child for each job."""

    popen: subprocess.Popen[str]

    def run(self, do: str, *, kill: Mapping[str, Any] | None = None, **job: Any) -> int:
        """Have a job done; return how its process ended."""
        with self.starting(do, kill=kill, **job) as started:
            pass
        assert started.code is not None
        return started.code

    @contextmanager
    def starting(
        self,
        do: str,
        *,
        kill: Mapping[str, Any] | None = None,
        end: signal.Signals | None = None,
        **job: Any,
    ) -> Iterator[Started]:
        """Start a job; after the block send it a signal, and wait for its end."""
        self._write({"do": do, "kill": kill, **job})
        started = Started(self._read().get("port", 0))
        number = int(signal.SIGKILL)
        try:
            yield started
            number = int(end or 0)
        finally:
            self._write(number)
            started.code = self._read()

    def _write(self, line: object) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(line) + "\n")
        self.popen.stdin.flush()

    def _read(self) -> Any:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, "the launcher ended"
        return json.loads(line)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Both sides of the wire, and the hand that kills."""

    settings: Settings
    runtime: Runtime
    app: Flask
    jira: Jira
    github: GitHub
    """At the same address as Jira."""
    launcher: Launcher


@dataclass(frozen=True)
class Site:
    """The product and the sandbox in one process, under one clock."""

    runtime: Runtime
    jira: Jira
    wire: Wire
    clock: Clock
    caller: Caller

    def fire(self) -> None:
        """Record a run that is to comment DEMO-1."""
        assert self.jira.install().is_good
        self.jira.add_post_function("Start progress", rule(COMMENT))
        self.jira.set_status("DEMO-1", "To Do")
        self.jira.transition("DEMO-1", "Start progress")
        assert self.jira.deliver_pending() == 1

    def comments(self) -> int:
        return len(
            [c for c in self.jira.issue("DEMO-1").comments if c.get("properties")]
        )


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The add-on installed in a Jira that listens, once for each kind of database."""
    folder = tmp_path_factory.mktemp(f"killing-{request.param}")
    url = f"sqlite:///{folder / 'app.sqlite'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        site = f"http://127.0.0.1:{listening.getsockname()[1]}"
        env = environment(url, f"sqlite:///{folder / 'queue.sqlite'}", site)
        config = Config(toml_file=ROOT / "pyproject.toml")
        config.attributes["database_url"] = url
        command.upgrade(config, "head")
        settings = Settings.from_env(env)
        runtime = Runtime.build(settings)
        app = create_app(runtime)
        jira = make_jira(app, site)
        outside = create_jira(jira)
        with serving(outside, listening), launched(env) as launcher:
            assert jira.install().is_good
            yield Stage(
                settings=settings,
                runtime=runtime,
                app=app,
                jira=jira,
                github=outside.extensions["github"],
                launcher=launcher,
            )
        jira.close()
        runtime.sessions.kw["bind"].dispose()


@pytest.fixture
def clean(stage: Stage) -> Iterator[Stage]:
    """The stage without runs before, and without its post functions afterwards."""
    empty(stage)
    yield stage
    for flow in stage.jira.world.state.workflows.values():
        for functions in list(flow.live.values()):
            for function in list(functions):
                stage.jira.remove_post_function(function.id, flow.name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def env(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Settings with a migrated database that no other test's worker looks into."""
    folder = tmp_path_factory.mktemp(f"race-{request.param}")
    env = {
        "COUNTERSIGN_BASE_URL": BASE_URL,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder / 'app.sqlite'}",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder / 'queue.sqlite'}",
        "COUNTERSIGN_ENCRYPTION_KEYS": racing.KEY,
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{SITE}/install-keys",
        "COUNTERSIGN_TENANTS": "open",
    }
    with contextmanager(_database)(request, env) as url:
        racing.migrate(url)
        yield env | {"COUNTERSIGN_DATABASE_URL": url}


def _database(request: pytest.FixtureRequest, env: Mapping[str, str]) -> Iterator[str]:
    if request.param == "sqlite":
        yield env["COUNTERSIGN_DATABASE_URL"]
        return
    with racing.postgres_beside(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture(scope="module")
def all_sessions(env: Mapping[str, str]) -> Iterator[sessionmaker[Session]]:
    sessions = db.make_sessions(env["COUNTERSIGN_DATABASE_URL"])
    yield sessions
    sessions.kw["bind"].dispose()


@pytest.fixture
def sessions(all_sessions: sessionmaker[Session]) -> Iterator[sessionmaker[Session]]:
    yield all_sessions
    with all_sessions.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())


@pytest.fixture
def shared(tmp_path: Path) -> SharedJira:
    return SharedJira(tmp_path / "comments.log")


@pytest.fixture
def runtime(
    env: Mapping[str, str], sessions: sessionmaker[Session], shared: SharedJira
) -> Runtime:
    """The product before the Jira in memory, by the real clock."""
    settings = Settings.from_env(env)
    return Runtime(
        settings=settings,
        sessions=sessions,
        keyring=Keyring.from_base64(settings.sealing_keys),
        http=shared,
        mail=NoMail(),
        queue=Queue(settings.queue_url),
        now=utc_now,
    )


@pytest.fixture
def site(runtime: Runtime) -> Iterator[Site]:
    clock = Clock()

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = call(app, method, url, headers, body)
        return answer.status, answer.body

    jira = Jira(
        now=clock,
        addon_base_url=BASE_URL,
        base_url=SITE,
        transport=transport,
        background=False,
    )
    wire = Wire(jira=lending.jira(jira), in_transaction=db.in_transaction)
    runtime = replace(runtime, http=wire, now=clock)
    app = lending.addon(runtime)
    jira.site.descriptor = {"key": "countersign", "baseUrl": BASE_URL}
    yield Site(runtime, jira, wire, clock, Caller(app=app, jira=jira, clock=clock))
    jira.close()


def empty(stage: Stage) -> None:
    """Forget all runs."""
    with stage.runtime.sessions.begin() as session:
        for name in ("attempt", "run_step", "run"):
            session.execute(sa.delete(Base.metadata.tables[name]))


def environment(database_url: str, queue_url: str, site: str) -> dict[str, str]:
    return {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": ADDON,
        "COUNTERSIGN_DATABASE_URL": database_url,
        "COUNTERSIGN_QUEUE_URL": queue_url,
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{site}/install-keys",
        "COUNTERSIGN_SITE_SUFFIXES": "127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
    }


def make_jira(app: Flask, site: str) -> Jira:
    """Return a Jira that calls the add-on without a wire, and is called over one."""
    return Jira(
        addon_base_url=ADDON,
        base_url=site,
        transport=make_transport(app),
        background=False,
        lag=LAG,
    )


def make_transport(app: Flask) -> Transport:
    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = call(app, method, url, headers, body)
        return answer.status, answer.body

    return transport


@contextmanager
def launched(env: Mapping[str, str]) -> Iterator[Launcher]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.killing.launcher"],
        cwd=ROOT,
        # A child that is killed has nothing to hand over; nor has one that lives to its
        # `os._exit`, and to be traced took it half its time.
        env=unmeasured(ENVIRON) | dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as popen:
        try:
            yield Launcher(popen)
        finally:
            popen.terminate()
