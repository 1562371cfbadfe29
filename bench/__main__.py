"""`python -m bench`: everything that we claim about speed, or one part by name."""

import importlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bench import machine, report
from bench.report import Section
from tests.processes import ProcessError
from tests.services import MissingServiceError

PARTS: Mapping[str, str] = {
    "hooks": "bench.hooks.part:hooks",
    "effects": "bench.carrying.effects:effects",
    "runs": "bench.carrying.workers:runs_",
    "growth": "bench.growth:growth",
    "footprint": "bench.footprint:footprint",
    "verification": "bench.verification:verification",
    "pages": "bench.pages:pages",
}
"""Where each part is, in the order of a whole run."""

WHOLE: Mapping[str, Mapping[str, Any]] = {"pages": {"runs": 100_000, "rounds": 20}}
"""What parts are asked in a whole run, where that is not what they are by themselves:
a million runs take half an hour."""

QUICK: Mapping[str, Mapping[str, Any]] = {
    "hooks": {"times": 1, "seconds": 1},
    "effects": {"samples": 5, "burst": 20, "seconds": 3},
    "runs": {"count": 100, "rounds": 1},
    "growth": {"many": 100, "rounds": 1, "times": 20},
    "footprint": {"starts": 1, "work": 10},
    "pages": {"runs": 2000, "rounds": 3},
}
"""Enough to see that it works; no figure of it says anything."""


class Parts(click.Group):
    """Loads a part when it is measured: what another needs may be absent."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in PARTS:
            return None
        return _loaded(cmd_name)


def _loaded(part: str) -> click.Command:
    module, _, name = PARTS[part].partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command


@click.group(cls=Parts, invoke_without_command=True)
@click.option("--quick", is_flag=True, help="Only to see that it works.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=report.FOLDER,
    help="Where the results of a whole run are written.",
)
@click.pass_context
def main(context: click.Context, *, quick: bool, to: Path) -> None:
    """Measure all of it in turn and write bench/RESULTS.md, or print one part."""
    if context.invoked_subcommand is not None:
        return
    began, described = time.monotonic(), machine.described()
    asked = QUICK if quick else WHOLE
    sections: list[Section] = []
    failed = []
    for name in PARTS:
        try:
            sections += _measured(context, name, asked.get(name, {}))
        except (click.ClickException, ProcessError, MissingServiceError) as error:
            # What took a quarter of an hour is not thrown away for the next part.
            click.echo(f"{name}: {error}", err=True)
            failed.append(name)
            words = ["It could not be measured; `make bench` says why."]
            sections.append(Section(title=name, columns=[name], rows=[], notes=words))
    written = report.write(to, sections, described, time.monotonic() - began)
    click.echo(f"\nwritten: {', '.join(map(str, written))}")
    context.exit(1 if failed else 0)


def _measured(
    context: click.Context, name: str, asked: Mapping[str, Any]
) -> list[Section]:
    found: list[Section] = context.invoke(_loaded(name), **asked)
    return found


if __name__ == "__main__":
    main()
