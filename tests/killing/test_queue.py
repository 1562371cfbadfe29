"""Wake-ups from process to process; a queue that is away, lossy or hostile."""

import logging
import pickle
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app import db
from app.queue import Queue, QueueError, TroubleFilter
from app.runs import Run, RunState
from app.runtime import Runtime
from app.settings import Settings
from app.web import create_app
from sandbox import Jira
from sandbox import create_app as create_jira
from tests.functional.conftest import rule
from tests.functional.fakes import call
from tests.killing import racing
from tests.processes import COUNTERSIGN, PYTHON, Process, free_port, started
from tests.services import CLAIM

ADDON = "http://addon.test"
COMMENT = {"do": "add-comment", "body": "Once"}
REDIS_LIST = "huey.redis.countersign"
WOKEN = (PYTHON, "-m", "tests.killing.racing", "woken")
"""`countersign worker` without the sweep: whatever it does, a wake-up made it do."""
SWEEPING = (COUNTERSIGN, "worker")


class Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 -- its name
        """Say nothing of requests."""


@dataclass
class Site:
    """A Jira that listens, and the door that it calls; the worker is elsewhere."""

    runtime: Runtime
    jira: Jira
    door: Flask
    env: Mapping[str, str]
    token: str = ""
    """What the last call was signed with."""

    def fire(self) -> uuid.UUID:
        """Let Jira report a transition at the door; return the run of it."""
        key = self.jira.create_issue(summary="To be commented").key
        self.jira.transition(key, "Start progress")
        assert self.jira.deliver_pending() == 1
        with self.runtime.sessions.begin() as session:
            run_id = session.scalars(
                sa.select(Run.id).order_by(Run.received_at.desc(), Run.id.desc())
            ).first()
        assert run_id is not None
        return run_id

    def state_of(self, run_id: uuid.UUID) -> RunState:
        with self.runtime.sessions.begin() as session:
            return session.scalars(sa.select(Run.state).where(Run.id == run_id)).one()

    def wait_for(self, run_id: uuid.UUID, worker: Process) -> None:
        racing.wait_until(
            lambda: self.state_of(run_id) is RunState.SUCCEEDED,
            or_say=lambda: f"run {self.state_of(run_id)}; worker:\n{worker.tail()}",
        )

    @contextmanager
    def reached_by(self, queue_url: str) -> Iterator[None]:
        """Let the door put its wake-ups into this queue."""
        before = self.door
        self.door = create_app(replace(self.runtime, queue=Queue(queue_url)))
        try:
            yield
        finally:
            self.door = before

    @contextmanager
    def worker(
        self, queue_url: str, folder: Path, command: tuple[str, ...]
    ) -> Iterator[Process]:
        env = {**self.env, "COUNTERSIGN_QUEUE_URL": queue_url}
        with started(
            "worker", command, env=env, folder=folder, measured=False
        ) as process:
            yield process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("queue")
    found: dict[str, Site] = {}

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = call(found["site"].door, method, url, headers, body)
        found["site"].token = headers.get("Authorization", "").removeprefix("JWT ")
        assert answer.status in {200, 204}
        return answer.status, answer.body

    jira = Jira(addon_base_url=ADDON, transport=transport, background=False)
    with listening(create_jira(jira)) as port:
        with jira.world.change() as state:
            state.site.base_url = jira.base_url = f"http://127.0.0.1:{port}"
        env = {
            "COUNTERSIGN_MODE": "development",
            "COUNTERSIGN_BASE_URL": ADDON,
            "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder / 'app.sqlite'}",
            "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder / 'queue.sqlite'}",
            "COUNTERSIGN_ENCRYPTION_KEYS": racing.KEY,
            "COUNTERSIGN_INSTALL_KEYS_URL": f"{jira.base_url}/install-keys",
            "COUNTERSIGN_SITE_SUFFIXES": "127.0.0.1",
            "COUNTERSIGN_TENANTS": "open",
        }
        racing.migrate(env["COUNTERSIGN_DATABASE_URL"])
        runtime = Runtime.build(Settings.from_env(env))
        found["site"] = Site(runtime, jira, create_app(runtime), env)
        assert jira.install().is_good
        jira.add_post_function("Start progress", rule(COMMENT))
        yield found["site"]
        jira.close()
        runtime.http.close()  # type: ignore[attr-defined]
        runtime.sessions.kw["bind"].dispose()


@contextmanager
def listening(flask: Flask) -> Iterator[int]:
    """Serve in a thread until the block ends; give the port."""
    server = make_server("127.0.0.1", 0, flask, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_runs(site: Site) -> None:
    """A run of another test would be taken first, and prove nothing."""
    with site.runtime.sessions.begin() as session:
        for name in ("attempt", "run_step", "run"):
            session.execute(sa.delete(db.Base.metadata.tables[name]))


@dataclass(frozen=True)
class Storage:
    """Where a queue keeps its wake-ups, as who can write there sees it."""

    url: str

    def put(self, data: bytes) -> None:
        if self.url.startswith("redis"):
            with redis.Redis.from_url(self.url) as client:
                client.lpush(REDIS_LIST, data)
            return
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(
                "INSERT INTO task (queue, data, priority) VALUES ('countersign', ?, 0)",
                (data,),
            )

    def all(self) -> list[bytes]:
        if self.url.startswith("redis"):
            with redis.Redis.from_url(self.url) as client:
                found: list[bytes] = client.lrange(REDIS_LIST, 0, -1)
            return found
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT data FROM task").fetchall()
        return [bytes(row[0]) for row in rows]

    def everything(self) -> bytes:
        """Return every byte that is kept, whatever it is kept as."""
        if self.url.startswith("redis"):
            with redis.Redis.from_url(self.url) as client:
                keys = [key for key in client.scan_iter() if key != CLAIM.encode()]
                return b"".join(key + (client.dump(key) or b"") for key in keys)
        files = sorted(self.path.parent.glob(f"{self.path.name}*"))
        return b"".join(file.read_bytes() for file in files)

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))


@pytest.fixture(params=["sqlite", "redis"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "sqlite":
        yield Storage(f"sqlite:///{tmp_path / 'wake.sqlite'}")
        return
    storage = Storage(request.getfixturevalue("redis_url"))
    yield storage
    with redis.Redis.from_url(storage.url) as client:
        client.delete(REDIS_LIST)


class Hostile:
    """Unpickled, it makes a folder: code of whoever wrote it has run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.mkdir, (self.folder,)  # type: ignore[return-value]


def test_wake_up_reaches_a_worker_elsewhere(
    site: Site, storage: Storage, tmp_path: Path
) -> None:
    with (
        site.reached_by(storage.url),
        site.worker(storage.url, tmp_path, WOKEN) as worker,
    ):
        for _ in range(3):
            site.wait_for(site.fire(), worker)
        assert storage.all() == []


def test_nothing_is_unpickled(site: Site, storage: Storage, tmp_path: Path) -> None:
    hostile = [pickle.dumps(Hostile(tmp_path / f"by-{n}"), n) for n in (0, 2, 5)]
    pickle.loads(pickle.dumps(Hostile(tmp_path / "by-hand")))  # noqa: S301 -- ours
    assert (tmp_path / "by-hand").is_dir(), "this pickle does nothing"

    with (
        site.reached_by(storage.url),
        site.worker(storage.url, tmp_path, WOKEN) as worker,
    ):
        for data in (*hostile, b"", b"\xff\xfe", b"wake\nforged a line of the log"):
            storage.put(data)
        racing.wait_until(lambda: storage.all() == [], or_say=worker.tail)
        site.wait_for(site.fire(), worker)
        assert worker.popen.poll() is None
    assert not list(tmp_path.glob("by-[0-9]"))
    assert "forged" not in worker.tail(1000)
    assert "Traceback" not in worker.tail(1000)


def test_wake_up_says_nothing_of_whom_it_is_for(site: Site, storage: Storage) -> None:
    with site.reached_by(storage.url):
        run_id = site.fire()
        deadline = time.monotonic() + 20
        while not storage.all() and time.monotonic() < deadline:
            time.sleep(0.01)

    assert storage.all() == [b"app.queue.wake"]
    kept = storage.everything()
    with site.runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Run.tenant_id)).one()
    assert site.token
    for secret in (
        *(text for uid in (run_id, tenant_id) for text in (str(uid), uid.hex)),
        *site.token.split("."),
        site.jira.site.client_key,
        site.jira.site.base_url,
    ):
        assert secret.encode() not in kept
    assert run_id.bytes not in kept
    assert tenant_id.bytes not in kept


def test_lost_wake_up_is_swept(site: Site, tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'nowhere.sqlite'}"
    with (
        site.reached_by(nowhere),
        site.worker(site.runtime.settings.queue_url, tmp_path, SWEEPING) as worker,
    ):
        site.wait_for(site.fire(), worker)

    assert len(Storage(nowhere).all()) == 1


def test_runs_are_recorded_and_carried_out_while_the_queue_is_down(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The door answers 204 all the same (`transport`), and workers sweep."""
    down = f"redis://127.0.0.1:{free_port()}/0"
    with site.reached_by(down):
        run_id = site.fire()
        assert site.state_of(run_id) is RunState.RECEIVED
        deadline = time.monotonic() + 20
        while "queue: ConnectionError" not in caplog.text:
            # Beside the call: Jira did not wait for it.
            assert time.monotonic() < deadline
            time.sleep(0.01)

        with site.worker(down, tmp_path, SWEEPING) as worker:
            site.wait_for(run_id, worker)
            assert worker.popen.poll() is None
            # It tried again and again meanwhile, ten times a second and thread.
            log = worker.log.read_text()
            assert log.count("ConnectionError") == 1
            assert "Traceback" not in log


def test_silent_queue_does_not_hold_a_call_of_jira() -> None:
    """Attack: whoever listens there accepts, and lets Jira's calls wait for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        queue = Queue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        started_at = time.monotonic()
        for _ in range(2):
            with pytest.raises(QueueError):
                queue.wake()

        assert time.monotonic() - started_at < 4  # one second, on an idle machine


def trouble(seconds: float, name: str, error: Exception | None) -> logging.LogRecord:
    """Return what Huey logs, so many seconds after the first."""
    info = (type(error), error, None) if error else None
    record = logging.LogRecord(
        name, logging.ERROR, "", 1, "Error reading %s", ("queue",), info
    )
    record.created = 1_000_000 + seconds
    return record


def test_trouble_of_the_queue_is_logged_once_a_minute() -> None:
    only = TroubleFilter()
    away = redis.ConnectionError("away")

    def passes(seconds: float, name: str, error: Exception | None) -> bool:
        return only.filter(trouble(seconds, name, error))

    assert passes(0, "huey.consumer.Worker", away)
    assert not passes(1, "huey.consumer.Worker", away)
    assert not passes(59, "huey.consumer.Scheduler", away)
    assert passes(2, "huey.consumer.Worker", OSError("another"))
    assert passes(61, "huey.consumer.Worker", away)
    assert not passes(62, "huey.consumer.Worker", away)
    assert all(passes(n, "app.worker.loop", away) for n in range(3))


def test_t13_trouble_of_the_queue_is_logged_without_values() -> None:
    error = sa.exc.OperationalError(
        "SELECT", {"key": "value-of-a-statement"}, OSError()
    )
    record = trouble(0, "huey", error)

    assert TroubleFilter().filter(record)

    line = logging.Formatter("%(name)s %(message)s").format(record)
    assert line == "huey Error reading queue: OperationalError"
