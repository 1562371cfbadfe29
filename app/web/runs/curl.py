"""A delivery as a command that somebody can try by hand: all of it but its proof."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from app.destinations.scrubbing import HIDDEN
from app.runs import Exchange


@dataclass(frozen=True, kw_only=True)
class Command:
    text: str
    left_out: Sequence[str]
    """Headers that it lacks, as they were credentials."""
    lacks_query: bool
    """What stood after the "?" of the address was one, too."""


def command(sent: Exchange) -> Command:
    """Return the request of an attempt as a call of curl, in one line.

    It is made of what was kept, which is without credentials (rules T8, T13), and what
    stands in their place is left out. Attack: a name in an issue that ends the quote
    and goes on as a command of its own. Every part is quoted for a POSIX shell, and
    `--data-raw`, unlike `--data`, reads no file for a text that begins with "@".
    """
    first, *lines = sent.request_head.splitlines()
    method, _, url = first.partition(" ")
    address, _, query = url.partition("?")
    # Brackets and braces in the address are to be sent, not to be expanded.
    parts = ["curl", "--globoff", "--request", method, address]
    left_out = []
    for line in lines:
        if HIDDEN in line:
            left_out.append(line.partition(":")[0])
        else:
            parts += ["--header", line]
    if sent.request_body:
        parts += ["--data-raw", sent.request_body]
    return Command(
        text=shlex.join(parts), left_out=left_out, lacks_query=HIDDEN in query
    )
