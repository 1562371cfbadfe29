"""The whole product as `make run` starts it: the add-on and a small Jira."""

import base64
import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from app.forge.manifest import NO_APP
from tests import processes
from tests.processes import COUNTERSIGN, PYTHON, ROOT, Process

CONNECT, FORGE = "connect", "forge"
MANIFEST = ROOT / "forge" / "manifest.yml"

both_doors = pytest.mark.parametrize("stack", [CONNECT, FORGE], indirect=True)
"""Let a test be played twice, once through each door."""


@dataclass(frozen=True)
class Stack:
    """The add-on and its Jira: where they are, and their processes."""

    addon: str
    jira: str
    doors: tuple[str, ...]
    processes: tuple[Process, ...] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    """The add-on's settings: none of its secrets may be seen from outside."""

    @property
    def folder(self) -> Path:
        """Where both keep what they know."""
        return self.processes[0].log.parent

    def post(self, path: str) -> None:
        """Use the sandbox's control API."""
        url = f"{self.jira}/sandbox/api/{path}"
        answer = requests.post(url, json={}, timeout=30)
        assert answer.ok, answer.text

    def install(self, door: str) -> None:
        self.post("install" if door == CONNECT else "forge/install")


@contextlib.contextmanager
def started(folder: Path, *doors: str, manifest: Path | None = None) -> Iterator[Stack]:
    """Run it on free ports, with no other doors than these; nothing is installed."""
    port, jira_port = processes.free_port(), processes.free_port()
    # Two names for one machine make two origins, as in real life.
    addon, jira = f"http://127.0.0.1:{port}", f"http://localhost:{jira_port}"
    env = environment(folder, addon, jira) | {"COUNTERSIGN_DOORS": ",".join(doors)}
    sandbox = [PYTHON, "-m", "sandbox", "--port", str(jira_port), "--addon", addon]
    sandbox += ["--state", str(folder / "sandbox.json"), "--no-install"]
    if FORGE in doors:
        assert (ROOT / "forge" / "static").is_dir(), "first `make forge`"
        sandbox += ["--forge", str(manifest or MANIFEST)]
    processes.finish([COUNTERSIGN, "db", "upgrade"], env=env)
    with (
        processes.started(
            "addon", [COUNTERSIGN, "serve"], env=env, folder=folder, measured=False
        ) as serving,
        processes.started(
            "sandbox", sandbox, env=env, folder=folder, measured=False
        ) as acting,
    ):
        serving.wait_until_answers(f"{addon}/readyz")
        acting.wait_until_answers(f"{jira}/")
        yield Stack(addon, jira, doors, (serving, acting), env)


def environment(folder: Path, addon: str, jira: str) -> dict[str, str]:
    return {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": addon,
        "COUNTERSIGN_LISTEN": addon.removeprefix("http://"),
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{folder}/countersign.sqlite",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{folder}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": _key(),
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{jira}/install-keys",
        "COUNTERSIGN_FORGE_APP_ID": NO_APP,
        "COUNTERSIGN_FORGE_KEYS_URL": f"{jira}/forge/jwks.json",
        "COUNTERSIGN_FORGE_API_URL": f"{jira}/ex/jira",
        "COUNTERSIGN_SITE_SUFFIXES": "localhost,127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
        "COUNTERSIGN_WATCH_SECONDS": "5",
        "COUNTERSIGN_AP_JS_URL": f"{jira}/atlassian-connect/all.js",
        "COUNTERSIGN_METRICS_TOKEN": secrets.token_urlsafe(24),
        # Nobody listens there; what the password is for is not to be told of either.
        "COUNTERSIGN_SMTP_URL": f"smtps://us:{secrets.token_urlsafe(24)}@127.0.0.1:9",
        "COUNTERSIGN_ALERT_FROM": "countersign@example.com",
        "COUNTERSIGN_ALERT_TO": "operator@example.com",
    }


def _key() -> str:
    return "dev:" + base64.b64encode(secrets.token_bytes(32)).decode()
