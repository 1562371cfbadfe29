"""`countersign tenants`, for self-managed sites: they cannot install us (ADR 21).

What opens such a site's Jira is read from a file or from standard input, never from the
command line: that stands in every list of processes.
"""

import sys
import uuid
from typing import TextIO

import click

from app import datacenter
from app.cli import opening
from app.crypto import Secret
from app.http import SendError
from app.jira import ODD, JiraError, open_jira, open_self_managed
from app.runtime import Runtime
from app.tenants import Tenant

SERVER = frozenset({"Server", "Data Center"})
"""What a self-managed Jira says of its deployment. Source: Jira REST API v2,
"serverInfo"."""

MOST = 2000
"""Characters of a token; Jira's have 44."""

token_option = click.option(
    "--token-file",
    type=click.File("r", encoding="utf-8"),
    default=None,
    help="Where the personal access token is; else it is read from standard input.",
)


@click.command("add-datacenter")
@click.option("--url", required=True, help="Its base URL, context path included.")
@token_option
def add(url: str, token_file: TextIO | None) -> None:
    """Add a self-managed Jira, by a personal access token of its.

    The site is let in once it has answered a call of ours. If it is in a private
    network, or a laboratory without TLS, it answers only after you have made an
    exception for it, which needs the id that is printed: then `tenants check ID`.
    """
    runtime, token = opening.runtime(), _token(token_file)
    if not runtime.settings.is_datacenter_open:
        raise click.ClickException("COUNTERSIGN_DOORS leaves this door shut")
    try:
        base_url = datacenter.address(url)
        with runtime.sessions.begin() as session:
            tenant_id = datacenter.add(
                session, runtime.keyring, base_url, token, now=runtime.now()
            )
    except (datacenter.WrongAddressError, datacenter.AddressTakenError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"tenant {tenant_id}")
    _check(runtime, tenant_id, token)


@click.command()
@click.argument("tenant_id", type=click.UUID)
def check(tenant_id: uuid.UUID) -> None:
    """Ask a self-managed Jira whether it takes our token; let it in if it waits."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        tenant = _tenant(runtime, tenant_id)
        found = datacenter.opened(session, runtime.keyring, tenant, now=runtime.now())
    if found is None:
        raise click.ClickException(
            "there is no token: `countersign tenants renew-token`"
        )
    _check(runtime, tenant_id, found)


@click.command("renew-token")
@click.argument("tenant_id", type=click.UUID)
@token_option
def renew_token(tenant_id: uuid.UUID, token_file: TextIO | None) -> None:
    """Replace a self-managed site's token, once its Jira takes the new one."""
    runtime, token = opening.runtime(), _token(token_file)
    account = _ask(runtime, tenant_id, token)
    with runtime.sessions.begin() as session:
        number = datacenter.renew_token(
            session, runtime.keyring, tenant_id, token, account, now=runtime.now()
        )
    click.echo(
        f"token number {number}, of the user {account}; the old one is forgotten"
    )


@click.command()
@click.argument("tenant_id", type=click.UUID)
@click.confirmation_option(prompt="Close the door of this site for good?")
def remove(tenant_id: uuid.UUID) -> None:
    """Remove a self-managed site: as an uninstall does, and there is no way back."""
    runtime = opening.runtime()
    _tenant(runtime, tenant_id)
    with runtime.sessions.begin() as session:
        datacenter.remove(session, tenant_id, now=runtime.now())
    click.echo("removed")


@click.command("open")
@click.argument("tenant_id", type=click.UUID)
@click.option(
    "--user", required=True, help="The key of a user of that Jira, or a name."
)
def open_(tenant_id: uuid.UUID, user: str) -> None:
    """Print a link that lets one person onto the site's pages, once, within a minute.

    You vouch with it that this person may administer the site's rules, destinations and
    keys. It lasts eight hours at most; `tenants close ID` ends it at once.
    """
    runtime = opening.runtime()
    person = _person(runtime, tenant_id, user)
    with runtime.sessions.begin() as session:
        ticket = datacenter.invite(session, tenant_id, person, now=runtime.now())
    click.echo(f"{runtime.settings.base_url}/datacenter#ticket={ticket}")


@click.command()
@click.argument("tenant_id", type=click.UUID)
def close(tenant_id: uuid.UUID) -> None:
    """End every session on the site's pages at once."""
    runtime = opening.runtime()
    _tenant(runtime, tenant_id)
    with runtime.sessions.begin() as session:
        datacenter.end_sessions(session, tenant_id, now=runtime.now())
    click.echo("closed")


COMMANDS = (add, check, renew_token, remove, open_, close)


def _token(given: TextIO | None) -> Secret:
    if given is None and sys.stdin.isatty():
        text = str(click.prompt("Personal access token", hide_input=True))
    else:
        text = (given or sys.stdin).read(MOST + 1)
    text = text.strip()
    if not (0 < len(text) <= MOST and text.isascii() and text.isprintable()):
        raise click.ClickException("this is no token: one line of printable letters")
    if " " in text:
        raise click.ClickException("a token has no space in it")
    return Secret(text)


def _tenant(runtime: Runtime, tenant_id: uuid.UUID) -> Tenant:
    """Return a self-managed site that was not removed; end the command otherwise."""
    with runtime.sessions.begin() as session:
        tenant = opening.tenant(session, tenant_id)
        if datacenter.find_identity(session, tenant_id) is None:
            words = "this is no self-managed site, or it was removed"
            raise click.ClickException(words)
        session.expunge(tenant)
    return tenant


def _check(runtime: Runtime, tenant_id: uuid.UUID, token: Secret) -> None:
    account = _ask(runtime, tenant_id, token)
    with runtime.sessions.begin() as session:
        is_new = datacenter.prove(session, tenant_id, account, now=runtime.now())
    click.echo(f"its Jira takes our calls, as the user {account}")
    if is_new:
        click.echo(f"the site is let in; next: countersign tenants open {tenant_id}")


def _ask(runtime: Runtime, tenant_id: uuid.UUID, token: Secret) -> str:
    """Return as whom a token lets us act; end the command if Jira does not take it."""
    jira = open_self_managed(runtime, _tenant(runtime, tenant_id), token)
    try:
        account = jira.own_account()
        said = jira.get("/rest/api/3/serverInfo").get("deploymentType")
    except JiraError as error:
        if error.refuses_us:
            raise click.ClickException(
                f"it does not take the token: {error}"
            ) from error
        raise click.ClickException(str(error)) from error
    except SendError as error:
        raise click.ClickException(_unreachable(tenant_id, error)) from error
    except ODD as error:
        raise click.ClickException("it is not Jira that answers") from error
    if said not in SERVER:
        raise click.ClickException(
            "this is a site of Jira Cloud: install the app there"
        )
    return account


def _unreachable(tenant_id: uuid.UUID, error: SendError) -> str:
    return (
        f"it cannot be reached: {error}.\nA private network, or http in a laboratory,"
        " needs an exception for this tenant alone:\n"
        f"  COUNTERSIGN_EGRESS_EXCEPTIONS={tenant_id}=10.1.0.0/16\n"
        f"Restart with it, then: countersign tenants check {tenant_id}"
    )


def _person(runtime: Runtime, tenant_id: uuid.UUID, user: str) -> str:
    """Return the key of a user whom Jira knows and has not shut out."""
    _tenant(runtime, tenant_id)
    with runtime.sessions.begin() as session:
        jira = open_jira(session, runtime, tenant_id)
    try:
        found = jira.person(user)
    except (JiraError, SendError, *ODD) as error:
        raise click.ClickException(
            f"Jira does not tell of this user: {error}"
        ) from error
    if found is None:
        raise click.ClickException("Jira knows no active user of this key or name")
    return found
