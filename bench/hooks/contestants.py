"""Who is measured: we, two peers that write the same record, and an empty view."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench import databases
from bench.hooks import calls
from bench.installation import installed
from bench.serving import apps
from bench.serving.servers import SERVERS, Shape, gunicorn
from tests import processes
from tests.processes import PYTHON, ROOT, Process

BY_HAND = ROOT.parent / "shared" / "bench" / "flask_by_hand.py"
ACE = ROOT / "bench" / "peers" / "ace"
OURS = "/post-function/triggered"

RECORDED = "Countersign, recorded"
VERIFIED = "Countersign, verified"
ACE_RECORDED = "atlassian-connect-express, recorded"
ACE_VERIFIED = "atlassian-connect-express, verified"
HAND_RECORDED = "Flask by hand, recorded"
HAND_VERIFIED = "Flask by hand, verified"
EMPTY = "empty view on our server"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A server that answers Jira's calls."""

    name: str
    port: int
    target: str
    process: Process = field(repr=False)
    table: tuple[str, str] | None = None
    """URL and table of its records, where it writes any."""

    verifies: bool = True

    def records(self) -> int:
        """Count its records; none where it writes none."""
        return databases.count(*self.table) if self.table else 0


@dataclass(frozen=True, kw_only=True)
class Course:
    """What all of one database's contestants have in common."""

    database: str
    server: str
    processes: int
    threads: int
    folder: Path
    peers: Path | None
    """Where ACE is installed; None for a look at ourselves alone."""

    def shape(self) -> Shape:
        return Shape(
            port=processes.free_port(), processes=self.processes, threads=self.threads
        )


@contextmanager
def started(course: Course) -> Iterator[list[Contestant]]:
    """Start them all; none of them takes time while it is not called."""
    with ExitStack() as stack:
        found = stack.enter_context(_ours(course))
        if course.peers is not None:
            found += stack.enter_context(_ace(course, course.peers))
            if BY_HAND.is_file():
                found += stack.enter_context(_by_hand(course))
        yield found


@contextmanager
def _ours(course: Course) -> Iterator[list[Contestant]]:
    names = {RECORDED: "product", VERIFIED: "verifying", EMPTY: "empty"}
    with ExitStack() as stack:
        made = stack.enter_context(
            installed(course.database, course.folder, sites=calls.TENANTS)
        )
        found = []
        for name, app in names.items():
            shape = course.shape()
            process = processes.started(
                f"ours-{app}",
                SERVERS[course.server](app, shape),
                env=made.listening(
                    shape.port, threads=course.threads, processes=course.processes
                ),
                folder=course.folder,
            )
            one = Contestant(
                name=name,
                port=shape.port,
                target=apps.TARGET if name == EMPTY else OURS,
                process=stack.enter_context(process),
                table=(made.database_url, "run") if name == RECORDED else None,
                verifies=name != EMPTY,
            )
            found.append(one)
        yield found


@contextmanager
def _ace(course: Course, installed_at: Path) -> Iterator[list[Contestant]]:
    with ExitStack() as stack:
        found = []
        for name, persist in ((ACE_RECORDED, "1"), (ACE_VERIFIED, "")):
            shape, purpose = course.shape(), f"ace{persist}"
            url = stack.enter_context(
                databases.empty(course.database, course.folder, purpose)
            )
            is_file = course.database == "sqlite"
            where = {
                "SQLITE": url.removeprefix("sqlite:///") if is_file else "",
                "POSTGRES": "" if is_file else databases.for_node(url),
            }
            env = _ace_env(shape, persist) | where
            command = ["node", "app.js"]
            started = _started_in(installed_at, command, purpose, env, course)
            process = stack.enter_context(started)
            found.append(_peer(name, shape, process, url if persist else ""))
        yield found


def _ace_env(shape: Shape, persist: str) -> dict[str, str]:
    return {
        "NODE_ENV": "production",
        "PORT": str(shape.port),
        "PERSIST": persist,
        "TENANTS": str(calls.TENANTS),
        "PROCESSES": "2",
    }


@contextmanager
def _by_hand(course: Course) -> Iterator[list[Contestant]]:
    with ExitStack() as stack:
        found = []
        for name, persist in ((HAND_RECORDED, "1"), (HAND_VERIFIED, "")):
            shape, purpose = course.shape(), f"by-hand{persist}"
            shape = Shape(port=shape.port, processes=2, threads=8)
            url = stack.enter_context(
                databases.empty(course.database, course.folder, purpose)
            )
            env = {"DB": url, "PERSIST": persist, "PYTHONPATH": str(BY_HAND.parent)}
            # Two processes that begin at once would both fill the tables.
            processes.finish([PYTHON, "-c", "import flask_by_hand"], env=env)
            command = [*gunicorn(shape), "flask_by_hand:app"]
            process = stack.enter_context(
                processes.started(purpose, command, env=env, folder=course.folder)
            )
            found.append(_peer(name, shape, process, url if persist else ""))
        yield found


def _peer(name: str, shape: Shape, process: Process, url: str) -> Contestant:
    return Contestant(
        name=name,
        port=shape.port,
        target=apps.TARGET,
        process=process,
        table=(url, "runs") if url else None,
    )


@contextmanager
def _started_in(
    place: Path,
    command: Sequence[str],
    name: str,
    env: Mapping[str, str],
    course: Course,
) -> Iterator[Process]:
    """Start a command of another folder than the checkout."""
    inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(place), *command]
    with processes.started(name, inside, env=env, folder=course.folder) as process:
        yield process


def install_ace(place: Path) -> None:
    """Install the peer from npm, with a SQLite that is compiled here."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise click.ClickException(
            "node and npm were not found, which the peer from npm needs: install them,"
            " or measure without it, by --no-peers"
        )
    place.mkdir(parents=True, exist_ok=True)
    for each in ACE.iterdir():
        shutil.copy(each, place)
    click.echo(f"atlassian-connect-express is installed into {place}")
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund"]
    _quietly(["npm", "install", *quietly], place)
    headers = Path(node).resolve().parents[1]
    native = place / "node_modules" / "sqlite3"
    if not (native / "build" / "Release" / "node_sqlite3.node").is_file():
        # Its own script would download what somebody else has compiled.
        gyp = place / "node_modules" / ".bin" / "node-gyp"
        _quietly([str(gyp), "rebuild", f"--nodedir={headers}"], native)


def _quietly(command: Sequence[str], place: Path) -> None:
    done = subprocess.run(  # noqa: S603 -- our own words
        command, cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise click.ClickException(f"{' '.join(command)}: {last}")
