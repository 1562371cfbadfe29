"""`countersign db`: the schema, forward and back."""

from functools import partial

import click
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.cli import migrating


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database to a revision; the newest one by default."""
    config = migrating.config()
    try:
        migrating.repeat(partial(command.upgrade, config, revision), say=click.echo)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    newest = ScriptDirectory.from_config(config).get_current_head()
    click.echo(
        f"the database is at revision {newest if revision == 'head' else revision}"
    )


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the database back to an older revision.

    It loses what the older one has no place for: docs/operate.md says what that is.
    """
    downgrade_to = partial(command.downgrade, migrating.config(), revision)
    try:
        migrating.repeat(downgrade_to, say=click.echo)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"the database is at revision {revision}")
