"""When a rule acts: rows of field, operator and value, judged on the confirmed issue.

Text compares without regard to upper and lower case; `matches` does not, unless the
pattern says `(?i)`. A row that cannot be decided is an error, and the run fails: to
skip it would be to deploy, or not to deploy, by accident.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

import re2
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from app.jira import Issue
from app.steps import adf
from app.templating import as_text

MAX_PATTERN = 500
"""Characters of a pattern; re2 runs any of them in linear time."""

_PATTERN_MEMORY = 1 << 20


class ConditionError(Exception):
    """A row cannot be decided on this issue. Names its field and its operator."""


class Op(StrEnum):
    EQUALS = "equals"
    NOT_EQUALS = "not-equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not-contains"
    IS_EMPTY = "is-empty"
    IS_NOT_EMPTY = "is-not-empty"
    GREATER = "greater"
    LESS = "less"
    MATCHES = "matches"


UNARY = frozenset({Op.IS_EMPTY, Op.IS_NOT_EMPTY})
"""Operators that take no value."""

Value = str | int | float


def _scalar(value: object) -> Value | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a value is text or a number")  # noqa: TRY004 -- pydantic's way
    return value


class Row(BaseModel):
    """One condition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")
    op: Op
    value: Annotated[
        Value | None, PlainValidator(_scalar), Field(validate_default=True)
    ] = None

    @field_validator("value")
    @classmethod
    def _fits(cls, value: Value | None, info: ValidationInfo) -> Value | None:
        op = info.data.get("op")
        if op in UNARY:
            if value is not None:
                raise ValueError(f"“{op}” takes no value")
        elif value is None or value == "":
            raise ValueError(f"“{op}” needs a value" if op else "a value is needed")
        elif op is Op.MATCHES:
            _compiled(value)
        elif op in {Op.GREATER, Op.LESS} and isinstance(value, str):
            _number_or_moment(value)
        return value


Rows = Annotated[tuple[Row, ...], Field(max_length=20)]


class When(BaseModel):
    """All of `all`, at least one of `any`, none of `none`; nothing at all is always."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    all: Rows = ()
    any: Rows = ()
    none: Rows = ()


_STRUCTURED = frozenset(
    {"array", "user", "group", "priority", "resolution", "option", "status"}
    | {"issuetype", "project", "component", "version", "issuelink"}
)
"""Jira's types of fields that have no order."""


def misfit(row: Row, kind: str) -> str | None:
    """Say why a row can never be decided, or never be true, on a field of Jira's type.

    For who writes the rule; None where nothing speaks against it. `kind` is `type` in
    the field's schema.
    """
    ordering = row.op in {Op.GREATER, Op.LESS}
    if ordering and kind in _STRUCTURED:
        return "the field is neither a number nor a date"
    if not ordering and row.op not in {Op.EQUALS, Op.NOT_EQUALS}:
        return None
    text = as_text(row.value)
    try:
        if kind == "number":
            _number(text)
        elif kind in {"date", "datetime"}:
            _moment(text)
    except ValueError as error:
        return str(error)
    return None


def holds(when: When, issue: Issue) -> bool:
    """Say whether the rule acts on this issue; raise `ConditionError` if unclear.

    Every row is judged, also where the first of them would decide, so that a broken
    one shows at once and not on the day it matters.
    """
    required = [_decided(row, issue.fields) for row in when.all]
    options = [_decided(row, issue.fields) for row in when.any]
    excluded = [_decided(row, issue.fields) for row in when.none]
    return all(required) and (not options or any(options)) and not any(excluded)


def _decided(row: Row, fields: Mapping[str, Any]) -> bool:
    try:
        return _row_holds(row, fields)
    except (ArithmeticError, ValueError, RecursionError) as error:
        # Values nobody thought of: dates before the year 1, half characters, a
        # document nested a thousand deep. They fail the rule, not the worker.
        raise _undecided(row, "the field's value cannot be judged") from error


def _row_holds(row: Row, fields: Mapping[str, Any]) -> bool:
    if row.field not in fields:
        raise _undecided(row, "the issue has no such field")
    actual = fields[row.field]
    match row.op:
        case Op.IS_EMPTY | Op.IS_NOT_EMPTY:
            return _is_empty(actual) == (row.op is Op.IS_EMPTY)
        case Op.EQUALS | Op.NOT_EQUALS:
            return _equals(actual, row.value) == (row.op is Op.EQUALS)
        case Op.CONTAINS | Op.NOT_CONTAINS:
            return _contains(actual, row.value) == (row.op is Op.CONTAINS)
        case Op.MATCHES:
            pattern = _compiled(row.value)
            return any(pattern.search(text) for text in _texts(actual))
        case _:
            return _compares(row, actual)


def _undecided(row: Row, why: str) -> ConditionError:
    return ConditionError(
        f"the condition “{row.field} {row.op}” cannot be decided: {why}"
    )


def _is_empty(actual: object) -> bool:
    if adf.is_document(actual):
        return not "".join(_texts(actual)).strip()
    if isinstance(actual, str):
        return not actual.strip()
    return actual is None or actual in ((), [], {})


def _equals(actual: object, value: Value | None) -> bool:
    wanted = as_text(value).casefold()
    return any(text.casefold() == wanted for text in _texts(actual))


def _contains(actual: object, value: Value | None) -> bool:
    """Say whether a list has the value as one of its elements, or a text holds it.

    `labels contains release` is not true of the label `no-release`.
    """
    if isinstance(actual, Sequence) and not isinstance(actual, str):
        return _equals(actual, value)
    wanted = as_text(value).casefold()
    return any(wanted in text.casefold() for text in _texts(actual))


_NAMES = ("name", "value", "displayName", "id", "key", "accountId")
"""By which of its members an object of Jira may be known."""


def _texts(actual: object) -> list[str]:
    """Return the texts by which a field's value may be known; none if it is empty."""
    if actual is None:
        return []
    if isinstance(actual, Mapping):
        if adf.is_document(actual):
            return [adf.text(actual)]
        members = (actual.get(name) for name in _NAMES)
        return [as_text(member) for member in members if isinstance(member, str | int)]
    if isinstance(actual, list | tuple):
        return [text for element in actual for text in _texts(element)]
    return [as_text(actual)]


def _compares(row: Row, actual: object) -> bool:
    try:
        left, right = _ordered(actual, row.value)
    except ValueError as error:
        raise _undecided(row, str(error)) from error
    return bool(left > right if row.op is Op.GREATER else left < right)


def _ordered(actual: object, value: Value | None) -> tuple[Any, Any]:
    """Return both as two numbers, or as two dates if one of them has no time."""
    if _is_empty(actual):
        raise ValueError("the field is empty")
    if isinstance(actual, int | float) and not isinstance(actual, bool):
        return actual, _number(str(value))
    if not isinstance(actual, str):
        raise ValueError("the field is neither a number nor a date")  # noqa: TRY004
    if not isinstance(value, str):
        raise ValueError("the field is not a number")  # noqa: TRY004 -- one sort
    left, right = _moment(actual), _moment(value)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left, right
    return _day(left), _day(right)


def _number_or_moment(text: str) -> None:
    try:
        float(text)
    except ValueError:
        _moment(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError("the field is a number, the value is not") from error


def _moment(text: str) -> date | datetime:
    try:
        if "T" not in text:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("a date is 2026-01-31 or 2026-01-31T10:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, as in 2026-01-31T10:00:00Z")
    return moment


def _day(moment: date | datetime) -> date:
    return moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment


def _compiled(value: object) -> Any:  # noqa: ANN401 -- re2 has no types
    if not isinstance(value, str):
        raise ValueError("a pattern is text")  # noqa: TRY004 -- pydantic's way
    if len(value) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(value, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise ValueError(f"the pattern is wrong: {words}") from error
