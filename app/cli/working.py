"""`countersign worker`, and what workers do on a schedule, done by hand."""

import click

from app import stops
from app.cli import opening, worker_metrics
from app.cli.signals import stopping
from app.watchdog import Watchdog, scheduled
from app.worker import Worker


@click.command()
def worker() -> None:
    """Carry out runs until stopped."""
    runtime = opening.runtime()
    carrier = Worker(runtime=runtime)
    threads = runtime.settings.worker_threads
    # In this order: Huey takes the signals first, and we take them from it.
    with (
        worker_metrics.shown(runtime.settings),
        runtime.queue.consuming(carrier.drain, threads=threads),
        stopping(carrier.stop),
        scheduled(Watchdog(runtime=runtime), carrier.stop),
    ):
        carrier.run()


@click.command()
def watch() -> None:
    """Look once for issues that are stuck in a hold.

    Workers do it on a schedule.
    """
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        if stops.find_everything(session) is not None:
            raise click.ClickException("everything is stopped: see `countersign stops`")
    rescued = Watchdog(runtime=runtime).watch()
    if rescued is None:
        raise click.ClickException("another process is looking; try again later")
    click.echo(f"issues that are being rescued: {rescued}")


@click.command()
def prune() -> None:
    """Forget what may be forgotten, as a worker does every hour."""
    Worker(runtime=opening.runtime()).keep_house()
    click.echo("pruned")
