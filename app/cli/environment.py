"""What the environment says: the one place that reads it."""

import os
import sys

import click

from app.settings import Settings, SettingsError


def settings() -> Settings:
    """Read the settings; end the command with status 2 if they are wrong."""
    try:
        return Settings.from_env(os.environ)  # noqa: TID251 -- see above
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def extended(**more: str) -> dict[str, str]:
    """Return what a program that we start is told, with more of ours."""
    return {**os.environ, **more}  # noqa: TID251 -- handed on, not read
