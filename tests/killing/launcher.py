"""Workers and web servers that die on purpose: `python -m tests.killing.launcher`.

The process imports everything and opens nothing. Each line on its standard input is a
job, for which it forks a child with the real `Runtime`, built from the environment. It
answers with what it started, reads a signal to send (0: none), and answers, once the
child has ended, with how: 0, or the signal's negative number.
"""

import gc
import json
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session
from waitress.server import create_server

from app import resealing, runs
from app.cli import sealing
from app.crypto import Keyring
from app.db import Recording
from app.http import Network, Request, Response
from app.runs import Run
from app.runtime import Runtime, utc_now
from app.settings import Settings
from app.web import create_app
from app.worker import Worker, awaiting, retrying, stepping

log = logging.getLogger(__name__)

LEASE = timedelta(milliseconds=50)
"""Long for the tests' pace, and short enough to wait for."""

WAITS = tuple(timedelta(milliseconds=ms) for ms in (20, 40, 60, 80, 100))
"""Instead of the product's looks and back-offs."""

SOONEST = timedelta(milliseconds=200)
"""Between two questions how a delivery ended."""

LONG = timedelta(milliseconds=150)
"""A longer wait is none: the worker's clock is put on."""

LONGEST_JOB = 60
"""Seconds after which a child that hangs is ended by its own alarm."""

NAP = 0.005

Job = Mapping[str, Any]


@dataclass
class Fuse:
    """Ends this process when something has been done for the n-th time."""

    what: str
    when: str
    n: int
    counts: dict[str, int] = field(default_factory=dict)

    def burn(self, what: str, when: str) -> None:
        place = f"{when} {what}"
        self.counts[place] = self.counts.get(place, 0) + 1
        if place == f"{self.when} {self.what}" and self.counts[place] == self.n:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class FusedHttp:
    """The network, with a fuse on both sides of each call."""

    http: Network
    fuse: Fuse

    def send(self, request: Request) -> Response:
        one = f"{request.method} {urlsplit(request.url).path}"
        self.fuse.burn("send", "before")
        self.fuse.burn(one, "before")
        response = self.http.send(request)
        self.fuse.burn("send", "after")
        self.fuse.burn(one, "after")
        return response

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        self.http.check(url, tenant_id)

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        self.http.check_mail(host, port, tenant_id)


@dataclass(frozen=True)
class FusedRecording(Recording):
    """What records calls, with a fuse on both sides of each commit."""

    fuse: Fuse

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with super().begin() as connection:
            yield connection
            self.fuse.burn("commit", "before")
        self.fuse.burn("commit", "after")


def build(settings: Settings, job: Job) -> Runtime:
    """Wire the product as it is, with the job's fuse on its commits and calls."""
    runtime = Runtime.build(settings)
    if kill := job.get("kill"):
        fuse = Fuse(**kill)

        def before(session: Session) -> None:
            del session
            fuse.burn("commit", "before")

        def after(session: Session) -> None:
            del session
            fuse.burn("commit", "after")

        runtime = replace(runtime, http=FusedHttp(runtime.http, fuse))
        sa.event.listen(runtime.sessions, "before_commit", before)
        sa.event.listen(runtime.sessions, "after_commit", after)
        # Where the cached property looks first.
        recording = FusedRecording(runtime.recording.engine, fuse)
        runtime.__dict__["recording"] = recording
    return runtime


@dataclass
class Clock:
    """The true time, and what nobody waited for."""

    skipped: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.skipped


def carry_on(runtime: Runtime, job: Job) -> None:
    """Carry out runs until none is open.

    Looks that find nothing to claim burn no fuse: a worker that is killed while it
    waits for a lease to run out gets nothing further, however often it is started.
    """
    clock = Clock()
    worker = Worker(runtime=replace(runtime, now=clock))
    unfused = build(runtime.settings, {}) if job["kill"] else runtime
    while free_at := _next_claim(unfused):
        wait = free_at - clock()
        if wait <= timedelta(0):
            if not worker.step():
                time.sleep(NAP)  # an earlier run of its issue is in a dead one's hands
        elif wait > LONG:
            clock.skipped += wait
        else:
            time.sleep(NAP)


def carry_once(runtime: Runtime, job: Job) -> None:
    """Carry out what is due now."""
    del job
    Worker(runtime=runtime).drain()


def reseal(runtime: Runtime, job: Job) -> None:
    """Seal every secret anew with the job's key, a few at a time."""
    resealing.BATCH = job["batch"]
    ring = [job["key"], *runtime.settings.sealing_keys]
    runtime = replace(runtime, keyring=Keyring.from_base64(ring))
    for _ in sealing.reseal_all(runtime):
        pass


def serve(runtime: Runtime, job: Job) -> None:
    """Serve the web until killed, on the socket that the launcher listens on."""
    server = create_server(
        create_app(runtime), sockets=[socket.socket(fileno=job["socket"])], threads=2
    )
    server.run()


DO: Mapping[str, Callable[[Runtime, Job], None]] = {
    "carry-on": carry_on,
    "carry-once": carry_once,
    "reseal": reseal,
    "serve": serve,
}


def _next_claim(runtime: Runtime) -> datetime | None:
    """Return when the next run may be claimed; None when none is open."""
    with runtime.sessions.begin() as session:
        rows = session.execute(sa.select(Run.due_at, Run.lease_until)).all()
    return min(
        (max(due, lease or due) for due, lease in rows if due is not None), default=None
    )


def _quicken() -> None:
    """Shorten what only waits; nothing that decides."""
    runs.claims.LEASE = LEASE
    for module in (stepping, awaiting):
        module.__dict__["LOOKS"] = WAITS
    awaiting.SOONEST = SOONEST
    retrying.BACKOFF = WAITS


def _child(settings: Settings, job: Job) -> None:
    try:
        signal.alarm(LONGEST_JOB)
        _quicken()
        DO[job["do"]](build(settings, job), job)
    except BaseException:
        log.exception("job %s", job["do"])
        os._exit(1)
    os._exit(0)


def _start(settings: Settings, job: dict[str, Any]) -> dict[str, int]:
    started: dict[str, int] = {}
    listening = None
    if job["do"] == "serve":
        listening = socket.create_server(("127.0.0.1", 0))
        job["socket"] = listening.fileno()
        started["port"] = listening.getsockname()[1]
    started["pid"] = os.fork()
    if not started["pid"]:
        _child(settings, job)
    if listening is not None:
        listening.close()
    return started


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what standard input says until it ends."""
    settings = Settings.from_env(os.environ)  # noqa: TID251 -- a process of its own
    logging.basicConfig(level=logging.WARNING)
    sa.orm.configure_mappers()
    gc.freeze()
    for line in sys.stdin:
        started = _start(settings, json.loads(line))
        _say(started)
        if number := json.loads(sys.stdin.readline()):
            # Nobody has waited for it yet, so the number is still our child's.
            os.kill(started["pid"], number)
        _, status = os.waitpid(started["pid"], 0)
        _say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
