"""`countersign worker`, and what workers do on a schedule, done by hand."""

import os
import threading

import click

from app import stops
from app.cli import opening, worker_metrics
from app.cli.signals import stopping
from app.watchdog import Watchdog, scheduled
from app.worker import Worker, housekeeping, retaining
from app.worker.retaining import Went

FINISH_SECONDS = 7.5
"""How long a worker that is told to stop may finish what it has in hand; with what
follows, less than the ten seconds after which whoever told it kills it."""

LAY_DOWN_SECONDS = 1.5
"""How long it may take to give the rest back: the database may be away."""


@click.command()
def worker() -> None:
    """Carry out runs until stopped.

    Then it brings each step in hand to its end, and gives the runs back. A second
    signal has it give them back at once.
    """
    runtime = opening.runtime()
    carrier = Worker(runtime=runtime)
    threads = runtime.settings.worker_threads
    # The signals first: they are heard until all else has ended.
    with (
        stopping(carrier.stop, hurry=lambda: _end(carrier), within=FINISH_SECONDS),
        worker_metrics.shown(runtime.settings),
        runtime.queue.consuming(carrier.drain, threads=threads),
        scheduled(Watchdog(runtime=runtime, stop=carrier.stop), carrier.stop),
    ):
        carrier.run()


def _end(carrier: Worker) -> None:
    """End the process now, whatever its threads wait for, and keep no run by that."""
    last = threading.Thread(target=carrier.lay_down_all, daemon=True)
    last.start()
    last.join(LAY_DOWN_SECONDS)
    os._exit(0)


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
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(*, dry_run: bool) -> None:
    """Forget now what is old enough; workers do, bit by bit.

    It goes in small transactions, beside everything else, and says what went. Started
    again after it was interrupted, it goes on.
    """
    runtime = opening.runtime()
    if dry_run:
        for went in retaining.due(runtime):
            _say(went)
        return
    with runtime.sessions.begin() as session:
        if stops.is_restored(session):
            raise click.ClickException(
                "this instance was restored from a backup: first `countersign resume`"
            )
    Worker(runtime=runtime).keep_house(housekeeping.Pace(batches=None, tell=_say))
    click.echo("pruned")


def _say(went: Went) -> None:
    click.echo(f"{went.tenant_id or 'all sites'}  {went.name}={went.count}")
