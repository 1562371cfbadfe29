"""A rule from its JSON, or every reason why it is none, each by its key."""

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from app.rules import gates
from app.rules.conditions import When
from app.rules.gates import Hold
from app.steps import STEPS
from app.steps.base import Step
from app.steps.deliver import Deliver

MAX_SIZE = 8 * 1024
"""Bytes of a rule: Jira keeps it for us, in the workflow."""

MAX_STEPS = 20
MAX_DEPTH = 32
"""How deep a rule's JSON may nest; a rule has no use for more than a few levels."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a rule, for its author."""

    key: str
    """Where: `steps[1].body`; empty for the whole."""
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class InvalidRuleError(Exception):
    """This is no rule. `problems` names all that is wrong with it, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class OnSuccess(_Part):
    """What else happens once every step is done."""

    transition: str = Field(min_length=1, max_length=255)


class OnFailure(_Part):
    """How the ticket shows that the rule could not be carried out."""

    mode: Literal["report", "compensate", "gate"]
    transition: str | None = Field(
        default=None, min_length=1, max_length=255, validate_default=True
    )
    comment: bool = Field(default=False, strict=True)

    @field_validator("transition")
    @classmethod
    def _fits(cls, value: str | None, info: ValidationInfo) -> str | None:
        mode = info.data.get("mode")
        if mode in {"compensate", "gate"} and value is None:
            raise ValueError("say by which transition the issue is moved")
        if mode == "report" and value is not None:
            raise ValueError("an issue that is left where it is has no transition")
        return value


class Rule(_Part):
    """One post function's configuration, judged."""

    v: Literal[1]
    id: str = Field(pattern=r"^r_[A-Za-z0-9]{1,40}$")
    name: str = Field(min_length=1, max_length=120)
    when: When = When()
    steps: tuple[Step, ...]
    hold: Hold | None = None
    on_success: OnSuccess | None = None
    on_failure: OnFailure = OnFailure(mode="report")

    @field_validator("v", mode="before")
    @classmethod
    def _known_version(cls, value: object) -> object:
        if type(value) is not int or value != 1:  # `True` and 1.0 equal 1
            raise ValueError("this app knows version 1 only")
        return value


def parse(text: str) -> Rule:
    """Return the rule that `text` holds; raise `InvalidRuleError` with all problems."""
    data = read_json(text)
    if not isinstance(data, dict):
        raise InvalidRuleError([Problem("", "a rule is a JSON object")])
    if problem := _unusable(data):
        raise InvalidRuleError([problem])
    steps, problems = _steps(data)
    problems += [Problem(*problem) for problem in gates.problems(data)]
    try:
        rule = Rule.model_validate({**data, "steps": steps})
    except ValidationError as error:
        problems = [*_problems(error, ()), *problems]
    else:
        problems += _outwaited(rule)
        if not problems:
            return rule
    raise InvalidRuleError(problems)


def _outwaited(rule: Rule) -> Iterator[Problem]:
    for place, step in enumerate(rule.steps):
        patience = step.patience if isinstance(step, Deliver) else None
        if rule.hold is not None and gates.outwaited(rule.hold, patience):
            message = f"the issue is held for {rule.hold.words()} only: wait no longer"
            yield Problem(f"steps[{place}].wait", message)


def canonical(rule: Rule) -> str:
    """Return the JSON that Jira is to keep: compact, without what is default anyway."""
    data = rule.model_dump(mode="json", exclude_defaults=True, exclude={"steps"})
    data["steps"] = [
        {"do": step.do, **step.model_dump(mode="json", exclude_defaults=True)}
        for step in rule.steps
    ]
    return _compact(data)


def rule_hash(text: str) -> str:
    """Return the SHA-256 by which two texts of one rule are known to be the same.

    White space and the order of keys do not count: Jira, an import or a migration may
    have written the JSON anew. A text that is no JSON is hashed as it is. A rule that
    was never saved is no text to some of Jira's doors and an empty object to others.
    """
    text = "" if text.strip() == "{}" else text
    with contextlib.suppress(InvalidRuleError, RecursionError):
        text = _compact(read_json(text, limit=None))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _compact(data: object) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_json(text: str, limit: int | None = MAX_SIZE) -> object:
    """Read JSON strictly: two readers must never see two rules in one text.

    Raise `InvalidRuleError`, which says where it stops to be JSON.
    """
    if limit is not None and len(text.encode("utf-8", "surrogatepass")) > limit:
        raise InvalidRuleError([Problem("", f"a rule has at most {limit} bytes")])
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise InvalidRuleError([Problem("", "it is nested too deeply")]) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        message = f"it is no JSON from {where} on" if text.strip() else _EMPTY
        raise InvalidRuleError([Problem("", message)]) from error
    except ValueError as error:
        # Ours, and Python's own for an integer of thousands of digits.
        raise InvalidRuleError([Problem("", str(error).partition(";")[0])]) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key “{key[:80]}” stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _unusable(data: object) -> Problem | None:
    """Find what is JSON and yet nothing that we could keep, hash or walk through."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > MAX_DEPTH:
            return Problem(_key(path[:3]), "it is nested too deeply")
        if isinstance(value, str) and not _is_text(value):
            return Problem(_key(path), "it holds a character that is no text")
        if isinstance(value, dict):
            if not all(map(_is_text, value)):
                return Problem(_key(path), "a key holds a character that is no text")
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, place), item) for place, item in enumerate(value)]
    return None


def _is_text(text: str) -> bool:
    # No database takes NUL, and half a surrogate pair is no UTF-8.
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _steps(data: Mapping[str, Any]) -> tuple[list[Step], list[Problem]]:
    """Return the steps that are right, and what is wrong with the others."""
    items = data.get("steps")
    if not isinstance(items, list) or not items:
        return [], [Problem("steps", "add at least one step")]
    if len(items) > MAX_STEPS:
        return [], [Problem("steps", f"a rule has at most {MAX_STEPS} steps")]
    steps: list[Step] = []
    problems: list[Problem] = []
    for place, item in enumerate(items):
        try:
            steps.append(_step(item, place))
        except ValidationError as error:
            problems += _problems(error, ("steps", place))
        except InvalidRuleError as error:
            problems += error.problems
    return steps, problems


def _step(item: object, place: int) -> Step:
    if not isinstance(item, dict):
        raise InvalidRuleError([Problem(f"steps[{place}]", "a step is an object")])
    kind = item.get("do")
    if not isinstance(kind, str) or kind not in STEPS:
        said = f"{_quoted(kind)} is unknown" if "do" in item else "it is missing"
        message = f"{said}; a step does one of {', '.join(STEPS)}"
        raise InvalidRuleError([Problem(f"steps[{place}].do", message)])
    return STEPS[kind].model_validate(item)


def _problems(
    error: ValidationError, prefix: tuple[str | int, ...]
) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_context=True):
        yield Problem(_key((*prefix, *detail["loc"])), _message(detail))


_EMPTY = "nothing was ever saved: open it in the workflow editor and save it"

_MESSAGES = {
    "extra_forbidden": "this key is unknown",
    "missing": "it is missing",
    "string_too_short": "it is empty",
    "model_type": "it must be an object",
    "model_attributes_type": "it must be an object",
}


def _message(detail: ErrorDetails) -> str:
    if detail["type"] in {"literal_error", "enum"}:
        known = detail["ctx"]["expected"].replace("'", "")
        return f"{_quoted(detail['input'])} is unknown; known: {known}"
    if detail["type"] == "string_pattern_mismatch":
        if not detail["input"]:
            return _MESSAGES["string_too_short"]
        return "it is not of the kind that the help under the field describes"
    message = detail["msg"].removeprefix("Value error, ")
    return _MESSAGES.get(detail["type"], message)


def _quoted(value: object) -> str:
    return f"“{value[:40]}”" if isinstance(value, str) else "this"


def _key(path: tuple[str | int, ...]) -> str:
    """Write a path as its author would: `steps[1].body`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in path]
    return "".join(parts).removeprefix(".")
