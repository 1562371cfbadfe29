"""What is wrong with an environment, said so that an operator can mend it."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError


def told(name: str, message: str) -> InitErrorDetails:
    """Return a problem of one setting that its own text does not show."""
    kind = PydanticCustomError("unsafe", "%s" % message)  # noqa: UP031 -- no braces
    return {"type": kind, "loc": (name,), "input": None}


def found(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with each setting, the first problem of each."""
    return {
        str(each["loc"][0]): "is missing"
        if each["type"] == "missing"
        else f"is wrong: {each['msg'].removeprefix('Value error, ')}"
        for each in reversed(error.errors())
    }


def lines(
    fields: Mapping[str, FieldInfo], wrong: Mapping[str, str], *, prefix: str
) -> Sequence[str]:
    """Return a line for each setting that is missing or wrong, in their order."""
    return [
        _line(prefix + name.upper(), field, wrong[name])
        for name, field in fields.items()
        if name in wrong
    ]


def _line(variable: str, field: FieldInfo, message: str) -> str:
    example = field.examples[0] if field.examples else ""
    return f"{variable} {message}. {field.description}. Example: {example}"
