"""What every command starts from: the settings, and what is built of them."""

import logging
import os
import sys
import uuid
from pathlib import Path

import click
from alembic.config import Config
from sqlalchemy.orm import Session

from app.cli.lines import OneLine, Sparing
from app.queue import TroubleFilter
from app.runtime import Runtime
from app.settings import Settings, SettingsError
from app.tenants import Tenant

ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


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
    handler.addFilter(Sparing())
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=chosen.log_level)
    logging.getLogger("huey").setLevel(logging.WARNING)
    for caution in chosen.cautions:
        log.warning("%s", caution)
    built = Runtime.build(chosen)
    if (context := click.get_current_context(silent=True)) is not None:
        context.call_on_close(built.sessions.kw["bind"].dispose)
    return built


def alembic() -> Config:
    """Return what the migrations need to know."""
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = settings().database_url
    return config


def environment(**more: str) -> dict[str, str]:
    """Return what a program that we start is told, with more of ours."""
    return {**os.environ, **more}  # noqa: TID251 -- handed on, not read


def tenant(session: Session, tenant_id: uuid.UUID) -> Tenant:
    """Return a site; end the command if there is none of this id."""
    found = session.get(Tenant, tenant_id)
    if found is None:
        raise click.ClickException("no such tenant; see `countersign tenants list`")
    return found
