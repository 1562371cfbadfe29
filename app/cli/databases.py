"""`countersign db`: the schema, forward and back."""

import click
from alembic import command

from app.cli import opening


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database to a revision; the newest one by default."""
    command.upgrade(opening.alembic(), revision)


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the database back to an older revision."""
    command.downgrade(opening.alembic(), revision)
