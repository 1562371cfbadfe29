"""The console script `countersign`: everything an operator does from a shell."""

import click

from app.cli import databases, doctoring, sealing, serving, sites
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
    sealing.keys,
    doctoring.examine,
    forge,
):
    main.add_command(_command)
