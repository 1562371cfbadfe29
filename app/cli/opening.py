"""What every command starts from: the settings, and what is built of them."""

import logging
import os
import sys
from pathlib import Path

import click
from alembic.config import Config

from app.queue import TroubleFilter
from app.runtime import Runtime
from app.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]


def settings() -> Settings:
    """Read the settings; end the command with status 2 if they are wrong."""
    try:
        return Settings.from_env(os.environ)  # noqa: TID251 -- the one place that reads it
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def runtime(chosen: Settings | None = None) -> Runtime:
    """Build all that the product needs, and let it log to standard error."""
    chosen = chosen or settings()
    handler = logging.StreamHandler()
    handler.addFilter(TroubleFilter())
    logging.basicConfig(
        handlers=[handler],
        level=chosen.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("huey").setLevel(logging.WARNING)
    return Runtime.build(chosen)


def alembic() -> Config:
    """Return what the migrations need to know."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = settings().database_url
    return config
