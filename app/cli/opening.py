"""What most commands start from: all that is built of the settings."""

import logging
import uuid

import click
from sqlalchemy.orm import Session

from app.cli import environment, lines
from app.cli.lines import Names
from app.patience import Patience
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Tenant

log = logging.getLogger(__name__)


def runtime(
    chosen: Settings | None = None, *, serves: bool = False, names: Names = dict
) -> Runtime:
    """Build all that the product needs, and let it log to standard error.

    What `serves` others waits less long for the database than what works for itself.
    `names` says what a line of the log is about, beside what is bound.
    """
    chosen = chosen or environment.settings()
    handler = lines.handler(chosen.log_form, names)
    logging.basicConfig(handlers=[handler], level=chosen.log_level)
    logging.getLogger("huey").setLevel(logging.WARNING)
    for caution in chosen.cautions:
        log.warning("%s", caution)
    patience = Patience.of_web(chosen) if serves else Patience.of_work(chosen)
    built = Runtime.build(chosen, patience)
    if (context := click.get_current_context(silent=True)) is not None:
        context.call_on_close(built.sessions.kw["bind"].dispose)
    return built


def tenant(session: Session, tenant_id: uuid.UUID) -> Tenant:
    """Return a site; end the command if there is none of this id."""
    found = session.get(Tenant, tenant_id)
    if found is None:
        raise click.ClickException("no such tenant; see `countersign tenants list`")
    return found
