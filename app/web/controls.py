"""Forms drawn from models: one control for each field, as the script reads it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.web import bodies


@dataclass(frozen=True, kw_only=True)
class Control:
    """One field of a model, as a form draws it."""

    key: str
    label: str
    hint: str
    kind: str
    """How the script reads it; `valueOf` in forms.js knows them all."""
    required: bool
    is_long: bool
    choices: Sequence[str]
    suggestions: Sequence[str]
    """What may be written there, among other things."""
    value: str
    """Its text; `yes` or nothing for a flag."""
    pairs: Sequence[tuple[str, str]]
    """Names and their texts, where the value is such."""
    is_secret: bool = False
    """It goes one way, in: what is kept is never shown."""


def of(
    model: type[BaseModel], values: Mapping[str, Any], *, but: str = ""
) -> list[Control]:
    """Return the controls of a model's form, filled with what `values` has of it."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    return [
        _control(
            key,
            described,
            values.get(key, described.get("default")),
            is_required=key in required,
        )
        for key, described in schema.get("properties", {}).items()
        if key != but
    ]


def _control(
    key: str, schema: Mapping[str, Any], value: object, *, is_required: bool
) -> Control:
    shapes = schema.get("anyOf", [schema])
    kind = _kind(key, schema, shapes, is_required=is_required)
    formats = {shape.get("format") for shape in shapes}
    is_secret = any(shape.get("writeOnly") for shape in shapes)
    can_be_empty = not any({"minLength", "pattern"} & each.keys() for each in shapes)
    return Control(
        key=key,
        label=schema["title"],
        hint=schema.get("description", ""),
        kind=kind,
        required=is_required and not can_be_empty,
        is_long=kind in {"lines", "json"} or bool(formats & _LONG),
        choices=schema.get("enum", ()),
        suggestions=schema.get("examples", ()),
        value="" if is_secret else _shown(kind, value),
        pairs=list(_pairs(value)) if kind == "pairs" else (),
        is_secret=is_secret,
    )


def _kind(
    key: str,
    schema: Mapping[str, Any],
    shapes: Sequence[Mapping[str, Any]],
    *,
    is_required: bool,
) -> str:
    types = {shape.get("type") for shape in shapes}
    if key == "destination":
        return key
    if "enum" in schema:
        return "choice"
    if len(types) == 1 and types <= _KINDS.keys():
        return _KINDS[types.pop()]
    if "array" in types:
        return "text-or-list"
    if "string" not in types:
        return "json"
    # A secret that is left empty stays as it is.
    is_secret = any(shape.get("writeOnly") for shape in shapes)
    return "text" if is_required and not is_secret else "optional"


_LONG = frozenset({"markup", "lines"})
"""Formats of texts with more than one line."""

_KINDS: Mapping[Any, str] = {"boolean": "flag", "array": "lines", "object": "pairs"}
"""How the form has what can be nothing else."""


def _shown(kind: str, value: object) -> str:
    if kind == "flag":
        return "yes" if value is True else ""
    if kind == "lines":
        return "\n".join(map(text_of, list_of(value)))
    if kind == "json" and value is not None:
        return _json_text(value)
    return text_of(value)


def _json_text(value: object) -> str:
    """Return a text as it is, unless it would be read back as something else.

    A text that only starts like JSON is quoted: unquoted it would be malformed.
    """
    if isinstance(value, str) and read_json(value) is None and value != "null":
        is_odd = value.lstrip().startswith(("{", "["))
        if not is_odd or value.lstrip().startswith(("{{", "{%")):
            return value
    return json.dumps(value, ensure_ascii=False)


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    for name, text in object_of(value).items():
        yield name, text_of(text)


def read_json(text: str) -> object:
    """Return what the text is as JSON; None if it is none, or too deep to show."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if bodies.is_deep(data) else data


def text_of(value: object) -> str:
    """Return text as it is and anything else as its JSON, so that nothing is lost."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def object_of(value: object) -> Mapping[str, Any]:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []
