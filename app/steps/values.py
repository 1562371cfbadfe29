"""Texts as values of Jira's fields, by what the edit metadata says of their type."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from math import isfinite
from typing import Any

from app.steps import adf
from app.steps.base import StepError

_Maker = Callable[[str], Any]

_TEXTAREA = ":textarea"
_RICH = frozenset({"description", "environment"})
MAX_LABEL = 255
"""Characters of a label."""


def convert(field: str, schema: Mapping[str, Any], texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Return what REST v3 takes for a field; nothing but blank texts empty it.

    `schema` is the field's in `GET …/editmeta`. Raise `StepError`, which names the
    field, for a type we do not know or a text that is no value of it.
    """
    try:
        return value_of(schema, texts)
    except ValueError as error:
        raise StepError(f"the field “{field}” cannot be set: {error}") from error


def value_of(schema: Mapping[str, Any], texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Do the same; raise `ValueError`, which says only what is wrong with the texts."""
    if schema.get("type") == "array":
        return _elements(schema, texts)
    return _single(schema, texts)


def _elements(schema: Mapping[str, Any], texts: Sequence[str]) -> list[Any]:
    make = _maker(_ELEMENTS, str(schema.get("items")))
    if schema.get("system") == "labels":
        make = label
    return [make(text.strip()) for text in texts if text.strip()]


def _single(schema: Mapping[str, Any], texts: Sequence[str]) -> Any:  # noqa: ANN401
    given = [text for text in texts if text.strip()]
    if len(given) > 1:
        raise ValueError("it takes one value")
    rich = str(schema.get("custom")).endswith(_TEXTAREA)
    if rich or schema.get("system") in _RICH:
        make: _Maker = adf.document
    else:
        make = _maker(_SINGLE, str(schema.get("type")))
    return make(given[0].strip()) if given else None


def label(text: str) -> str:
    """Return a legal label; raise `ValueError` for what Jira would refuse."""
    if not text or any(c.isspace() for c in text):
        raise ValueError("a label is one word")
    if len(text) > MAX_LABEL:
        raise ValueError(f"a label has at most {MAX_LABEL} characters")
    return text


def is_same(current: object, wanted: object) -> bool:
    """Say whether a field has what was sent; Jira answers with more than it takes."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(is_same(current.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(current, list):
        pairs = (any(is_same(c, w) for c in current) for w in wanted)
        return len(current) == len(wanted) and all(pairs)
    return current == wanted


def _maker(makers: Mapping[str, _Maker], kind: str) -> _Maker:
    if kind not in makers:
        raise ValueError(f"its type “{kind}” is not supported")
    return makers[kind]


def _line(text: str) -> str:
    return " ".join(adf.lines(text))


def _number(text: str) -> int | float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError("it takes a number") from error
    if not isfinite(number):
        raise ValueError("it takes a number")
    return int(number) if number.is_integer() else number


def _date(text: str) -> str:
    # A whole timestamp of another field may be given: its day counts.
    try:
        return date.fromisoformat(text.partition("T")[0]).isoformat()
    except ValueError as error:
        raise ValueError("it takes a date such as 2026-01-31") from error


def _datetime(text: str) -> str:
    example = "it takes a time such as 2026-01-31T10:00:00+00:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(example) from error
    if moment.tzinfo is None:
        raise ValueError(f"{example}, with its zone")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}{moment:%z}"


def _named(text: str) -> dict[str, str]:
    return {"name": text}


_SINGLE: Mapping[str, _Maker] = {
    "string": _line,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "option": lambda text: {"value": text},
    "user": lambda text: {"accountId": text},
    "priority": _named,
    "resolution": _named,
}
_ELEMENTS: Mapping[str, _Maker] = {
    "string": _line,
    "option": lambda text: {"value": text},
    "user": lambda text: {"accountId": text},
    "component": _named,
    "version": _named,
}
