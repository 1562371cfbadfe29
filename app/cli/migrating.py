"""What the migrations need to know."""

from pathlib import Path

from alembic.config import Config

from app.cli import environment

ROOT = Path(__file__).parents[2]


def config() -> Config:
    """Return the migrations of the database that the settings name."""
    found = Config(toml_file=ROOT / "pyproject.toml")
    found.attributes["database_url"] = environment.settings().database_url
    return found
