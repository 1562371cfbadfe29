"""What races need: databases, a Jira in memory, workers in processes of their own.

`python -m tests.killing.racing drain FILE` carries out what is due, against that Jira;
`python -m tests.killing.racing woken` is `countersign worker` that never sweeps.
"""

import contextlib
import json
import os
import re
import secrets
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from app import cli, db, rules, runs, vault
from app.crypto import Secret
from app.http import Request, Response
from app.runs import Call
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Door, State, Tenant, TenantIdentity
from app.worker import Worker, loop

ROOT = Path(__file__).parents[2]
KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
PATIENCE_SECONDS = 15
"""How long something may take that takes a fraction of it; then the test fails."""

LONGEST_SECONDS = 120
"""After which a process ends itself: one whose test was killed takes others' work."""

CONFIG = json.dumps(
    {
        "v": 1,
        "id": "r_race",
        "name": "Race",
        "steps": [{"do": "add-comment", "body": "Once"}],
    }
)
WORKFLOW = "Race workflow"
_ISSUE = re.compile(r"/rest/api/3/issue/(\d+)(/comment)?")


class Unasked:
    """The half of `Network` that carrying out runs has no use for."""

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        raise AssertionError(f"nobody chooses {url} for {tenant_id} here")

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        raise AssertionError(f"nobody chooses {host}:{port} for {tenant_id} here")


@dataclass(frozen=True)
class SharedJira(Unasked):
    """`Http` of a Jira in which every issue has just moved.

    Each comment becomes a line of a file, which several processes may share.
    """

    log: Path

    def send(self, request: Request) -> Response:
        assert not db.in_transaction(), "network call inside a transaction"
        path = urlsplit(request.url).path
        if path.endswith("/workflow/rule/config"):
            return _json(_inventory())
        found = _ISSUE.fullmatch(path)
        assert found is not None, path
        if request.method == "GET":
            return _json(_issue(found[1]))
        assert found[2], path
        mark = json.loads(request.body)["properties"][0]["value"]
        self._append(f"{os.getpid()} {found[1]} {mark['run']}\n")
        return _json({"id": "1"}, status=201)

    def comments(self) -> list[tuple[str, str, str]]:
        """Return each comment's process, issue and run."""
        lines = self.log.read_text(encoding="ascii").splitlines()
        return [(pid, issue, run) for pid, issue, run in map(str.split, lines)]

    def _append(self, line: str) -> None:
        # One write to a file opened for appending: lines of others stay whole.
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode("ascii"))
        finally:
            os.close(file)


@contextlib.contextmanager
def postgres_beside(url: str) -> Iterator[str]:
    """Create a second database on the server of `url`; drop it afterwards."""
    name = f"countersign_race_{secrets.token_hex(6)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def migrate(database_url: str) -> None:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")


def plant_tenant(runtime: Runtime) -> uuid.UUID:
    """Add an active site without its lifecycle."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        tenant = Tenant(
            id=db.new_id(now),
            state=State.ACTIVE,
            base_url="https://race.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        identity = TenantIdentity(
            id=db.new_id(now),
            tenant_id=tenant.id,
            door=Door.CONNECT,
            external_id=str(tenant.id),
        )
        session.add_all([tenant, identity])
        session.flush()
        secret = Secret(secrets.token_hex(32))
        vault.put(session, runtime.keyring, tenant.shared_secret, secret, now=now)
        return tenant.id


def record(runtime: Runtime, tenant_id: uuid.UUID, count: int, *, calls: int) -> None:
    """Record `calls` calls, each with a token of its own, for each of many changes."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        for number in range(count * calls):
            call = Call(
                door=Door.CONNECT,
                tenant_id=tenant_id,
                token_hash=f"token-{number}",
                raw_body=b"",
                issue_id=str(1000 + number // calls),
                config=CONFIG,
                rule_hash=rules.rule_hash(CONFIG),
                unverified_hint={
                    "workflowName": WORKFLOW,
                    "transitionId": "11",
                    "transitionName": "Go",
                    "from_status": "A",
                    "to_status": "B",
                },
                webhook_id=None,
            )
            assert runs.record(session, call, now=now)


def wait_until(condition: Callable[[], bool], *, or_say: Callable[[], str]) -> None:
    """Return once the condition holds; fail with what `or_say` returns."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, or_say()
        time.sleep(0.01)


def _json(body: object, *, status: int = 200) -> Response:
    return Response(status=status, body=json.dumps(body).encode())


def _inventory() -> dict[str, Any]:
    function = {
        "key": "countersign-rule",
        "configuration": {"value": CONFIG},
        "transition": {"id": 11, "name": "Go"},
    }
    workflow = {"workflowId": {"name": WORKFLOW}, "postFunctions": [function]}
    return {"values": [workflow], "isLast": True}


def _issue(number: str) -> dict[str, Any]:
    moved = datetime.now(UTC) - timedelta(seconds=10)
    status = {"field": "status", "from": "1", "fromString": "A"}
    change = {
        "id": f"9{number}",
        "created": f"{moved:%Y-%m-%dT%H:%M:%S}.000+0000",
        "author": {"accountId": "ada"},
        "items": [{**status, "to": "2", "toString": "B"}],
    }
    fields = {
        "project": {"id": "1", "key": "RACE", "name": "Race"},
        "status": {"id": "2", "name": "B"},
        "created": change["created"],
        "updated": change["created"],
    }
    changelog = {"histories": [change]}
    key = f"RACE-{number}"
    return {"id": number, "key": key, "fields": fields, "changelog": changelog}


def main(arguments: list[str]) -> None:
    """Be one of several processes."""
    signal.alarm(LONGEST_SECONDS)
    if arguments == ["woken"]:
        loop.SWEEP_SECONDS = 3600.0
        cli.main(["worker"])
    [_, log] = arguments
    settings = Settings.from_env(os.environ)  # noqa: TID251 -- a process of its own
    runtime = replace(Runtime.build(settings), http=SharedJira(Path(log)))
    with runtime.sessions.begin() as session:
        session.execute(sa.text("SELECT 1"))  # connected, before the start is given
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    Worker(runtime=runtime).drain()


if __name__ == "__main__":
    main(sys.argv[1:])
