"""What is wrong with a form, in an admin's words; no message quotes a value.

A value may be a credential, and one that is wrong may be nearly right (rule T8).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from app.rules import Problem
from app.tokens.checks import is_storable


class InvalidDefinitionError(Exception):
    """This is not what the form is for. `problems` says why, each by its key."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


def unstorable(body: Mapping[str, Any], prefix: str = "") -> Iterator[Problem]:
    """Yield a problem for each text, or list of texts, that no database takes."""
    for key, value in body.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and not is_storable(text) for text in texts):
            yield Problem(f"{prefix}{key[:80]}", "it holds a character that is no text")


def problem(detail: ErrorDetails, of_keys: Mapping[str, str]) -> Problem:
    """Return what a model found, in words; `of_keys` has those of some keys."""
    key = str(detail["loc"][0])[:80] if detail["loc"] else ""
    return Problem(key, _message(key, detail, of_keys))


_MESSAGES = {
    "missing": "it is missing",
    "string_too_short": "it is empty",
    "too_short": "choose at least one",
    "enum": "choose one of those that are offered",
    "extra_forbidden": "this key is unknown",
    "string_unicode": "it holds a character that is no text",
}


def _message(key: str, detail: ErrorDetails, of_keys: Mapping[str, str]) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "string_too_long" | "too_long":
            return f"this is too long: at most {context['max_length']}"
        case kind:
            otherwise = of_keys.get(key, "this is not what belongs here")
            return _MESSAGES.get(kind, otherwise)
