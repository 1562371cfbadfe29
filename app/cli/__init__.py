"""The console script `countersign`: everything an operator does from a shell."""

import click

from app.cli import (
    auditing,
    backups,
    databases,
    doctoring,
    keys,
    serving,
    sites,
    stopping,
)
from app.forge.commands import forge


@click.group()
def main() -> None:
    """Countersign: verified in, signed out, never silent."""


for _command in (
    serving.serve,
    serving.worker,
    serving.watch,
    serving.prune,
    databases.db,
    sites.group,
    keys.keys,
    auditing.audit,
    doctoring.examine,
    stopping.stop,
    stopping.resume,
    stopping.stops_,
    backups.backup,
    backups.restore,
    forge,
):
    main.add_command(_command)
