"""Processes that a test starts: each in a group of its own, with its log, and ended."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
COUNTERSIGN = str(Path(sys.executable).with_name("countersign"))
ENVIRON = os.environ  # noqa: TID251 -- handed on to the processes that we start

READY_SECONDS = 30
STOP_SECONDS = 15
PAUSE_SECONDS = 0.05


class ProcessError(Exception):
    """A process ended, or is not ready; the message has the end of its log."""


@dataclass(frozen=True)
class Process:
    """A process of ours; `popen.pid` is also the number of its group."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until_answers(self, url: str) -> None:
        """Return once a GET of `url` succeeds; a redirect is a success."""
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(url):
            if self.popen.poll() is not None:
                raise ProcessError(f"{self.name} ended:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} is not ready:\n{self.tail()}")
            time.sleep(PAUSE_SECONDS)

    def stop(self) -> None:
        """End the group: politely, then for certain."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)


@contextlib.contextmanager
def started(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    measured: bool = True,
) -> Iterator[Process]:
    """Run `command` from the checkout, its log in `folder`, until the block ends."""
    log = folder / f"{name}.log"
    around = ENVIRON if measured else unmeasured(ENVIRON)
    with log.open("wb") as output:
        popen = subprocess.Popen(  # noqa: S603 -- what we test
            command,
            cwd=ROOT,
            env={**around, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process(name, popen, log)
    try:
        yield process
    finally:
        process.stop()


def finish(command: Sequence[str], *, env: Mapping[str, str]) -> str:
    """Run `command` to its end; return what it printed, raise if it failed."""
    done = subprocess.run(  # noqa: S603 -- what we test
        command,
        cwd=ROOT,
        env={**ENVIRON, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ProcessError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def unmeasured(env: Mapping[str, str]) -> dict[str, str]:
    """Leave out what starts coverage, for a process that it can learn nothing from."""
    return {name: env[name] for name in env if not name.startswith("COVERAGE_")}


def free_port() -> int:
    """Return a port of this machine that nobody listens on, for now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < http.client.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
