"""`countersign serve`: a web server and a worker, and who looks after the two."""

import subprocess
import sys
import threading
import time

import click

from app.cli import environment
from app.cli.signals import stopping

STOP_SECONDS = 10
"""How long a child may take to stop before it is killed."""


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
        environment.settings()  # complain once, not once a child
        own = [sys.executable, "-m", "app.cli"]
        children = [
            subprocess.Popen([*own, "serve", "--web-only"]),  # noqa: S603 -- our own command
            subprocess.Popen([*own, "worker"]),  # noqa: S603
        ]
        sys.exit(_supervise(children))


def _supervise(children: list[subprocess.Popen[bytes]]) -> int:
    """Wait for a signal or the first child that ends; stop the rest; return a status.

    A child that died takes the other with it: half an add-on that looks alive is worse
    than one that its init system starts again.
    """
    stop = threading.Event()
    with stopping(stop):
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
