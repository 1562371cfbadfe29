"""The add-on and a Jira in one process, on a real database, under one clock."""

import itertools
import json
import logging
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
from app.forge import manifest
from app.http import Mail, NoMail
from app.keys import changing
from app.queue import Queue
from app.runs import Run, RunStep
from app.runtime import Runtime
from app.settings import Settings
from app.worker import Worker
from sandbox import Jira
from sandbox.github import GitHub
from tests import canaries, lending
from tests.functional.building import open_github
from tests.functional.fakes import Clock, Wire, call
from tests.measuring import SECOND

ROOT = Path(__file__).parents[2]
BASE_URL = "https://countersign.example"
SITE = "https://acme.atlassian.net"
Heard = tuple[str, str, Mapping[str, str], bytes]
KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


ONE_DATABASE = frozenset(
    f"test_{name}.py"
    for name in (
        # who is let in, and what is answered to whom
        *("authorisation", "bench", "doors_closed", "floods", "forge_pages", "fuzz"),
        *("draining", "listening", "operating", "scanner", "security_txt", "server"),
        "token_families",
        # forms and pages, and what is said in them
        *("diagnostics", "issue_panel", "keys_page", "listeners_page", "rules_page"),
        *("audit_command", "checkup", "doctor_sites", "log_proof", "run_page"),
        *("settings_page", "verify_export"),
        *("conditions_pages", "destination_trials", "destinations_named", "pages"),
        *("pasting", "preview", "rule_names", "rule_pages", "slow_hosts", "words"),
        # receivers, each by its own request and answer
        *("email", "github", "gitlab", "jenkins", "slack", "teams"),
    )
)
"""What does not ask the database for more than others do, on both: one is enough."""


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out the second database where it can tell nothing new."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        chosen = getattr(item, "callspec", None)
        second = chosen is not None and chosen.params.get("database_url") == SECOND
        is_left = second and item.path.name in ONE_DATABASE
        (left if is_left else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


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
        _empty(session)
    return all_sessions


@pytest.fixture(autouse=True)
def lent_key_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no key pair that a test before has made: each takes a tenth of a second."""
    monkeypatch.setattr(changing, "make_key_pair", lending.key_pairs())


DELETIONS = 50
"""Tests after which PostgreSQL's tables are made anew: the rows that were deleted stay
in them until then, and every look goes past them."""

_emptied = itertools.count()


@pytest.fixture(autouse=True)
def no_secret_in_the_log(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Whatever a test is about: what it had the product log tells no secret."""
    yield
    form = logging.Formatter()
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    said = {"log": "\n".join(map(form.format, records)).encode()}
    known: dict[str, str | bytes] = {"encryption key": KEY}
    made = request.node.funcargs.get("jira")  # it is torn down by now
    if isinstance(made, Jira):
        known["shared secret"] = made.site.shared_secret
    assert canaries.leaks(known, said) + canaries.tokens(said) == []


def _empty(session: Session) -> None:
    """Empty every table, in one go: thousands of tests do so."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    script = ";".join(f"DELETE FROM {name}" for name in tables)  # noqa: S608 -- ours
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        if next(_emptied) % DELETIONS == 0:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(tables)}")
            return
        # Without parameters: only then does its driver send several at once.
        options = {"no_parameters": True}
        connection.exec_driver_sql(script, execution_options=options)
        return
    for statement in script.split(";"):
        connection.exec_driver_sql(statement)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for all tests: what a wake-up says is always the same, and none reads it."""
    return f"sqlite:///{tmp_path_factory.mktemp('queue') / 'queue.sqlite'}"


@pytest.fixture
def settings(database_url: str, queue_url: str) -> Settings:
    return Settings.from_env(
        {
            "COUNTERSIGN_BASE_URL": BASE_URL,
            "COUNTERSIGN_DATABASE_URL": database_url,
            "COUNTERSIGN_QUEUE_URL": queue_url,
            "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
            "COUNTERSIGN_INSTALL_KEYS_URL": f"{SITE}/install-keys",
            "COUNTERSIGN_TENANTS": "open",
            "COUNTERSIGN_FORGE_APP_ID": manifest.NO_APP,
            "COUNTERSIGN_FORGE_KEYS_URL": f"{SITE}/forge/jwks.json",
            "COUNTERSIGN_FORGE_API_URL": f"{SITE}/ex/jira",
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


@pytest.fixture(scope="session")
def forge_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of an app that Atlassian knows as a Connect app, too."""
    path = tmp_path_factory.mktemp("forge") / "manifest.yml"
    rendered = manifest.render(BASE_URL, manifest.NO_APP, connect_key="countersign")
    path.write_text(manifest.dump(rendered), encoding="utf-8")
    return path


@pytest.fixture
def jira(
    clock: Clock, addon: dict[str, Flask], heard: list[Heard], forge_manifest: Path
) -> Iterator[Jira]:
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
        forge_manifest=forge_manifest,
    )
    yield site
    site.close()


@pytest.fixture
def wire(jira: Jira) -> Wire:
    return Wire(jira=lending.jira(jira), in_transaction=db.in_transaction)


@pytest.fixture
def github(
    clock: Clock, addon: dict[str, Flask], wire: Wire, heard: list[Heard]
) -> GitHub:
    """GitHub on the wire; `github.build()` lets its builds go on, and answer us."""
    return open_github(clock, addon, wire, heard)


@pytest.fixture
def mail() -> Mail:
    """No way for mail; who needs one has a server of its own."""
    return NoMail()


@pytest.fixture
def runtime(
    settings: Settings,
    sessions: sessionmaker[Session],
    wire: Wire,
    mail: Mail,
    clock: Clock,
) -> Runtime:
    return Runtime(
        settings=settings,
        sessions=sessions,
        keyring=Keyring.from_base64(settings.sealing_keys),
        http=wire,
        mail=mail,
        queue=Queue(settings.queue_url),
        now=clock,
    )


@pytest.fixture
def app(runtime: Runtime, addon: dict[str, Flask]) -> Flask:
    addon["app"] = lending.addon(runtime)
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


@pytest.fixture
def forge_site(app: Flask, jira: Jira) -> Jira:
    """A Jira site that has installed the app by Forge, and by nothing else."""
    del app
    [answer] = jira.forge.install()
    assert answer.is_good, answer
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
