"""What the environment says: the one place that reads it."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import click

from app.settings import Settings, SettingsError


def settings() -> Settings:
    """Read the settings; end the command with status 2 if they are wrong."""
    try:
        return Settings.from_env(os.environ)  # noqa: TID251 -- see above
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


_TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
"""The folder in which processes count together; prometheus_client's own name for it."""


@contextlib.contextmanager
def counting_together() -> Iterator[None]:
    """Let this process and those that it starts count together, for `/metrics`.

    Call it before `app.metrics` is imported. Whoever started us may have done so.
    """
    if os.environ.get(_TOGETHER):  # noqa: TID251 -- prometheus_client reads it, too
        yield
        return
    try:
        folder = tempfile.mkdtemp(prefix="countersign-metrics-")
    except OSError as error:
        # Nothing may be written here: no reason not to serve.
        click.echo(f"processes do not count together: {error}", err=True)
        yield
        return
    maker = os.getpid()
    os.environ[_TOGETHER] = folder  # noqa: TID251 -- handed on
    try:
        yield
    finally:
        # Processes that were forked from this one come by here, too, when they end.
        if os.getpid() == maker:
            del os.environ[_TOGETHER]  # noqa: TID251 -- as above
            shutil.rmtree(folder, ignore_errors=True)


def extended(**more: str) -> dict[str, str]:
    """Return what a program that we start is told, with more of ours."""
    return {**os.environ, **more}  # noqa: TID251 -- handed on, not read
