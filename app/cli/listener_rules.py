"""`countersign rules`: rules of a self-managed site from a shell, versions and all."""

import sys
import uuid

import click
from sqlalchemy.orm import Session

from app import datacenter, listeners, rules
from app.audit import Change
from app.cli import opening
from app.rules import InvalidRuleError, own_rules


@click.group("rules")
def rules_() -> None:
    """Look after rules that listeners carry out."""


tenant_argument = click.argument("tenant_id", type=click.UUID)
listener_option = click.option(
    "--listener", "listener_id", type=click.UUID, required=True, help="Its id."
)


@rules_.command()
@tenant_argument
@listener_option
def put(tenant_id: uuid.UUID, listener_id: uuid.UUID) -> None:
    """Save the rule that comes by standard input as a new version."""
    runtime, text = opening.runtime(), sys.stdin.read(rules.MAX_SIZE + 1)
    change = Change(tenant_id=tenant_id, actor=datacenter.ACTOR, now=runtime.now())
    try:
        with runtime.sessions.begin() as session:
            known = _current(session, tenant_id, listener_id)
            rule = own_rules.read(session, tenant_id, text)
            saved = own_rules.save(
                session, change, listener_id, rule, over=known.number
            )
    except InvalidRuleError as error:
        lines = "\n".join(map(str, error.problems))
        raise click.ClickException(f"this is not a rule:\n{lines}") from error
    click.echo(f"version {saved}")


@rules_.command()
@tenant_argument
@listener_option
def show(tenant_id: uuid.UUID, listener_id: uuid.UUID) -> None:
    """Print the rule that a listener carries out now."""
    with opening.runtime().sessions.begin() as session:
        known = _current(session, tenant_id, listener_id)
    if not known.config:
        raise click.ClickException("it has no rule yet")
    click.echo(known.config)


def _current(
    session: Session, tenant_id: uuid.UUID, listener_id: uuid.UUID
) -> listeners.Version:
    row = listeners.find(session, tenant_id, listener_id)
    known = listeners.rules.current(session, row) if row is not None else None
    if known is None:
        words = "this site has no listener of this id that reports transitions"
        raise click.ClickException(words)
    return known
