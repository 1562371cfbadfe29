"""`python -m bench`: everything that we claim about speed, or one part by name."""

import importlib
import time
from collections.abc import Mapping

import click

from bench import machine, report
from bench.report import Section

PARTS: Mapping[str, str] = {
    "hooks": "bench.hooks.part:hooks",
    "effects": "bench.carrying.effects:effects",
    "runs": "bench.carrying.workers:runs_",
    "growth": "bench.growth:growth",
    "footprint": "bench.footprint:footprint",
    "verification": "bench.verification:verification",
    "pages": "bench.pages:pages",
}
"""Where each part is. All but `pages` are a whole run."""

BY_NAME_ONLY = frozenset({"pages"})
"""Takes half an hour by itself."""


class Parts(click.Group):
    """Loads a part when it is measured: what another needs may be absent."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in PARTS:
            return None
        module, _, name = PARTS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Parts, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure all of it in turn and write bench/RESULTS.md, or print one part."""
    if context.invoked_subcommand is not None:
        return
    began, described = time.monotonic(), machine.described()
    sections: list[Section] = []
    for name in PARTS:
        if name not in BY_NAME_ONLY:
            command = main.get_command(context, name)
            if command is not None:
                sections += context.invoke(command)
    report.write(sections, described, time.monotonic() - began)
    click.echo(f"\nwritten: {report.MARKDOWN} and {report.JSON}")


if __name__ == "__main__":
    main()
