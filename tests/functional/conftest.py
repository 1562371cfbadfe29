"""The add-on and a Jira in one process, on a real database, under one clock."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from app import db
from app.crypto import Keyring
from app.db import Base
from app.queue import Queue
from app.runs import Run, RunStep
from app.runtime import Runtime
from app.settings import Settings
from app.web import create_app
from app.worker import Worker
from sandbox import Jira
from sandbox import create_app as create_jira
from tests.functional.fakes import Clock, Wire, call

ROOT = Path(__file__).parents[2]
BASE_URL = "https://countersign.example"
SITE = "https://acme.atlassian.net"
Heard = tuple[str, str, Mapping[str, str], bytes]
KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path_factory.mktemp('db') / 'test.sqlite'}"


@pytest.fixture(scope="session")
def all_sessions(database_url: str) -> Iterator[sessionmaker[Session]]:
    """The schema as the migrations make it, once for the whole test run."""
    sessions = db.make_sessions(database_url)
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
    yield sessions
    sessions.kw["bind"].dispose()


@pytest.fixture
def sessions(all_sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Real transactions for the test, on a database without a row.

    Emptied before, not after: other tests use the same database, and not every one
    of them lives to tidy up.
    """
    with all_sessions.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    return all_sessions


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.from_env(
        {
            "COUNTERSIGN_BASE_URL": BASE_URL,
            "COUNTERSIGN_DATABASE_URL": database_url,
            "COUNTERSIGN_QUEUE_URL": f"sqlite:///{tmp_path / 'queue.sqlite'}",
            "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
            "COUNTERSIGN_INSTALL_KEYS_URL": f"{SITE}/install-keys",
            "COUNTERSIGN_TENANTS": "open",
        }
    )


@pytest.fixture
def addon() -> dict[str, Flask]:
    """A place for the add-on, which the Jira that calls it needs to know first."""
    return {}


@pytest.fixture
def heard() -> list[Heard]:
    """What Jira has sent to the add-on, to be sent again."""
    return []


@pytest.fixture
def jira(clock: Clock, addon: dict[str, Flask], heard: list[Heard]) -> Iterator[Jira]:
    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        heard.append((method, url, headers, body))
        answer = call(addon["app"], method, url, headers, body)
        return answer.status, answer.body

    site = Jira(
        now=clock,
        addon_base_url=BASE_URL,
        base_url=SITE,
        transport=transport,
        background=False,
    )
    yield site
    site.close()


@pytest.fixture
def wire(jira: Jira) -> Wire:
    return Wire(jira=create_jira(jira), in_transaction=db.in_transaction)


@pytest.fixture
def runtime(
    settings: Settings, sessions: sessionmaker[Session], wire: Wire, clock: Clock
) -> Runtime:
    return Runtime(
        settings=settings,
        sessions=sessions,
        keyring=Keyring.from_base64(settings.sealing_keys),
        http=wire,
        queue=Queue(settings.queue_url),
        now=clock,
    )


@pytest.fixture
def app(runtime: Runtime, addon: dict[str, Flask]) -> Flask:
    addon["app"] = create_app(runtime)
    return addon["app"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def worker(runtime: Runtime) -> Worker:
    return Worker(runtime=runtime)


@pytest.fixture
def site(app: Flask, jira: Jira) -> Jira:
    """A Jira site that has installed the add-on."""
    del app
    assert jira.install().is_good
    return jira


def rule(*steps: dict[str, Any], **members: Any) -> str:
    """Return a rule as Jira stores it for us."""
    default: dict[str, Any] = {
        "v": 1,
        "id": "r_test",
        "name": "Test rule",
        "steps": list(steps) or [{"do": "add-comment", "body": "Hello"}],
        "on_failure": {"mode": "report", "comment": False},
    }
    return json.dumps(default | members)


@pytest.fixture
def all_runs(sessions: sessionmaker[Session]) -> Callable[[], list[Run]]:
    """Read the runs, oldest first."""

    def read() -> list[Run]:
        with sessions.begin() as session:
            found = list(
                session.scalars(
                    sa.select(Run).order_by(Run.id).options(sa.orm.undefer("*"))
                )
            )
            session.expunge_all()
        return found

    return read


@pytest.fixture
def all_steps(sessions: sessionmaker[Session]) -> Callable[[], list[RunStep]]:
    def read() -> list[RunStep]:
        with sessions.begin() as session:
            found = list(
                session.scalars(
                    sa.select(RunStep).order_by(
                        RunStep.run_id, RunStep.role, RunStep.position
                    )
                )
            )
            session.expunge_all()
        return found

    return read
