"""`countersign serve`: a web server and a worker, and who looks after the two."""

import subprocess
import sys
import threading
import time

import click

from app.cli import environment
from app.cli.signals import stopping

STOP_SECONDS = 10
"""How long a child may take to stop before it is killed, beside its draining."""

ASK_SECONDS = 0.05


@click.command()
@click.option("--web-only", is_flag=True, help="Serve pages and calls, no worker.")
def serve(*, web_only: bool) -> None:
    """Serve Jira and carry out runs until stopped."""
    with environment.counting_together():
        if web_only:
            # The supervisor of both needs none of it, nor the second it takes to load.
            from app.cli import web_serving  # noqa: PLC0415

            web_serving.serve()
            return
        settings = environment.settings()  # complain once, not once a child
        own = [sys.executable, "-m", "app.cli"]
        children = [
            subprocess.Popen([*own, "serve", "--web-only"]),  # noqa: S603 -- our own command
            subprocess.Popen([*own, "worker"]),  # noqa: S603
        ]
        sys.exit(_supervise(children, seconds=settings.drain_seconds + STOP_SECONDS))


def _supervise(children: list[subprocess.Popen[bytes]], *, seconds: float) -> int:
    """Wait for a signal or the first child that ends; stop the rest; return a status.

    A child that died takes the other with it: half an add-on that looks alive is worse
    than one that its init system starts again.
    """
    stop, hurry = threading.Event(), threading.Event()
    with stopping(stop, hurry=hurry.set):
        while not stop.wait(0.2) and all(c.poll() is None for c in children):
            pass
        failed = not stop.is_set()
        _terminate(children)
        deadline = time.monotonic() + seconds
        while any(c.poll() is None for c in children) and time.monotonic() < deadline:
            if hurry.is_set():
                hurry.clear()
                _terminate(children)
            time.sleep(ASK_SECONDS)
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
    return 1 if failed else 0


def _terminate(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
