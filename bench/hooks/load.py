"""Presses a server with wrk, and believes no rate that has an error in it."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click

SCRIPT = Path(__file__).with_name("call.lua")
PATIENCE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Ammunition:
    """What is sent: where to, and with which tokens."""

    target: str
    tokens: Path
    body: Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One short run under load."""

    requests: int
    rate: float
    """Answers in a second."""
    p50: float
    """Milliseconds, as `p99`."""
    p99: float


def find_wrk() -> str:
    """Return wrk, or end with what to do."""
    found = shutil.which("wrk")
    if found is None:
        raise click.ClickException(
            "wrk was not found, which makes the calls. On Debian: apt-get install wrk"
        )
    return found


def press(
    port: int, sent: Ammunition, *, connections: int, seconds: int, first: int
) -> Measured:
    """Call as fast as it answers; `first` is the number of the first issue."""
    command = [find_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += ["--timeout", f"{PATIENCE_SECONDS}s", "-s"]
    command += [str(SCRIPT), f"http://127.0.0.1:{port}", "--"]
    command += [str(sent.tokens), str(sent.body), sent.target, str(first)]
    done = subprocess.run(  # noqa: S603 -- our own words
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 2 * PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"wrk: {done.stderr or done.stdout}")
    said = json.loads(done.stdout.splitlines()[-1])
    if said["errors"]:
        raise click.ClickException(
            f"port {port}: {said['errors']} of {said['requests']} calls went wrong"
        )
    return Measured(
        requests=said["requests"],
        rate=said["requests"] / said["seconds"],
        p50=said["p50"] / 1000,
        p99=said["p99"] / 1000,
    )
