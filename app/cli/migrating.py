"""What the migrations need to know, and how they get past whoever uses the tables."""

import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config

from app.cli import environment
from app.patience import Patience

ROOT = Path(__file__).parents[2]

TRIES = 60
"""How often one that could not have its table is begun: ten minutes in all."""

LONGEST_PAUSE = 10.0
"""Seconds, between two of them."""

_IN_USE = frozenset({"55P03", "40P01"})
"""What PostgreSQL calls a lock that was not to be had in time, and a deadlock."""


def config() -> Config:
    """Return the migrations of the database that the settings name."""
    settings = environment.settings()
    found = Config(toml_file=ROOT / "pyproject.toml")
    found.attributes["database_url"] = settings.database_url
    found.attributes["patience"] = Patience.of_migrations(settings)
    return found


def repeat(migrate: Callable[[], None], *, say: Callable[[str], None]) -> None:
    """Migrate, again and again while somebody uses a table for long.

    A change of a table waits until all who use it are done, and all who come later wait
    behind it: Jira's calls too. So it waits a moment only, gives way to them, and is
    begun again. Each migration that was through is kept.
    """
    for number in range(1, TRIES + 1):
        try:
            migrate()
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") not in _IN_USE or number == TRIES:
                raise
            pause = min(LONGEST_PAUSE, 0.5 * 2 ** (number - 1))
            say(f"a table is in use; the next try is in {pause:.1f} seconds")
            time.sleep(pause)
        else:
            return
