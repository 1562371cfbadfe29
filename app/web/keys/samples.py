"""Verifying code for a receiver, filled in with what it has to match.

The same code as in docs/receivers.md, for one issuer; `tests/receivers` runs it.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template
from markupsafe import Markup

SUBJECTS_SHOWN = 20
"""Projects of a destination whose subjects are listed; it may have hundreds."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What a receiver matches, byte for byte."""

    issuer: str
    key_set: str
    audience: str
    subjects: Sequence[str]
    """One for each project; a test event's has `:test` behind it."""
    left_out: int = 0
    """Projects whose subjects are not among them."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One program to copy."""

    id: str
    label: str
    text: str


def of(matched: Matched) -> Sequence[Sample]:
    """Return the programs, ready to run."""
    return [
        Sample(id=key, label=label, text=_filled(name, matched))
        for key, label, name in (
            ("python", "Python, with PyJWT", "verify.py.txt"),
            ("node", "Node, with jose", "verify.mjs.txt"),
        )
    ]


def example(issuer: str, key_set: str) -> Matched:
    """Return what stands in for a destination where there is none yet."""
    nobody = uuid.UUID(int=0)
    return Matched(
        issuer=issuer,
        key_set=key_set,
        audience="https://receiver.example/in",
        subjects=[f"tenant:{nobody}:project:10000:destination:{nobody}"],
    )


def _filled(name: str, matched: Matched) -> str:
    # Attack: an audience with a quote in it ends the text that it stands in, and what
    # follows is code that another admin copies to a server.
    text = render_template(f"samples/{name}", literal=_literal, **vars(matched))
    return text.strip() + "\n"


def _literal(text: str) -> Markup:
    """Return it as a text of Python and of JavaScript: JSON in ASCII is one of both."""
    return Markup(json.dumps(text))  # noqa: S704 -- code, escaped where it is shown
