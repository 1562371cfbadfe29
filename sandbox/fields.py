"""What may be written to an issue's fields, and how each is kept and shown."""

import re
from collections.abc import Callable
from typing import Any

from sandbox import adf, catalogue, people
from sandbox.catalogue import Field
from sandbox.people import Person

Json = dict[str, Any]

LONGEST_SUMMARY = 255
LONGEST_TEXT = 32_767
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
RICH = frozenset({"description", "customfield_10013"})
"""Kept as ADF; plain text would be refused by REST v3."""
CHOICES: dict[str, dict[str, str]] = {
    "priority": catalogue.PRIORITIES,
    "security": catalogue.SECURITY_LEVELS,
    "resolution": catalogue.RESOLUTIONS,
    "customfield_10011": catalogue.ENVIRONMENTS,
}


class FieldError(Exception):
    """Answered with 400 and the text beside the field's name."""


def editable(person: Person) -> list[Field]:
    return [f for f in catalogue.FIELDS if f.operations and person.may(f.needs)]


def kept(field: Field, value: object) -> object:
    """Turn what REST was given into what is stored, or refuse it."""
    if value is None:
        if field.id in {"summary", "priority"}:
            raise FieldError(f"{field.name} is required.")
        return [] if field.id == "labels" else None
    return _parser(field)(field, value)


def _parser(field: Field) -> Callable[[Field, object], object]:
    if field.id in RICH:
        return _rich
    if field.id in CHOICES:
        return _choice
    return {
        "string": _line,
        "number": _number,
        "date": _day,
        "user": _user,
        "array": _labels,
    }[field.schema["type"]]


def _line(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise FieldError("Operation value must be a string")
    if field.id == "summary" and not value.strip():
        raise FieldError("You must specify a summary of the issue.")
    if "\n" in value or "\r" in value:
        raise FieldError(f"The {field.name.lower()} is invalid: it has line breaks.")
    if len(value) > LONGEST_SUMMARY:
        raise FieldError(f"{field.name} must be at most {LONGEST_SUMMARY} characters.")
    return value


def _rich(field: Field, value: object) -> Json:
    if isinstance(value, str):
        raise FieldError("Operation value must be an Atlassian Document")
    try:
        document = adf.check(value)
    except adf.InvalidDocumentError as error:
        raise FieldError(f"{field.name} is not a valid document: {error}") from None
    if len(adf.text(document)) > LONGEST_TEXT:
        raise FieldError(f"The entered text is too long: at most {LONGEST_TEXT}.")
    return document


def _choice(field: Field, value: object) -> str:
    if not isinstance(value, dict):
        raise FieldError(f"Specify a valid 'id' or 'name' for {field.name}")
    choices = CHOICES[field.id]
    wanted = value.get("id")
    if wanted is not None:
        if str(wanted) in choices:
            return str(wanted)
        raise FieldError(f"Option id '{wanted}' is not valid")
    name = value.get("value" if field.is_custom else "name")
    for number, label in choices.items():
        if label == name:
            return number
    raise FieldError(f"The value {name!r} is not valid for {field.name}")


def _number(_field: Field, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError("Operation value must be a number")
    return value


def _day(_field: Field, value: object) -> str:
    if not isinstance(value, str) or not _DAY.match(value):
        raise FieldError("The date is not of the form yyyy-MM-dd")
    return value


def _user(field: Field, value: object) -> str | None:
    if not isinstance(value, dict) or "accountId" not in value:
        raise FieldError("Expected an object with accountId")
    return account(field, value["accountId"])


def account(field: Field, account_id: object) -> str | None:
    if account_id is None:
        return None
    person = people.find(str(account_id))
    if person is None:
        raise FieldError(f"User '{account_id}' does not exist.")
    if field.id == "assignee" and not person.may("ASSIGNABLE_USER"):
        raise FieldError(f"User '{account_id}' cannot be assigned issues.")
    return person.account_id


def _labels(_field: Field, value: object) -> list[str]:
    if not isinstance(value, list):
        raise FieldError("data was not an array")
    return sorted({label(one) for one in value})


def label(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise FieldError("string expected as label")
    if re.search(r"\s", value):
        raise FieldError(f"The label '{value}' contains spaces which is invalid.")
    if len(value) > LONGEST_SUMMARY:
        raise FieldError("The label is too long.")
    return value


def display(field: Field, value: object) -> str | None:
    """The value in words, as the history writes it."""
    if value is None:
        return None
    if field.id in RICH and isinstance(value, dict):
        return adf.text(value)
    if field.id in CHOICES:
        return CHOICES[field.id][str(value)]
    if isinstance(value, list):
        return " ".join(str(one) for one in value)
    if field.schema["type"] == "user":
        person = people.find(str(value))
        return person.name if person else str(value)
    return str(value)
