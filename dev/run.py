"""The add-on and a small Jira on this machine, until Ctrl-C: what `make run` does.

State, logs and a generated development key live in `var/`; delete it to begin anew.
"""

import base64
import contextlib
import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
VAR = ROOT / "var"
LOGS = VAR / "log"
FORGE = VAR / "forge"
ENVIRON = os.environ  # noqa: TID251 -- handed on to the processes that we start

ADDON_PORT = 8040
SANDBOX_PORT = 8041
# Two hosts for one machine: two origins, as in real life, so that the browser keeps
# the add-on's frame apart from Jira's page.
ADDON = f"http://127.0.0.1:{ADDON_PORT}"
SANDBOX = f"http://localhost:{SANDBOX_PORT}"

START_SECONDS = 60
STOP_SECONDS = 15
PAUSE_SECONDS = 0.1

NEWS = re.compile(
    r" (WARNING|ERROR|CRITICAL) |Traceback|^\w+(\.\w+)*Error\b|^Jira is at"
)
"""What of the logs is also shown: what went wrong, and how the installation went."""

APP_KEY = "countersign"
APP_ID = "ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000"
"""Atlassian knows no such Forge app; our sandbox does not mind."""

WELCOME = f"""
  Jira (a sandbox)   {SANDBOX}   <- open this one
  Countersign        {ADDON}
  A receiver         {SANDBOX}/receiver   <- stands for your deployment service
  GitHub             {SANDBOX}/github     <- stands for GitHub, and its builds

  1. Open the workflow editor.
  2. Add "Countersign rule" to a transition, give it two steps, publish.
  3. Move an issue on the board.
  4. See the comment and the status on the issue.
  5. Look at Apps > Countersign > Configure; then press "expired token" under Mishaps.
  6. "Dispatch" leads into the hold, "Deploying": its ways out take a condition, in
     the workflow editor. Cut the wire under Mishaps, and see what becomes of an issue.
  7. Apps > The Forge app > Install: the same by Forge, for when Connect has gone.
  8. GitHub (above) has an App's key and the numbers of a repository. With them add a
     listener and a destination in Countersign; a rule that delivers there and waits
     moves its issue once the build has answered, or when its time is over.

Logs are in var/log, errors also here. Ctrl-C stops everything.
"""


class RunError(Exception):
    """It cannot run, or no longer; the message says why."""


@dataclass
class Child:
    """A process of ours, leader of its own process group, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    _read: int = field(default=0, init=False)

    def news(self) -> list[str]:
        """Return the whole lines it logged since the last call."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            lines = file.read().rpartition(b"\n")[0]
        self._read += len(lines) + 1 if lines else 0
        return lines.decode(errors="replace").splitlines()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def stop(self) -> None:
        """End the whole group: politely, then for certain."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def main() -> int:
    """Run until asked to stop (0) or until something is amiss (1).

    With arguments: one command of `countersign`, with the settings of all this.
    """
    if arguments := sys.argv[1:]:
        command = str(BIN / "countersign")
        done = subprocess.run([command, *arguments], env=environment(), check=False)
        return done.returncode
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _require_free(ADDON_PORT, SANDBOX_PORT)
        LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)
        env = environment()
        migrate(env)
        deploy(env)
        with _running(env) as children:
            _wait_until_ready(children)
            print(WELCOME, flush=True)
            _watch(children)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except RunError as error:
        print(error, file=sys.stderr)
    return 1


def environment() -> dict[str, str]:
    """Every setting of a development machine, over what the person has set."""
    return {
        **ENVIRON,
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": ADDON,
        "COUNTERSIGN_LISTEN": f"127.0.0.1:{ADDON_PORT}",
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{VAR}/countersign.sqlite",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{VAR}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": _development_key(VAR / "encryption.key"),
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{SANDBOX}/install-keys",
        "COUNTERSIGN_FORGE_APP_ID": APP_ID,
        "COUNTERSIGN_FORGE_KEYS_URL": f"{SANDBOX}/forge/jwks.json",
        "COUNTERSIGN_FORGE_API_URL": f"{SANDBOX}/ex/jira",
        "COUNTERSIGN_SITE_SUFFIXES": "localhost,127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
        "COUNTERSIGN_WATCH_SECONDS": "10",
        "COUNTERSIGN_AP_JS_URL": f"{SANDBOX}/atlassian-connect/all.js",
        "PYTHONUNBUFFERED": "1",
    }


def migrate(env: dict[str, str]) -> None:
    """Bring the database up to date."""
    _countersign(env, "db", "upgrade")


def deploy(env: dict[str, str]) -> None:
    """Put the Forge app where the sandbox finds it, as the heir of the Connect app."""
    FORGE.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (FORGE / "static").symlink_to(ROOT / "forge" / "static")
    # Forge takes https only; the sandbox calls the add-on where it is, whatever we say.
    remote = ("--base-url", "https://countersign.invalid")
    heir = ("--app-id", APP_ID, "--connect-key", APP_KEY)
    rendered = _countersign(env, "forge", "manifest", *remote, *heir)
    (FORGE / "manifest.yml").write_text(rendered)


def _countersign(env: dict[str, str], *arguments: str) -> str:
    """Run a command of ours to its end; return what it said."""
    command = [str(BIN / "countersign"), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = " ".join(("countersign", *arguments[:2]))
        raise RunError(f"{done.stdout}{done.stderr}`{words}` failed.")
    return done.stdout


def _require_free(*ports: int) -> None:
    for port in ports:
        with socket.socket() as probe:
            # A port that was closed just now counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise RunError(
                    f"Port {port} is taken, perhaps by another `make run`. "
                    "Stop what listens there, then try again."
                ) from None


def _development_key(path: Path) -> str:
    """Return this checkout's key; `dev:` makes production refuse it."""
    if not path.exists():
        owner_only = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode=0o600)
        with os.fdopen(owner_only, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)))
    return f"dev:{path.read_text().strip()}"


@contextlib.contextmanager
def _running(env: dict[str, str]) -> Iterator[list[Child]]:
    """Start both; whatever happens, stop both."""
    sandbox = [str(BIN / "python"), "-m", "sandbox", "--port", str(SANDBOX_PORT)]
    sandbox += ["--addon", ADDON, "--state", str(VAR / "sandbox.json")]
    sandbox += ["--forge", str(FORGE / "manifest.yml"), "--forge-on-request"]
    children: list[Child] = []
    try:
        children.append(_start("addon", [str(BIN / "countersign"), "serve"], env))
        children.append(_start("sandbox", sandbox, env))
        yield children
    finally:
        # A second Ctrl-C, or make's own signal after the terminal's, must not leave
        # half of it running.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(children):
            child.stop()


def _start(name: str, command: Sequence[str], env: dict[str, str]) -> Child:
    log = LOGS / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us; we tell them
        )
    return Child(name, process, log)


def _wait_until_ready(children: Sequence[Child]) -> None:
    deadline = time.monotonic() + START_SECONDS
    waiting = {"addon": (ADDON_PORT, "/readyz"), "sandbox": (SANDBOX_PORT, "/")}
    while waiting:
        _report(children)
        if time.monotonic() > deadline:
            said = [child.last_words() for child in children if child.name in waiting]
            raise RunError(
                "\n".join(said) + f"\nNot ready after {START_SECONDS} s: "
                f"{', '.join(waiting)}. The logs are in var/log."
            )
        waiting = {n: place for n, place in waiting.items() if not _answers(*place)}
        time.sleep(PAUSE_SECONDS if waiting else 0)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.client.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _watch(children: Sequence[Child]) -> None:
    while True:
        _report(children)
        time.sleep(PAUSE_SECONDS)


def _report(children: Sequence[Child]) -> None:
    """Show what went wrong; raise when a child has ended."""
    for child in children:
        code = child.process.poll()
        for line in filter(NEWS.search, child.news()):
            print(f"{child.name}: {line}", flush=True)
        if code is not None:
            raise RunError(
                f"{child.last_words()}\n"
                f"The {child.name} ended (exit {code}); everything is stopped. "
                f"Its whole log: {child.log.relative_to(ROOT)}"
            )


if __name__ == "__main__":
    sys.exit(main())
