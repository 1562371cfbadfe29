"""One add-on in this process, on a real database, installed in a sandbox's Jira."""

import base64
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from werkzeug.test import Client

from app import figures
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Tenant
from app.web import create_app
from tests import processes
from tests.processes import PYTHON, ROOT
from tests.serving import serving


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a benchmark asks, and as whom."""

    runtime: Runtime
    client: Client
    tenant: Tenant
    jira: str

    def issue_id(self) -> int:
        """Return the number of an issue that this Jira has."""
        answer = requests.get(f"{self.jira}/sandbox/api/state", timeout=30)
        return int(answer.json()["issues"][0]["id"])

    def token(self) -> str:
        """Return a fresh context token of the site's administrator."""
        answer = requests.post(
            f"{self.jira}/sandbox/api/context-token", json={"user": "ada"}, timeout=30
        )
        return str(answer.json()["token"])


@contextmanager
def installed(database_url: str) -> Iterator[Site]:
    """Serve an empty database's add-on until the block ends."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
    with (
        tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        addon = f"http://127.0.0.1:{listening.getsockname()[1]}"
        port = processes.free_port()
        jira = f"http://localhost:{port}"
        runtime = Runtime.build(_settings(addon, jira, database_url, Path(folder)))
        flask = create_app(runtime)
        acting = [PYTHON, "-m", "sandbox", "--port", str(port), "--addon", addon]
        acting += ["--state", str(Path(folder, "sandbox.json")), "--no-install"]
        with (
            serving(flask, listening),
            processes.started("sandbox", acting, env={}, folder=Path(folder)) as site,
        ):
            site.wait_until_answers(f"{jira}/")
            answer = requests.post(f"{jira}/sandbox/api/install", timeout=30)
            answer.raise_for_status()
            with runtime.sessions.begin() as session:
                tenant = session.scalars(sa.select(Tenant)).one()
                session.expunge(tenant)
            yield Site(runtime=runtime, client=Client(flask), tenant=tenant, jira=jira)
    runtime.sessions.kw["bind"].dispose()


def _settings(addon: str, jira: str, database_url: str, folder: Path) -> Settings:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return Settings.from_env(
        {
            "COUNTERSIGN_MODE": "development",
            "COUNTERSIGN_BASE_URL": addon,
            "COUNTERSIGN_DATABASE_URL": database_url,
            "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder}/queue.sqlite",
            "COUNTERSIGN_ENCRYPTION_KEYS": f"dev:{key}",
            "COUNTERSIGN_INSTALL_KEYS_URL": f"{jira}/install-keys",
            "COUNTERSIGN_SITE_SUFFIXES": "localhost,127.0.0.1",
            "COUNTERSIGN_TENANTS": "open",
            "COUNTERSIGN_AP_JS_URL": f"{jira}/atlassian-connect/all.js",
        }
    )


def count_up(runtime: Runtime, site: Site) -> None:
    """Count the hours that are over, as workers do all the time."""
    while True:
        with runtime.sessions.begin() as session:
            if not figures.count_up(session, site.tenant.id, now=runtime.now()):
                return
