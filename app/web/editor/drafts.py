"""What the rule editor shows: a stored rule as far as it can be read, as controls.

The rule is judged by `rules.parse`. This reads the same text leniently, so that its
author finds in the form what is still good of a broken one.
"""

import secrets
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import rules
from app.rules import InvalidRuleError, Op, Problem
from app.steps import STEPS
from app.web import controls
from app.web.controls import Control, list_of, object_of, read_json, text_of
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
    is_pasted: bool = False
    """It is nobody's rule here yet: somebody pasted it."""
    foreign_status: str = ""
    """The pasted hold, if this site does not have it."""


def draft(stored: str) -> Draft:
    """Read what Jira keeps, however broken; an empty text is a new rule."""
    data = object_of(read_json(stored))
    failure, hold = object_of(data.get("on_failure")), object_of(data.get("hold"))
    when = object_of(data.get("when"))
    problems = _problems(stored)
    return Draft(
        id=_id(data, problems),
        name=text_of(data.get("name")),
        groups={group: list(_rows(when.get(group))) for group in GROUPS},
        steps=list(_steps(data.get("steps"))),
        on_success=text_of(object_of(data.get("on_success")).get("transition")),
        mode=_mode(failure),
        hold_status=text_of(hold.get("status")),
        hold_deadline=text_of(hold.get("deadline", BLANK_DEADLINE)),
        failure_transition=text_of(failure.get("transition")),
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
    return StepForm(
        do=do, title=model.title, controls=controls.of(model, config, but="do")
    )


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


def _id(data: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """Return the rule's id, the same over every edit; a new one if it has none."""
    known = text_of(data.get("id"))
    if known and not any(problem.key == "id" for problem in problems):
        return known
    return "r_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(ID_SIZE))


def _rows(value: object) -> Iterator[RowForm]:
    for row in filter(None, map(object_of, list_of(value))):
        op = row.get("op")
        yield RowForm(
            field=text_of(row.get("field")),
            op=Op(op) if op in list(Op) else Op.EQUALS,
            value=text_of(row.get("value")),
        )


def _steps(value: object) -> Iterator[StepForm]:
    for config in map(object_of, list_of(value)):
        do = config.get("do")
        if isinstance(do, str) and do in STEPS:
            yield step_form(do, config)
