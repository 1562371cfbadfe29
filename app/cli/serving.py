"""`countersign serve`: a web server and a worker, and who looks after the two."""

import subprocess
import sys

import click

from app.cli import environment
from app.cli.supervising import supervise


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
        sys.exit(supervise(children, drain_seconds=settings.drain_seconds))
