"""Reads what an admin's form says of a destination, and answers in an admin's words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.destinations import Definition
from app.rules import Problem
from app.tokens.checks import is_storable
from app.web.errors import BadRequestError


class InvalidDefinitionError(Exception):
    """This is no destination. `problems` says why, each by its key; none has a value.

    A header's value is a credential, so no message may quote one (rule T8).
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


def read(body: Mapping[str, Any]) -> Definition:
    """Return what the form says; raise `InvalidDefinitionError` with all problems.

    Headers come as pairs, `[name, value]`, so that one that stands twice is seen;
    without a value the one that is kept stays.
    """
    pairs = _pairs(body.get("headers", []))
    problems = [*_unstorable(body), *_repeated(pairs)]
    try:
        definition = Definition.model_validate({**body, "headers": dict(pairs)})
    except ValidationError as error:
        problems += map(_problem, error.errors(include_url=False))
    else:
        if not problems:
            return definition
    raise InvalidDefinitionError(problems)


def _pairs(value: object) -> list[tuple[str, str | None]]:
    found = []
    for pair in value if isinstance(value, list) else [value]:
        match pair:
            case [str(name), str() | None as text]:
                found.append((name.strip(), text.strip() if text else text))
            case _:
                raise BadRequestError("headers must be pairs of a name and a value")
    return found


def _repeated(pairs: Sequence[tuple[str, str | None]]) -> Iterator[Problem]:
    names = [name.lower() for name, _ in pairs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("headers", f"“{name[:64]}” stands twice")


def _unstorable(body: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in body.items():
        if isinstance(value, str) and not is_storable(value):
            yield Problem(key[:80], "it holds a character that is no text")


def _problem(detail: ErrorDetails) -> Problem:
    key = str(detail["loc"][0])[:80] if detail["loc"] else ""
    return Problem(key, _message(key, detail))


_MESSAGES = {
    "missing": "it is missing",
    "string_too_short": "it is empty",
    "too_short": "choose at least one",
    "enum": "choose one of those that are offered",
    "extra_forbidden": "this key is unknown",
    "string_unicode": "it holds a character that is no text",
}


def _message(key: str, detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "string_too_long" | "too_long":
            return f"this is too long: at most {context['max_length']}"
        case kind:
            otherwise = _OF_KEYS.get(key, "this is not what belongs here")
            return _MESSAGES.get(kind, otherwise)


_OF_KEYS = {
    "per_minute": "write a whole number from 1 to 6000",
    "audience": "write it in ASCII, without spaces",
}
