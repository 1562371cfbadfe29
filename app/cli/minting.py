"""`countersign sign`: the token of a listener's caller, made in a shell.

It needs no settings and no database: whoever calls a listener from a script runs it,
where the secret is and Countersign's server is not.
"""

import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import click

from app.crypto import Secret
from app.runtime import utc_now
from app.tokens import ours

LEAST = 32
"""Bytes of a secret: HS256 asks for no fewer (RFC 7518, 3.2), and ours have 43."""

MOST = 1000

STDIN = "-"


@click.command()
@click.option("--issuer", required=True, help="The name chosen for the listener.")
@click.option("--audience", required=True, help="The listener's address.")
@click.option(
    "--body",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="What is going to be sent, byte for byte.",
)
@click.option(
    "--secret-file",
    type=click.File("rb"),
    metavar="FILE",
    help="Where the listener's secret is; else it is read from standard input.",
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 60),
    default=1,
    show_default=True,
    help="How long the token opens the listener.",
)
@click.option("--curl", is_flag=True, help="Print a whole command that sends it.")
def sign(
    *,
    issuer: str,
    audience: str,
    body: str,
    secret_file: BinaryIO | None,
    minutes: int,
    curl: bool,
) -> None:
    """Print a token that opens a listener, once, for one body.

    The listener is one whose proof is a secret (HS256). The secret is no option: what
    stands on a command line, everybody on the machine can read.
    """
    if body == STDIN and secret_file is None:
        raise click.UsageError("one of the two comes from a file: body or secret")
    if body == STDIN and curl:
        raise click.UsageError("a command for curl needs the body in a file")
    token = ours.sign_for_listener(
        _secret(secret_file),
        issuer=issuer,
        audience=audience,
        body=sys.stdin.buffer.read() if body == STDIN else Path(body).read_bytes(),
        lifetime=timedelta(minutes=minutes),
        now=utc_now(),
    )
    click.echo(_command(token, audience, body) if curl else token)


def _secret(given: BinaryIO | None) -> Secret:
    if given is None and sys.stdin.isatty():
        data = str(click.prompt("Secret", hide_input=True, err=True)).encode()
    else:
        data = (given or sys.stdin.buffer).read(MOST + 1)
    data = data.strip()
    if len(data) > MOST or not data.isascii() or not data.decode().isprintable():
        raise click.ClickException("a secret is one line of printable letters")
    if len(data) < LEAST:
        raise click.ClickException(
            f"a listener's secret has {LEAST} letters or more: is this another one?"
        )
    return Secret(data.decode())


def _command(token: str, url: str, body: str) -> str:
    """Write it for a shell; no quote in an address or a name ends another."""
    parts = (
        *("curl", "--silent", "--show-error", "--fail-with-body"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--header", "Content-Type: application/json"),
        *("--data-binary", f"@{body}", "--url", url),
    )
    return shlex.join(parts)
