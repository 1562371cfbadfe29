"""Reads what a verified caller sent, believing nothing of its shape."""

import json
from typing import Any

from flask import request

from app.tokens.checks import is_storable
from app.web.errors import BadRequestError

DEEP = 100
"""Levels of JSON; a rule has about five."""


def read_object() -> dict[str, Any]:
    """Return the request's JSON object; raise `BadRequestError` for anything else."""
    return object_of(request.get_data())


def object_of(octets: bytes) -> dict[str, Any]:
    """Return a JSON object; raise `BadRequestError` for anything else."""
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError is a ValueError; deep nesting ends in RecursionError.
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body is not a JSON object")
    return body


def text(body: dict[str, Any], name: str, *, limit: int = 2000) -> str:
    """Return a member that must be text of a sane length without NUL in it."""
    value = body.get(name)
    if not isinstance(value, str) or not value or len(value) > limit:
        raise BadRequestError(f"{name} must be text of 1 to {limit} characters")
    if not is_storable(value):
        raise BadRequestError(f"{name} holds characters that cannot be stored")
    return value


def is_deep(value: object, *, levels: int = DEEP) -> bool:
    """Say whether JSON nests further than anybody means; its writer would break."""
    layer = [value]
    for _ in range(levels):
        layer = [
            part
            for whole in layer
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
        if not layer:
            return False
    return True
