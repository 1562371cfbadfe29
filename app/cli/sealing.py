"""`countersign keys`: the keys that seal secrets."""

import click

from app import vault
from app.cli import opening


@click.group()
def keys() -> None:
    """Look after the keys that seal secrets."""


@keys.command()
def reseal() -> None:
    """Seal every secret with the newest key; then the older keys can go."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        count = vault.reseal(session, runtime.keyring)
    click.echo(f"{count} secrets sealed again")
