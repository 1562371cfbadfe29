"""The add-on as operators run it, embedded or scaled, with the sandbox as its Jira."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.hooks import calls
from bench.installation import Installation, installed
from tests import processes
from tests.processes import COUNTERSIGN, PYTHON, Process

EMBEDDED, SCALED = "embedded", "scaled"
DATABASES = {EMBEDDED: "sqlite", SCALED: "postgresql"}
WORKERS = 2
"""Processes of the scaled one."""

WITHOUT_LIMIT = 1_000_000
"""Runs in an hour: a site's budget is not what is measured."""

THREADS = 8
NAP = 0.005

RULE = calls.RULE
TRANSITION = "Start progress"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Processes that are up, and where they are."""

    installation: Installation
    addon: str
    jira: str
    processes: Sequence[Process]
    seconds_to_ready: float
    """From its start to the first good answer of `/readyz`."""

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        """Use the sandbox's control API; POST if there is something to say."""
        url = f"{self.jira}/sandbox/api/{path}"
        if body is None:
            answer = requests.get(url, timeout=30)
        else:
            answer = requests.post(url, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Stack]:
    """Start it, install it in the sandbox, and give a transition a rule."""
    with ExitStack() as stack:
        ports = [processes.free_port(), processes.free_port()]
        addon, jira = f"http://127.0.0.1:{ports[0]}", f"http://localhost:{ports[1]}"
        made = stack.enter_context(
            installed(DATABASES[kind], folder, sites=0, **_development(addon, jira))
        )
        began = time.perf_counter()
        env = made.listening(ports[0], threads=THREADS)
        found = [
            stack.enter_context(
                processes.started(name, command, env=env, folder=folder)
            )
            for name, command in _commands(kind).items()
        ]
        _wait_until_ready(addon, found[0])
        took = time.perf_counter() - began
        acting = [PYTHON, "-m", "sandbox", "--port", str(ports[1]), "--addon", addon]
        sandbox = stack.enter_context(
            processes.started(
                "sandbox", [*acting, "--no-install"], env={}, folder=folder
            )
        )
        sandbox.wait_until_answers(f"{jira}/")
        up = Stack(
            installation=made,
            addon=addon,
            jira=jira,
            processes=found,
            seconds_to_ready=took,
        )
        up.ask("install", {})
        up.ask("post-functions", {"transition": TRANSITION, "value": RULE})
        yield up


def _commands(kind: str) -> dict[str, list[str]]:
    if kind == EMBEDDED:
        return {"serve": [COUNTERSIGN, "serve"]}
    workers = {f"worker {number}": [COUNTERSIGN, "worker"] for number in range(WORKERS)}
    return {"serve --web-only": [COUNTERSIGN, "serve", "--web-only"], **workers}


def _development(addon: str, jira: str) -> dict[str, str]:
    """Return what the sandbox needs, which is on this machine and speaks http."""
    return {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": addon,
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{jira}/install-keys",
        "COUNTERSIGN_SITE_SUFFIXES": "localhost,127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
        "COUNTERSIGN_AP_JS_URL": f"{jira}/atlassian-connect/all.js",
        "COUNTERSIGN_RUNS_PER_HOUR": str(WITHOUT_LIMIT),
    }


def _wait_until_ready(addon: str, web: Process) -> None:
    """Ask more often than tests do: the time is what is measured."""
    deadline = time.monotonic() + processes.READY_SECONDS
    while True:
        try:
            if requests.get(f"{addon}/readyz", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        if web.popen.poll() is not None or time.monotonic() > deadline:
            raise processes.ProcessError(f"{web.name} is not ready:\n{web.tail()}")
        time.sleep(NAP)
