"""What a rule does, in one honest sentence: the view page in Jira's workflow editor."""

from collections.abc import Callable

from app.rules.conditions import UNARY, Op, Row, When
from app.rules.parsing import OnFailure, Rule
from app.steps.base import Step
from app.templating import as_text

_VERBS = {
    Op.EQUALS: ("is", "are"),
    Op.NOT_EQUALS: ("is not", "are not"),
    Op.CONTAINS: ("contains", "contain"),
    Op.NOT_CONTAINS: ("does not contain", "do not contain"),
    Op.IS_EMPTY: ("is empty", "are empty"),
    Op.IS_NOT_EMPTY: ("is not empty", "are not empty"),
    Op.GREATER: ("is greater than", "are greater than"),
    Op.LESS: ("is less than", "are less than"),
    Op.MATCHES: ("matches", "match"),
}
_PLURAL = frozenset(
    {"labels", "components", "fixVersions", "versions", "subtasks", "issuelinks"}
)
_LONGEST_VALUE = 60


def describe(rule: Rule, act: Callable[[Step], str] | None = None) -> str:
    """Return what the rule does, in words for who reads the workflow.

    `act` says what a step does, where somebody knows more of it than the rule.
    """
    acts = [act(step) if act else step.describe() for step in rule.steps]
    if rule.on_success:
        acts.append(f"move the issue by “{rule.on_success.transition}”")
    condition = _condition(rule.when)
    start = f"When {condition}, it" if condition else "It"
    told = f"{start} will {', then '.join(acts)}. {_failure(rule.on_failure)}"
    if rule.hold is None:
        return told
    waits = f"The issue waits in its hold until then, at most {rule.hold.words()}."
    return f"{told} {waits}"


def _condition(when: When) -> str:
    parts = [_row(row) for row in when.all]
    if when.any:
        options = " or ".join(map(_row, when.any))
        parts.append(f"either {options}" if len(when.any) > 1 else options)
    if when.none:
        parts.append(f"it is not so that {' or '.join(map(_row, when.none))}")
    return " and ".join(parts)


def _row(row: Row) -> str:
    verb = _VERBS[row.op][row.field in _PLURAL]
    if row.op in UNARY:
        return f"{row.field} {verb}"
    value = as_text(row.value)
    if len(value) > _LONGEST_VALUE:
        value = value[: _LONGEST_VALUE - 1] + "…"
    return f"{row.field} {verb} “{value}”"


def _failure(failure: OnFailure) -> str:
    acts = ["comments"] if failure.comment else []
    if failure.transition:
        acts.append(f"moves the issue by “{failure.transition}”")
    if not acts:
        return "If that fails, only Countersign's own page shows it."
    return f"If that fails, it {' and '.join(acts)}."
