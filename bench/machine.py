"""The machine that was measured on."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench import databases

PACKAGES = ("flask", "waitress", "gunicorn", "granian", "sqlalchemy", "psycopg", "huey")


def described() -> dict[str, str]:
    """Return what a reader needs to compare these figures with others."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _said(["git", "rev-parse", "--short", "HEAD"]),
        "processor": _found("/proc/cpuinfo", r"model name\s*: (.*)"),
        "cores": str(os.cpu_count()),
        "memory": f"{_memory() / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "Node": _said(["node", "--version"]),
        **databases.versions(),
        **{each: _version(each) for each in PACKAGES},
    }


def _memory() -> int:
    """Return kilobytes."""
    return int(_found("/proc/meminfo", r"MemTotal: *(\d+)") or 0)


def _found(path: str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "absent"
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
