"""Which runs a list has: the parameters of "List workflow runs for a workflow"."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sandbox.github.replies import Refused
from sandbox.github.runs import Run

_FULLEST = 100
_USUAL = 30
_OPERATORS = (">=", "<=", ">", "<")
_DAY = 10
"""The length of a date without a time."""


def chosen(found: list[Run], query: Mapping[str, str]) -> list[Run]:
    """The newest first."""
    event, created = query.get("event", ""), query.get("created", "")
    branch, status = query.get("branch", ""), query.get("status", "")
    return [
        run
        for run in reversed(found)
        if event in {"", run.event}
        and branch in {"", run.ref.split("/", 2)[2]}
        and status in {"", run.status, run.conclusion}
        and (not created or _is_within(run.created, created))
    ]


def page(found: list[Run], query: Mapping[str, str]) -> list[Run]:
    size = min(_number(query, "per_page", _USUAL), _FULLEST)
    start = (_number(query, "page", 1) - 1) * size
    return found[start : start + size]


def _number(query: Mapping[str, str], name: str, usual: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else usual


def _is_within(at: datetime, asked: str) -> bool:
    """By whole seconds, as the search of GitHub: `>=A`, `A..B`, `A..*`, `A`."""
    at = at.replace(microsecond=0)
    first, between, last = asked.partition("..")
    if between:
        return (first == "*" or at >= _begin(first)) and (
            last == "*" or at < _end(last)
        )
    operator = next((one for one in _OPERATORS if asked.startswith(one)), "")
    moment = asked.removeprefix(operator)
    return {
        ">=": at >= _begin(moment),
        ">": at >= _end(moment),
        "<=": at < _end(moment),
        "<": at < _begin(moment),
        "": _begin(moment) <= at < _end(moment),
    }[operator]


def _begin(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(422, f"created is no moment: {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _end(text: str) -> datetime:
    whole = timedelta(days=1) if len(text) == _DAY else timedelta(seconds=1)
    return _begin(text) + whole
