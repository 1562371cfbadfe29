"""`countersign keys`: a site's keys that sign, and the operator's keys that seal."""

import click

from app.cli import sealing, signing


@click.group()
def keys() -> None:
    """Look after keys: those that sign, and those that seal."""


for _command in (
    signing.list_keys,
    signing.rotate,
    signing.revoke,
    sealing.report,
    sealing.reseal,
):
    keys.add_command(_command)
