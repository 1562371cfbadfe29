"""Scripts that call a listener from a shell, at the real door on a socket (T17)."""

import json
import shlex
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import listeners
from app.audit import AuditEvent
from app.listeners import Change
from app.listeners.defining import SecretProof
from app.runtime import Runtime, utc_now
from app.settings import Settings
from app.web.listeners import answering
from tests.functional.conftest import KEY
from tests.functional.doors import ANSWER
from tests.functional.fakes import Clock
from tests.functional.shell import plant_site
from tests.processes import COUNTERSIGN
from tests.serving import serving
from tests.shared import ROOT

EXAMPLES = ROOT / "examples" / "datacenter"
BODY = json.dumps(ANSWER | {"message": "100 % “done”, 'ok'"}).encode()
WAYS = ["send.py", "send.sh", "countersign sign"]


@dataclass(frozen=True)
class Caller:
    """Somebody's server: an address, a name, a secret in a file, a body in another."""

    url: str
    folder: Path

    def send(self, way: str, *, body: bytes = BODY) -> int:
        """Send it in this way; return the command's status."""
        (self.folder / "body.json").write_bytes(body)
        secret, said = self.folder / "secret", self.folder / "body.json"
        if way == "send.sh":
            script = str(EXAMPLES / way)
            return self._run([script, self.url, "bot", str(secret), str(said)])
        if way == "send.py":
            given = ["--issuer", "bot", "--secret-file", str(secret), self.url]
            script = str(EXAMPLES / way)
            return self._run([sys.executable, "-I", script, *given], body)
        named = ["--issuer", "bot", "--audience", self.url, "--body", str(said)]
        command = [COUNTERSIGN, "sign", *named, "--curl"]
        line = shlex.join(command) + f" < {shlex.quote(str(secret))}"
        return self._run(["/bin/sh", "-c", f'eval "$({line})"'])

    def _run(self, command: Sequence[str], given: bytes = b"") -> int:
        done = subprocess.run(  # noqa: S603 -- our own scripts
            command, input=given, capture_output=True, check=False, timeout=60
        )
        return done.returncode


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def settings(database_url: str, queue_url: str, listening: socket.socket) -> Settings:
    """Where the listener is called is what its tokens must name."""
    return Settings.from_env(
        {
            "COUNTERSIGN_MODE": "development",
            "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}",
            "COUNTERSIGN_DATABASE_URL": database_url,
            "COUNTERSIGN_QUEUE_URL": queue_url,
            "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
        }
    )


@pytest.fixture
def clock() -> Clock:
    """The true time: the scripts have no other."""
    return Clock(utc_now())


@pytest.fixture
def caller(
    runtime: Runtime, app: Flask, listening: socket.socket, tmp_path: Path
) -> Iterator[Caller]:
    with runtime.sessions.begin() as session:
        change = Change(
            tenant_id=plant_site(session).id, actor="ada", now=runtime.now()
        )
        listener_id, secret = listeners.create(
            session, runtime.keyring, change, SecretProof(name="Bot", issuer="bot")
        )
    assert secret is not None
    (tmp_path / "secret").write_text(f"{secret.reveal()}\n")
    with serving(app, listening):
        yield Caller(listeners.url_of(runtime.settings.base_url, listener_id), tmp_path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What comes through the door."""
    found: list[object] = []
    monkeypatch.setattr(
        answering, "hear", lambda _called, _heard, body: found.append(body)
    )
    return found


def reasons(runtime: Runtime) -> list[str]:
    wanted = sa.select(AuditEvent).where(AuditEvent.kind == "verification-refused")
    with runtime.sessions.begin() as session:
        return [str(event.facts["reason"]) for event in session.scalars(wanted)]


@pytest.mark.parametrize("way", WAYS)
def test_call_is_taken_as_it_was_written(
    caller: Caller, said: list[object], way: str
) -> None:
    assert caller.send(way) == 0
    assert caller.send(way) == 0

    assert said == [json.loads(BODY)] * 2


@pytest.mark.parametrize("way", WAYS)
def test_call_that_is_refused_fails_the_command(
    caller: Caller, runtime: Runtime, way: str
) -> None:
    """No run waits for it: who sent it learns that, and why stands in the log."""
    assert caller.send(way) != 0
    assert reasons(runtime) == ["unknown-answer"]


@pytest.mark.parametrize("way", ["send.py", "send.sh"])
def test_another_secret_opens_nothing(
    caller: Caller, said: list[object], way: str
) -> None:
    (caller.folder / "secret").write_text(str(uuid.uuid4()) * 2)
    assert caller.send(way) != 0
    assert said == []


@pytest.mark.parametrize("way", ["send.py", "send.sh"])
def test_nobody_there_fails_the_command(tmp_path: Path, way: str) -> None:
    (tmp_path / "secret").write_text("s" * 43)
    assert Caller("http://127.0.0.1:9/listeners/1", tmp_path).send(way) != 0
