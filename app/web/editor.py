"""What the rule editor shows: a stored rule as far as it can be read, as controls.

The rule is judged by `rules.parse`. This reads the same text leniently, so that its
author finds in the form what is still good of a broken one.
"""

import json
import secrets
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import rules
from app.rules import InvalidRuleError, Op, Problem
from app.steps import STEPS
from app.steps.base import Step
from app.web import bodies
from app.web.site_names import Named

ID_SIZE = 10
_ID_LETTERS = string.ascii_letters + string.digits

BLANK_DEADLINE = "30m"

GROUPS = {
    "all": "All of these hold",
    "any": "At least one of these holds",
    "none": "None of these holds",
}
"""The groups of conditions, each with what it says of its rows."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """One field of a step, as the form draws it."""

    key: str
    label: str
    hint: str
    kind: str
    """How the script reads it; `valueOf` in app.js knows them all."""
    required: bool
    is_long: bool
    choices: Sequence[str]
    suggestions: Sequence[str]
    """What may be written there, among other things."""
    value: str
    """Its text; `yes` or nothing for a flag."""
    pairs: Sequence[tuple[str, str]]
    """Names and their texts, where the value is such."""


@dataclass(frozen=True, kw_only=True)
class StepForm:
    do: str
    title: str
    controls: Sequence[Control]


@dataclass(frozen=True, kw_only=True)
class RowForm:
    field: str = ""
    op: str = Op.EQUALS
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class StatusChoice:
    """A status that may hold the issue."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A rule in the making."""

    id: str
    name: str
    groups: Mapping[str, Sequence[RowForm]]
    steps: Sequence[StepForm]
    on_success: str
    mode: str
    hold_status: str
    hold_deadline: str
    failure_transition: str
    comment: bool
    stored: str
    problems: Sequence[Problem]
    """What is wrong with the stored text; nothing if there is none yet."""


def draft(stored: str) -> Draft:
    """Read what Jira keeps, however broken; an empty text is a new rule."""
    data = _object(_loaded(stored))
    failure, hold = _object(data.get("on_failure")), _object(data.get("hold"))
    when = _object(data.get("when"))
    problems = _problems(stored)
    return Draft(
        id=_id(data, problems),
        name=_text(data.get("name")),
        groups={group: list(_rows(when.get(group))) for group in GROUPS},
        steps=list(_steps(data.get("steps"))),
        on_success=_text(_object(data.get("on_success")).get("transition")),
        mode=_mode(failure),
        hold_status=_text(hold.get("status")),
        hold_deadline=_text(hold.get("deadline", BLANK_DEADLINE)),
        failure_transition=_text(failure.get("transition")),
        comment=failure.get("comment") is True if stored else True,
        stored=stored,
        problems=problems,
    )


def statuses(known: Named, stored: str) -> Sequence[StatusChoice]:
    """Return what may hold the issue, by name; always with the stored one."""
    names = Counter(str(status["name"]) for status in known)
    found = [_status_choice(status, names) for status in known]
    found.sort(key=lambda choice: choice.name.casefold())
    if stored and stored not in {choice.id for choice in found}:
        found.append(StatusChoice(id=stored, name=f"status {stored}"))
    return found


def _status_choice(status: Mapping[str, Any], names: Mapping[str, int]) -> StatusChoice:
    # Projects may have statuses of their own, several of one name.
    number, name = str(status.get("id")), str(status["name"])
    told = f"{name} ({number})" if names[name] > 1 else name
    return StatusChoice(id=number, name=told)


def blank_steps() -> list[StepForm]:
    """Return an empty form for every kind of step, in the order of the menu."""
    return [step_form(kind, {}) for kind in STEPS]


def step_form(do: str, config: Mapping[str, Any]) -> StepForm:
    """Return the form of one step, filled with what `config` has of it."""
    model = STEPS[do]
    return StepForm(do=do, title=model.title, controls=list(_controls(model, config)))


def _mode(failure: Mapping[str, Any]) -> str:
    mode = failure.get("mode")
    return mode if mode in {"compensate", "gate"} else "report"


def _problems(stored: str) -> Sequence[Problem]:
    if not stored:
        return ()
    try:
        rules.parse(stored)
    except InvalidRuleError as error:
        return error.problems
    return ()


def _loaded(stored: str) -> object:
    try:
        data = json.loads(stored)
    except (ValueError, RecursionError):
        return None
    return None if bodies.is_deep(data) else data


def _id(data: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """Return the rule's id, the same over every edit; a new one if it has none."""
    known = _text(data.get("id"))
    if known and not any(problem.key == "id" for problem in problems):
        return known
    return "r_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(ID_SIZE))


def _rows(value: object) -> Iterator[RowForm]:
    for row in filter(None, map(_object, _list(value))):
        op = row.get("op")
        yield RowForm(
            field=_text(row.get("field")),
            op=Op(op) if op in list(Op) else Op.EQUALS,
            value=_text(row.get("value")),
        )


def _steps(value: object) -> Iterator[StepForm]:
    for config in map(_object, _list(value)):
        do = config.get("do")
        if isinstance(do, str) and do in STEPS:
            yield step_form(do, config)


def _controls(model: type[Step], config: Mapping[str, Any]) -> Iterator[Control]:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    for key, described in schema["properties"].items():
        if key != "do":
            value = config.get(key, described.get("default"))
            yield _control(key, described, value, is_required=key in required)


def _control(
    key: str, schema: Mapping[str, Any], value: object, *, is_required: bool
) -> Control:
    shapes = schema.get("anyOf", [schema])
    kind = _kind(key, schema, shapes, is_required=is_required)
    formats = {shape.get("format") for shape in shapes}
    can_be_empty = not any({"minLength", "pattern"} & each.keys() for each in shapes)
    return Control(
        key=key,
        label=schema["title"],
        hint=schema.get("description", ""),
        kind=kind,
        required=is_required and not can_be_empty,
        is_long=kind in {"lines", "json"} or "markup" in formats,
        choices=schema.get("enum", ()),
        suggestions=schema.get("examples", ()),
        value=_shown(kind, value),
        pairs=list(_pairs(value)) if kind == "pairs" else (),
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
    return "text" if is_required else "optional"


_KINDS: Mapping[Any, str] = {"boolean": "flag", "array": "lines", "object": "pairs"}
"""How the form has what can be nothing else."""


def _shown(kind: str, value: object) -> str:
    if kind == "flag":
        return "yes" if value is True else ""
    if kind == "lines":
        return "\n".join(map(_text, _list(value)))
    if kind == "json" and value is not None:
        return _json_text(value)
    return _text(value)


def _json_text(value: object) -> str:
    """Return a text as it is, unless it would be read back as something else.

    A text that only starts like JSON is quoted: unquoted it would be malformed.
    """
    if isinstance(value, str) and _loaded(value) is None and value != "null":
        is_odd = value.lstrip().startswith(("{", "["))
        if not is_odd or value.lstrip().startswith(("{{", "{%")):
            return value
    return json.dumps(value, ensure_ascii=False)


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    for name, text in _object(value).items():
        yield name, _text(text)


def _text(value: object) -> str:
    """Return text as it is and anything else as its JSON, so that nothing is lost."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
