"""What Jira's answers say of its limits: a wait it asks for, or that little is left.

Attack: a site's server says that everybody is to wait. What it says counts for that
site alone, whatever limit it names, and for an hour at most.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.quotas.costs import TOO_MANY
from app.quotas.meter import Wanted
from app.quotas.tables import RestCause

LONGEST = timedelta(hours=1)
"""Every quota is full again by then; nobody else's clock decides more."""

PER_ISSUE = "jira-per-issue-on-write"
"""The reason that concerns one issue, and not its site."""

NEAR = 0.2
"""Of a quota, what is left when Jira calls it near its limit."""

RUN_POINTS = 10
"""What a run costs, about: by this many points apart, runs begin near a limit."""

SLOWEST = timedelta(seconds=30)
"""Between two runs, near a limit."""

PAUSE = timedelta(seconds=1)
"""The same where Jira says that it is near, and not how much is left until when."""

UNAVAILABLE = 503
_LENGTH = 1000
"""Characters of a header that are read."""

_LIMIT = re.compile(r'"([^"]{1,100})"((?:\s{0,5};\s{0,5}[a-z]{1,3}=\d{1,9}){0,9})')


class Left(NamedTuple):
    """What is left of one quota."""

    points: int
    seconds: int


def asked(status: int, headers: Mapping[str, str], *, now: datetime) -> Wanted | None:
    """Return what an answer asks of us, if anything."""
    low = {name.lower(): value[:_LENGTH] for name, value in headers.items()}
    wait = _wait(low, now)
    if status == TOO_MANY:
        if is_of_issue(headers):
            return None  # its run waits, and no other
        return Wanted(cause=RestCause.REFUSED, wait=wait)
    if status == UNAVAILABLE and wait:
        return Wanted(cause=RestCause.REFUSED, wait=wait)
    pause = _pause(low)
    return Wanted(cause=RestCause.NEAR, wait=pause) if pause else None


def is_of_issue(headers: Mapping[str, str]) -> bool:
    """Say whether an answer names the limit of one issue as the reason."""
    return any(
        name.lower() == "ratelimit-reason" and value.strip() == PER_ISSUE
        for name, value in headers.items()
    )


def _wait(low: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long we are asked to wait; None where nothing says so.

    "Not at all" says nothing either: a moment ago it was too much.
    """
    for name in ("retry-after", "beta-retry-after"):
        digits = low.get(name, "").strip()
        if digits.isascii() and digits.isdigit():
            return min(timedelta(seconds=int(digits[:9])), LONGEST) or None
    used_up = [
        limit["t"]
        for prefix in ("", "beta-")
        for limit in _limits(low.get(f"{prefix}ratelimit", "")).values()
        if limit.get("r") == 0 and "t" in limit
    ]
    if used_up:
        return min(timedelta(seconds=max(used_up)), LONGEST) or None
    return _reset(low, now)


def _reset(low: Mapping[str, str], now: datetime) -> timedelta | None:
    if low.get("x-ratelimit-remaining", "").strip() != "0":
        return None
    try:
        reset = datetime.fromisoformat(low.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    reset = reset.replace(tzinfo=reset.tzinfo or UTC)
    return min(max(reset - now, timedelta(0)), LONGEST) or None


def _pause(low: Mapping[str, str]) -> timedelta | None:
    """Return how far apart runs are to begin, if a limit is near."""
    near = [_spread(left) for left in _near(low)]
    if low.get("x-ratelimit-nearlimit", "").strip().lower() == "true":
        near.append(PAUSE)
    return max(near, default=None)


def _near(low: Mapping[str, str]) -> list[Left]:
    """Return what is left of each quota that is near its end."""
    found = []
    for prefix in ("", "beta-"):
        policies = _limits(low.get(f"{prefix}ratelimit-policy", ""))
        for name, limit in _limits(low.get(f"{prefix}ratelimit", "")).items():
            left, whole = limit.get("r"), policies.get(name, {}).get("q")
            if left is not None and whole and left < NEAR * whole:
                found.append(Left(points=left, seconds=limit.get("t", 0)))
    return found


def _spread(left: Left) -> timedelta:
    """Return the time between two runs by which what is left lasts until it is over."""
    seconds = math.ceil(left.seconds * RUN_POINTS / max(left.points, 1))
    return min(max(timedelta(seconds=seconds), PAUSE), SLOWEST)


def _limits(text: str) -> dict[str, dict[str, int]]:
    """Read `"name";r=1;t=2, "other";r=3`; what is none of that is left out."""
    found = {}
    for name, members in _LIMIT.findall(text):
        pairs = (each.strip().split("=") for each in members.split(";") if each.strip())
        found[name] = {key: int(value) for key, value in pairs}
    return found
