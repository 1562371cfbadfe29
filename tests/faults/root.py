"""What only root may do: mount a small disk, and put a wire between two networks."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


def needs_root(what: str) -> None:
    """Skip, which fails here and says why, unless we are root."""
    if os.geteuid() != 0:
        pytest.skip(f"only root may {what}")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- ours


@dataclass(frozen=True)
class Disk:
    """A disk of its own, in memory."""

    path: Path

    def fill(self, *, spare: int) -> None:
        """Leave no more than so many bytes, if there are as many."""
        left = os.statvfs(self.path)
        wanted = left.f_bavail * left.f_frsize - spare
        with contextlib.suppress(OSError), self._filler.open("ab") as file:
            while wanted > 0:
                file.write(b"x" * min(wanted, 65_536))
                file.flush()
                wanted -= 65_536

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.path / "filler"


@contextlib.contextmanager
def disk(path: Path, *, megabytes: int) -> Iterator[Disk]:
    """Mount one until the block ends."""
    needs_root("mount a disk that may be full")
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    try:
        yield Disk(path)
    finally:
        run("umount", "--lazy", str(path))


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that is one wire away."""

    name: str
    wire: str
    here: str
    there: str
    """The addresses of both ends of the wire."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a process is started by, to be there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        run("ip", "link", "set", self.wire, "down")

    def mend(self) -> None:
        run("ip", "link", "set", self.wire, "up")


@contextlib.contextmanager
def network(number: int) -> Iterator[Network]:
    """Make one until the block ends; its name and its addresses are of the number."""
    needs_root("make a network")
    # Of TEST-NET-2 (RFC 5737): nobody's.
    here, there = (f"198.51.100.{number * 4 + host}" for host in (1, 2))
    name, wire, end = (f"faults{kind}{number}" for kind in ("", "a", "b"))
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", wire, "type", "veth", "peer", "name", end)
        run("ip", "link", "set", end, "netns", name)
        run("ip", "address", "add", f"{here}/30", "dev", wire)
        run("ip", "link", "set", wire, "up")
        inside = ("ip", "-n", name)
        run(*inside, "address", "add", f"{there}/30", "dev", end)
        run(*inside, "link", "set", end, "up")
        run(*inside, "link", "set", "lo", "up")
        yield Network(name=name, wire=wire, here=here, there=there)
    finally:
        run("ip", "netns", "delete", name)
