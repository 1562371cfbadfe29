"""The processes that run until they are stopped, and what they do, done by hand."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from app import stops
from app.cli import opening
from app.watchdog import Watchdog, scheduled
from app.web import create_app, left_out, server
from app.web.context import KEY
from app.worker import Worker

STOP_SECONDS = 10
"""How long a child may take to stop before it is killed."""


@click.command()
@click.option("--web-only", is_flag=True, help="Serve pages and calls, no worker.")
def serve(*, web_only: bool) -> None:
    """Serve Jira and carry out runs until stopped."""
    if web_only:
        _serve_web()
        return
    opening.settings()  # complain once, not once a child
    own = [sys.executable, "-m", "app.cli"]
    children = [
        subprocess.Popen([*own, "serve", "--web-only"]),  # noqa: S603 -- our own command
        subprocess.Popen([*own, "worker"]),  # noqa: S603
    ]
    sys.exit(_supervise(children))


@click.command()
def worker() -> None:
    """Carry out runs until stopped."""
    runtime = opening.runtime()
    carrier = Worker(runtime=runtime)
    threads = runtime.settings.worker_threads
    # In this order: Huey takes the signals first, and we take them from it.
    with (
        runtime.queue.consuming(carrier.drain, threads=threads),
        _stopping(carrier.stop),
        scheduled(Watchdog(runtime=runtime), carrier.stop),
    ):
        carrier.run()


@click.command()
def watch() -> None:
    """Look once for issues that are stuck in a hold; workers do it on a schedule."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        if stops.find_everything(session) is not None:
            raise click.ClickException("everything is stopped: see `countersign stops`")
    rescued = Watchdog(runtime=runtime).watch()
    if rescued is None:
        raise click.ClickException("another process is looking; try again later")
    click.echo(f"{rescued} issues are being rescued")


@click.command()
def prune() -> None:
    """Forget what may be forgotten; the worker does the same every hour."""
    Worker(runtime=opening.runtime()).keep_house()
    click.echo("pruned")


def _serve_web() -> None:
    runtime = opening.runtime()
    flask = create_app(runtime)
    settings = runtime.settings
    serving = server.create(flask, listen=settings.listen, threads=settings.web_threads)

    def close(number: int, frame: FrameType | None) -> None:
        del number, frame
        flask.extensions[KEY].draining.set()
        # Waitress ends its loop on this and lets its threads finish what they have.
        raise SystemExit

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, close)
    serving.run()
    left_out.write(flask.extensions[KEY])


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT inside the block."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _supervise(children: list[subprocess.Popen[bytes]]) -> int:
    """Wait for a signal or the first child that ends; stop the rest; return a status.

    A child that died takes the other with it: half an add-on that looks alive is worse
    than one that its init system starts again.
    """
    stop = threading.Event()
    with _stopping(stop):
        while not stop.wait(0.2) and all(c.poll() is None for c in children):
            pass
        failed = not stop.is_set()
        for child in children:
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    return 1 if failed else 0
