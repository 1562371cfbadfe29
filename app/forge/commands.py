"""`countersign forge`: what an operator needs to bring the app to Forge.

Nothing here needs a database or a secret, so that it runs where Forge's own command
line does: hence the two variables it takes, and not all of `Settings`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import TypeAdapter, ValidationError

from app.forge import consent, manifest, shells
from app.settings import PREFIX
from app.settings.kinds import BaseUrl, ForgeAppId


def _base_url(context: click.Context, option: click.Parameter, value: str) -> str:
    del context, option
    try:
        url = TypeAdapter[str](BaseUrl).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"]) from None
    if not url.startswith("https://"):
        raise click.BadParameter("Forge calls https only")
    return url


def _app_id(context: click.Context, option: click.Parameter, value: str) -> str:
    del context, option
    try:
        return TypeAdapter[str](ForgeAppId).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"]) from None


def _operator_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take what only the operator knows."""
    options = (
        click.option(
            "--base-url",
            envvar=f"{PREFIX}BASE_URL",
            show_envvar=True,
            required=True,
            callback=_base_url,
            help="Where Forge reaches this app.",
        ),
        click.option(
            "--app-id",
            envvar=f"{PREFIX}FORGE_APP_ID",
            show_envvar=True,
            required=True,
            callback=_app_id,
            help="What `forge register` said: ari:cloud:ecosystem::app/UUID.",
        ),
        click.option(
            "--connect-key",
            default="",
            help="Only for an app on the Marketplace: the key of the Connect app whose"
            " place it takes.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def forge() -> None:
    """Bring the app to Forge: its manifest and the frames of its pages."""


@forge.command("manifest")
@_operator_options
def write_manifest(base_url: str, app_id: str, connect_key: str) -> None:
    """Write the manifest, filled in, to standard output."""
    rendered = manifest.render(base_url, app_id, connect_key=connect_key)
    click.echo(manifest.dump(rendered), nl=False)


@forge.command()
@click.argument("old_manifest", type=click.Path(exists=True, path_type=Path))
@_operator_options
def diff(old_manifest: Path, base_url: str, app_id: str, connect_key: str) -> None:
    """Say what changed since OLD_MANIFEST was deployed.

    Exits with 1 if admins must approve some of it before their sites get it.
    """
    new = manifest.render(base_url, app_id, connect_key=connect_key)
    changed = consent.changes(_read(old_manifest), new)
    asked = [change for change in changed if change.needs_approval]
    _tell("Admins must approve:", asked)
    _tell("Comes by itself:", [change for change in changed if change not in asked])
    if not changed:
        click.echo("Nothing changed.")
    sys.exit(1 if asked else 0)


@forge.command("shells")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def write_shells(folder: Path) -> None:
    """Write the frames of our pages below FOLDER.

    `npm run forge` adds the rest.
    """
    shells.write(folder)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is no YAML: {error}") from None
    if not isinstance(read, Mapping):
        raise click.UsageError(f"{path} is no manifest")
    return read


def _tell(heading: str, changed: list[consent.Change]) -> None:
    if changed:
        click.echo(heading)
    for change in changed:
        click.echo(f"  {change}")
