"""Lengths of time as a rule writes them: a number and a letter, `30m`."""

from datetime import timedelta

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


def length(text: str) -> timedelta:
    """Return how long that is; `text` has matched the rule's pattern."""
    return int(text[:-1]) * timedelta(**{_UNITS[text[-1]] + "s": 1})


def words(text: str) -> str:
    """Return it as people say it: `30 minutes`."""
    number, unit = int(text[:-1]), _UNITS[text[-1]]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
