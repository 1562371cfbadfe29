"""`countersign db`: the schema, forward and back."""

import click
from alembic import command

from app.cli import migrating


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database to a revision; the newest one by default."""
    command.upgrade(migrating.config(), revision)


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the database back to an older revision."""
    command.downgrade(migrating.config(), revision)
