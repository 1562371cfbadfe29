"""What is wrong with an environment, said so that an operator can mend it."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError


def told(name: str, message: str) -> InitErrorDetails:
    """Return a problem of one setting that its own text does not show."""
    kind = PydanticCustomError("unsafe", "%s" % message)  # noqa: UP031 -- no braces
    return {"type": kind, "loc": (name,), "input": None}


def lines(
    fields: Mapping[str, FieldInfo], error: ValidationError, *, prefix: str
) -> Sequence[str]:
    """Return a line for each setting that is missing or wrong, in their order."""
    found = {str(each["loc"][0]): each for each in reversed(error.errors())}
    return [
        _line(prefix + name.upper(), field, found[name])
        for name, field in fields.items()
        if name in found
    ]


def _line(variable: str, field: FieldInfo, error: ErrorDetails) -> str:
    example = field.examples[0] if field.examples else ""
    message = (
        "is missing" if error["type"] == "missing" else f"is wrong: {error['msg']}"
    )
    return f"{variable} {message}. {field.description}. Example: {example}"
