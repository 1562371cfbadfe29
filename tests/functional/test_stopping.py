"""Processes that are told to stop, as whoever waits for them from outside sees it."""

import http.client
import itertools
import json
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask

from app.audit import AuditEvent, Kind
from app.runs import Run
from app.runtime import Runtime, utc_now
from app.settings import Settings
from app.web import create_app, refusals
from sandbox import Jira, qsh, tokens
from sandbox import create_app as create_jira
from tests import services
from tests.functional.conftest import KEY, ROOT, rule
from tests.functional.fakes import call
from tests.processes import COUNTERSIGN, Process, free_port, started
from tests.serving import serving

ADDON = "http://addon.test"
TRIGGERED = "/post-function/triggered"
OUTLASTING = 20.0
RULE = rule({"do": "add-comment", "body": "Hello"})


@dataclass
class Site:
    """A Jira that listens, and has installed the add-on of these settings."""

    env: dict[str, str]
    jira: Jira
    runtime: Runtime
    silent: threading.Event
    """Once set, Jira takes calls that change something, and does not answer them."""
    asked: threading.Event
    """Set by such a call."""

    def runs(self) -> list[Run]:
        with self.runtime.sessions.begin() as session:
            found = list(session.scalars(sa.select(Run)))
            session.expunge_all()
        return found

    def signed(self, number: int) -> tuple[bytes, dict[str, str]]:
        """Return a call about an issue of that number, as Jira signs it."""
        claims = {
            "iss": self.jira.site.client_key,
            **tokens.times(utc_now()),
            "qsh": qsh.of("POST", ADDON + TRIGGERED, ""),
        }
        token = tokens.sign(claims, self.jira.site.shared_secret)
        body = {
            "issue": {"id": str(number)},
            "transition": {"transitionId": "11"},
            "configuration": {"value": RULE},
        }
        headers = {"Authorization": f"JWT {token}", "Content-Type": "application/json"}
        return json.dumps(body).encode(), headers


@contextmanager
def installed(url: str, folder: Path) -> Iterator[Site]:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = url
    command.upgrade(config, "head")
    silent, asked = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        at = f"http://127.0.0.1:{listening.getsockname()[1]}"
        env = {
            "COUNTERSIGN_MODE": "development",
            "COUNTERSIGN_BASE_URL": ADDON,
            "COUNTERSIGN_DATABASE_URL": url,
            "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder / 'queue.sqlite'}",
            "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
            "COUNTERSIGN_INSTALL_KEYS_URL": f"{at}/install-keys",
            "COUNTERSIGN_SITE_SUFFIXES": "127.0.0.1",
            "COUNTERSIGN_TENANTS": "open",
        }
        runtime = Runtime.build(Settings.from_env(env))
        app = create_app(runtime)
        jira = Jira(
            addon_base_url=ADDON,
            base_url=at,
            transport=transport_to(app),
            background=False,
        )
        with serving(falling_silent(create_jira(jira), silent, asked), listening):
            assert jira.install().is_good
            yield Site(env, jira, runtime, silent, asked)
            silent.clear()
        jira.close()
        runtime.http.close()  # type: ignore[attr-defined]
        runtime.sessions.kw["bind"].dispose()


def transport_to(app: Flask) -> Any:
    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        answer = call(app, method, url, headers, body)
        return answer.status, answer.body

    return transport


def falling_silent(jira: Flask, silent: threading.Event, asked: threading.Event) -> Any:
    def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if silent.is_set() and path.endswith("/comment"):
            asked.set()
            wait_until(lambda: not silent.is_set())
        return jira.wsgi_app(environ, start)

    return app


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + OUTLASTING
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def starting(
    name: str, env: Mapping[str, str], folder: Path, *command: str
) -> AbstractContextManager[Process]:
    return started(
        name, [COUNTERSIGN, *command], env=env, folder=folder, measured=False
    )


def web_server(
    name: str, env: Mapping[str, str], folder: Path, port: int
) -> AbstractContextManager[Process]:
    env = {**env, "COUNTERSIGN_LISTEN": f"127.0.0.1:{port}"}
    return starting(name, env, folder, "serve", "--web-only")


def test_t13_web_server_that_ends_tells_what_it_only_counted(tmp_path: Path) -> None:
    with installed(f"sqlite:///{tmp_path}/app.sqlite", tmp_path) as site:
        port, sent = free_port(), 2 * refusals.UNPROVEN.per_minute + 10
        with web_server("web", site.env, tmp_path, port) as web:
            web.wait_until_answers(f"http://127.0.0.1:{port}/readyz")
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=OUTLASTING)
            for _ in range(sent):
                client.request("POST", TRIGGERED, b"{}")
                assert client.getresponse().read() == b'{"error":"unauthorized"}\n'
            client.close()
            web.popen.send_signal(signal.SIGTERM)
            assert web.popen.wait(10) == 0

        with site.runtime.sessions.begin() as session:
            events = session.scalars(sa.select(AuditEvent)).all()
            refused = [e for e in events if e.kind == Kind.VERIFICATION_REFUSED]
            counted = [e.facts for e in events if e.kind == Kind.REFUSALS_LEFT_OUT]
        assert counted
        assert len(refused) + sum(int(str(e["count"])) for e in counted) == sent


def test_worker_in_a_hurry_ends_at_once_and_keeps_no_run(tmp_path: Path) -> None:
    """By its second signal; by one alone, it would wait for Jira's answer first."""
    with installed(f"sqlite:///{tmp_path}/app.sqlite", tmp_path) as site:
        site.jira.add_post_function("Start progress", RULE)
        key = site.jira.create_issue(summary="To be commented").key
        site.jira.transition(key, "Start progress")
        assert site.jira.deliver_pending() == 1
        site.silent.set()
        with starting("worker", site.env, tmp_path, "worker") as worker:
            assert site.asked.wait(OUTLASTING), worker.tail()
            worker.popen.send_signal(signal.SIGTERM)
            time.sleep(1.2)  # Ctrl-C comes from two sides at once, and is one signal
            assert worker.popen.poll() is None, worker.tail()

            worker.popen.send_signal(signal.SIGTERM)

            assert worker.popen.wait(5) == 0
            assert "is laid down: this worker ends" in worker.tail()
        [run] = site.runs()
        assert run.lease_until is not None
        # The call that is out has its 20 seconds, and the run no lease of a minute.
        assert (run.lease_until - utc_now()).total_seconds() < 20


@dataclass
class Balancer:
    """Sends Jira's calls to whichever web process is ready, in turn."""

    site: Site
    ports: tuple[int, ...]
    ready: set[int] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Ask each process whether it is ready, as a load balancer does."""
        while not self.over.wait(0.05):
            for port in self.ports:
                change = self.ready.add if is_ready(port) else self.ready.discard
                change(port)

    def send(self, numbers: Iterator[int]) -> None:
        """Send one call after the other, on connections that are kept."""
        kept: dict[int, http.client.HTTPConnection] = {}
        while not self.over.is_set():
            number = next(numbers)
            ready = sorted(self.ready)
            port = ready[number % len(ready)]
            if port in kept and is_closed(kept[port]):
                kept.pop(port).close()
            client = kept.get(port) or http.client.HTTPConnection(
                "127.0.0.1", port, timeout=OUTLASTING
            )
            body, headers = self.site.signed(number)
            try:
                client.request("POST", TRIGGERED, body, headers)
                answer = client.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{number} at {port}: {error!r}")
                return
            self.statuses.append(answer.status)
            kept[port] = client
            if answer.headers["Connection"] == "close":
                kept.pop(port).close()
            time.sleep(0.02)
        for client in kept.values():
            client.close()


def is_closed(client: http.client.HTTPConnection) -> bool:
    """Say whether the server has let go of a connection, as a proxy sees it."""
    return bool(client.sock and select.select([client.sock], [], [], 0)[0])


def is_ready(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        client.request("GET", "/readyz")
        return client.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


@contextmanager
def under_load(site: Site, *ports: int) -> Iterator[Balancer]:
    """Have calls sent inside the block, by three senders."""
    balancer, numbers = Balancer(site, ports), itertools.count(100_000)
    threads = [
        threading.Thread(target=balancer.watch),
        *(threading.Thread(target=balancer.send, args=[numbers]) for _ in range(3)),
    ]
    threads[0].start()
    try:
        wait_until(lambda: len(balancer.ready) == len(ports))
        for thread in threads[1:]:
            thread.start()
        yield balancer
    finally:
        balancer.over.set()
        for thread in threads:
            if thread.ident:
                thread.join(OUTLASTING)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """On a database that several web processes share."""
    with services.postgres_database() as url, installed(url, tmp_path) as made:
        yield made


def test_restart_one_by_one_under_load_loses_no_call(
    site: Site, tmp_path: Path
) -> None:
    """One of the two is a process by itself, the other has two."""
    ports = free_port(), free_port()
    site.env["COUNTERSIGN_DRAIN_SECONDS"] = "1"
    with ExitStack() as stack:

        def start(port: int, name: str) -> Process:
            processes = {"COUNTERSIGN_WEB_PROCESSES": str(1 + ports.index(port))}
            env = site.env | processes
            return stack.enter_context(web_server(name, env, tmp_path, port))

        before = [start(port, f"old-{port}") for port in ports]
        with under_load(site, *ports) as load:
            for port, process in zip(ports, before, strict=True):
                process.popen.send_signal(signal.SIGTERM)
                assert process.popen.wait(10) == 0
                start(port, f"new-{port}")
                wait_until(lambda: len(load.ready) == len(ports))
            seen = len(load.statuses)
            wait_until(lambda: len(load.statuses) > seen + 10)
        assert load.lost == []
        assert set(load.statuses) == {204}
        assert len(site.runs()) == len(load.statuses) > 100
