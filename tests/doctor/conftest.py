"""The product as an operator runs it: nginx before it, a Jira beside it, a worker."""

import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from click.testing import CliRunner
from sqlalchemy.orm import Session, sessionmaker

from app import db, keys
from app.cli import main
from app.crypto import Keyring
from app.queue import Queue
from app.runtime import utc_now
from app.tenants import Tenant
from sandbox import Jira, create_app
from tests import processes
from tests.processes import COUNTERSIGN, ENVIRON, started
from tests.serving import serving
from tests.shared import ROOT

SBIN = os.pathsep.join(
    [ENVIRON.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
)
FAKETIMES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)
"""Where dev/bootstrap.py looks, too."""

KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
DAY = timedelta(days=1)

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=kept:1m;
    proxy_http_version 1.1;
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""
PASSED_ON = "location / { proxy_pass http://UPSTREAM; }"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the doctor said, and how the command ended."""

    status: int
    findings: Sequence[dict[str, Any]]

    def of(self, check: str) -> dict[str, Any]:
        """Return its worst finding of a check."""
        worst = ("fail", "warn", "ok", "skipped")
        found = [each for each in self.findings if each["check"] == check]
        assert found, [each["check"] for each in self.findings]
        return min(found, key=lambda each: worst.index(each["health"]))

    @property
    def failed(self) -> set[str]:
        return {e["check"] for e in self.findings if e["health"] == "fail"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where everything is, and how to look at it."""

    env: dict[str, str]
    jira: Jira
    sessions: sessionmaker[Session]
    tenant_id: uuid.UUID
    folder: Path

    @property
    def base(self) -> str:
        return self.env["COUNTERSIGN_BASE_URL"]

    @property
    def host(self) -> str:
        """The site's host and port."""
        return self.jira.base_url.partition("//")[2]

    def examine(self, **changes: str) -> Examined:
        """Run the doctor with these settings changed."""
        env = self.env | {f"COUNTERSIGN_{k.upper()}": v for k, v in changes.items()}
        result = CliRunner().invoke(main, ["doctor", "--json"], env=env)
        return read(result.exit_code, result.stdout)

    def proxy(self, server: str = PASSED_ON) -> AbstractContextManager[None]:
        """Have nginx at the base URL, with these lines in its server."""
        port, listen = self.base.rpartition(":")[2], self.env["COUNTERSIGN_LISTEN"]
        return nginx(self.folder, port, server.replace("UPSTREAM", listen))


def read(status: int, output: str) -> Examined:
    return Examined(status=status, findings=json.loads(output)["findings"])


@contextmanager
def nginx(folder: Path, port: str, server: str) -> Iterator[None]:
    """Run nginx as this user, from a folder of its own, until the block ends."""
    program = shutil.which("nginx", path=SBIN)
    assert program, "no nginx on the PATH: `make test` installs it, or says how"
    home = folder / f"nginx-{uuid.uuid4().hex[:8]}"
    home.mkdir()
    conf = home / "nginx.conf"
    conf.write_text(NGINX.format(folder=home, port=port, server=server))
    command = [program, "-p", str(home), "-c", str(conf), "-e", "stderr"]
    with started("nginx", command, env={}, folder=home, measured=False) as process:
        process.wait_until_answers(f"http://127.0.0.1:{port}/healthz")
        yield


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`countersign serve` behind nginx, installed in a Jira, with keys that sign."""
    folder = tmp_path_factory.mktemp("doctor")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        env = environment(folder, f"http://127.0.0.1:{listening.getsockname()[1]}")
        migrate(env["COUNTERSIGN_DATABASE_URL"])
        jira = Jira(
            addon_base_url=env["COUNTERSIGN_BASE_URL"],
            base_url=env["COUNTERSIGN_INSTALL_KEYS_URL"].rpartition("/")[0],
            background=False,
        )
        sessions = db.make_sessions(env["COUNTERSIGN_DATABASE_URL"])
        # The two parts of `countersign serve`: without what watches over them.
        web, worker = [COUNTERSIGN, "serve", "--web-only"], [COUNTERSIGN, "worker"]
        with (
            serving(create_app(jira), listening),
            started("web", web, env=env, folder=folder, measured=False) as process,
            started("worker", worker, env=env, folder=folder, measured=False),
        ):
            process.wait_until_answers(f"http://{env['COUNTERSIGN_LISTEN']}/readyz")
            wait_for_worker(env["COUNTERSIGN_QUEUE_URL"])
            tenant_id = install(env, jira, sessions, folder)
            yield Stage(
                env=env,
                jira=jira,
                sessions=sessions,
                tenant_id=tenant_id,
                folder=folder,
            )
        jira.close()
        sessions.kw["bind"].dispose()


def wait_for_worker(url: str) -> None:
    """Return once somebody takes what is in the queue."""
    queue, deadline = Queue(url), time.monotonic() + processes.READY_SECONDS
    queue.wake()
    while queue.waiting():
        assert time.monotonic() < deadline, "no worker takes wake-ups"
        time.sleep(processes.PAUSE_SECONDS)


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, as `countersign db upgrade` does."""
    migrations = Config(toml_file=ROOT / "pyproject.toml")
    migrations.attributes["database_url"] = url
    command.upgrade(migrations, revision)


def environment(folder: Path, site: str) -> dict[str, str]:
    return {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{processes.free_port()}",
        "COUNTERSIGN_LISTEN": f"127.0.0.1:{processes.free_port()}",
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder}/countersign.sqlite",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{site}/install-keys",
        "COUNTERSIGN_SITE_SUFFIXES": "127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
    }


def install(
    env: dict[str, str], jira: Jira, sessions: sessionmaker[Session], folder: Path
) -> uuid.UUID:
    """Install through nginx, and give the site its keys, some days ago."""
    port = env["COUNTERSIGN_BASE_URL"].rpartition(":")[2]
    with nginx(folder, port, PASSED_ON.replace("UPSTREAM", env["COUNTERSIGN_LISTEN"])):
        assert jira.install().is_good
    pairs = keys.make(2)
    with sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        rotation = keys.Rotation(
            tenant_id=tenant_id, actor="test", now=utc_now() - 3 * DAY, fresh=pairs
        )
        keys.ensure(session, Keyring.from_base64([KEY]), rotation)
    return tenant_id


@pytest.fixture
def behind_nginx(stage: Stage) -> Iterator[Stage]:
    """The stage behind an nginx that is set up as the documents say."""
    with stage.proxy():
        yield stage
