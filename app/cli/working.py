"""`countersign worker`, and what workers do on a schedule, done by hand."""

import click

from app import stops
from app.cli import opening
from app.cli.signals import stopping
from app.runs import Turns
from app.watchdog import Watchdog, scheduled
from app.worker import Carriers, Worker


@click.command()
def worker() -> None:
    """Carry out runs until stopped."""
    runtime = opening.runtime()
    threads = runtime.settings.worker_threads
    carrier = Worker(
        runtime=runtime,
        turns=Turns(most=threads),
        carriers=Carriers(count=threads + 1),
    )
    # In this order: Huey takes the signals first, and we take them from it.
    with (
        runtime.queue.consuming(carrier.carriers.wake, threads=1),
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
