"""The console script `countersign`: everything an operator does from a shell."""

import importlib

import click

COMMANDS = {
    "audit": "app.cli.auditing:audit",
    "backup": "app.cli.backups:backup",
    "db": "app.cli.databases:db",
    "doctor": "app.cli.doctoring:examine",
    "forge": "app.forge.commands:forge",
    "keys": "app.cli.keys:keys",
    "prune": "app.cli.working:prune",
    "restore": "app.cli.backups:restore",
    "rules": "app.cli.listener_rules:rules_",
    "resume": "app.cli.stopping:resume",
    "serve": "app.cli.serving:serve",
    "sign": "app.cli.minting:sign",
    "stop": "app.cli.stopping:stop",
    "stops": "app.cli.stopping:stops_",
    "tenants": "app.cli.sites:group",
    "watch": "app.cli.working:watch",
    "worker": "app.cli.working:worker",
}
"""Where each command is."""


class Commands(click.Group):
    """Loads a command when it is used: a worker needs no web server, and so on."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Carry a command out; what the operator can mend is told in words."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            trouble = importlib.import_module("app.cli.trouble")
            if (words := trouble.words_of(error)) is None:
                raise
            raise click.ClickException(words) from error


@click.group(cls=Commands)
@click.version_option(package_name="countersign")
def main() -> None:
    """Countersign: verified in, signed out, never silent."""
