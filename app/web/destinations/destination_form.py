"""Reads what an admin's form says of a destination, and answers in an admin's words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app import destinations
from app.destinations import Definition
from app.rules import Problem
from app.web import form_problems
from app.web.errors import BadRequestError
from app.web.form_problems import InvalidDefinitionError


def read(body: Mapping[str, Any]) -> Definition:
    """Return what the form says; raise `InvalidDefinitionError` with all problems.

    Headers come as pairs, `[name, value]`, so that one that stands twice is seen;
    without a value the one that is kept stays.
    """
    pairs = _pairs(body.get("headers", []))
    parts = _parts(body)
    problems = [*form_problems.unstorable(body), *_repeated(pairs)]
    for name, part in parts.items():
        problems += form_problems.unstorable(part, f"{name}.")
    problems += [Problem(*each) for each in destinations.unfit(_kind(body), **parts)]
    try:
        definition = Definition.model_validate(
            {**body, **parts, "headers": dict(pairs)}
        )
    except ValidationError as error:
        # What is wrong with a kind's own form was said by its keys.
        found = [e for e in error.errors(include_url=False) if e["loc"]]
        problems += [form_problems.problem(each, _OF_KEYS) for each in found]
    else:
        if not problems:
            return definition
    raise InvalidDefinitionError(problems)


def _kind(body: Mapping[str, Any]) -> str:
    kind = body.get("kind", "webhook")
    return kind if isinstance(kind, str) else ""


def _parts(body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what stands in the forms of its kind."""
    found = {}
    for name in ("settings", "credentials"):
        part = body.get(name, {})
        if not isinstance(part, dict):
            raise BadRequestError(f"{name} must be an object")
        found[name] = part
    return found


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


_OF_KEYS = {
    "per_minute": "write a whole number from 1 to 6000",
    "audience": "write it in ASCII, without spaces",
}
