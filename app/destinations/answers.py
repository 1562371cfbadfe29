"""What a receiver's answer means, and when to try again."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from app.destinations.tables import Pace
from app.http import ForbiddenError, Response, SendError

SCHEDULES = {
    # Svix's, for what is still worth having tomorrow.
    Pace.NOTIFY: (5, 300, 1800, 7200, 18_000, 36_000, 36_000),
    Pace.DEPLOY: (5, 30, 120, 600),
}
"""Seconds between attempts; after the last one the delivery has failed."""

LONGEST = {Pace.NOTIFY: timedelta(hours=36), Pace.DEPLOY: timedelta(minutes=15)}
"""How long a delivery may take in all, its waiting for others included."""

JITTER = 0.2
CROWDED = timedelta(seconds=60)
"""The shortest wait after a 429 or a timeout."""
RETRY_AFTER_MOST = timedelta(minutes=15)

GONE, UNAUTHORIZED = 410, 401
_TOO_MANY = 429
_NOT_TAKEN = frozenset({408, 425, _TOO_MANY, 503})
"""Answers which say that the request was not acted on, this time."""


class Verdict(StrEnum):
    """The class of an answer."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """It did not happen and will not; trying again cannot help."""
    RETRY = "retry"
    """It did not happen this time."""
    AMBIGUOUS = "ambiguous"
    """It left us, and nobody knows what became of it."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    verdict: Verdict
    words: str
    """What happened, in our own words, for a page."""
    status: int | None = None
    wait: timedelta = timedelta(0)
    """The least that the next attempt has to wait."""
    reference: str = ""
    """What the receiver calls what it began, where it says so."""
    url: str = ""
    """Where people see it there."""


def judge(answer: Response | SendError, *, now: datetime) -> Judged:
    """Say what came of one attempt. A redirect is not followed, so it is a refusal."""
    if isinstance(answer, ForbiddenError):
        return Judged(verdict=Verdict.REJECTED, words=str(answer))
    if isinstance(answer, SendError):
        if answer.sent:
            words = f"no answer came: {answer}"
            return Judged(verdict=Verdict.AMBIGUOUS, words=words, wait=CROWDED)
        return Judged(verdict=Verdict.RETRY, words=f"it could not be reached: {answer}")
    status = answer.status
    verdict = _verdict(status)
    wait = _asked_wait(answer, now) if verdict is not Verdict.ACCEPTED else None
    if status == _TOO_MANY:
        wait = max(wait or CROWDED, CROWDED)
    return Judged(
        verdict=verdict,
        words=_words(status, verdict),
        status=status,
        wait=wait or timedelta(0),
    )


def next_attempt(
    pace: Pace, tries: int, judged: Judged, *, now: datetime
) -> datetime | None:
    """Return when to try after `tries` attempts, or None when that was the last one.

    What the receiver asks for is heeded, up to twice our own wait or a quarter of an
    hour, whichever is longer: nobody else's clock decides when a delivery ends.
    """
    schedule = SCHEDULES[pace]
    if judged.verdict is Verdict.REJECTED or tries > len(schedule):
        return None
    base = timedelta(seconds=schedule[tries - 1])
    least = min(judged.wait, max(2 * base, RETRY_AFTER_MOST))
    shift = random.uniform(-JITTER, JITTER)  # noqa: S311 -- spreads load, guards nothing
    # Never sooner than asked: a receiver that said "in a minute" meant it.
    return now + max(base * (1 + shift), least * (1 + abs(shift)))


def as_object(answer: Response) -> dict[str, Any]:
    """Return the object that an answer is; an empty one for anything else."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _verdict(status: int) -> Verdict:
    if 200 <= status < 300:  # noqa: PLR2004
        return Verdict.ACCEPTED
    if status in _NOT_TAKEN:
        return Verdict.RETRY
    return Verdict.AMBIGUOUS if status >= 500 else Verdict.REJECTED  # noqa: PLR2004


def _words(status: int, verdict: Verdict) -> str:
    if 300 <= status < 400:  # noqa: PLR2004
        return f"it answered {status}, a redirect, which is not followed"
    return _SPECIAL.get(status) or _WORDS[verdict].format(status=status)


_SPECIAL = {
    UNAUTHORIZED: "it answered 401: it does not trust our tokens",
    GONE: "it answered 410: it is gone for good",
}
_WORDS = {
    Verdict.ACCEPTED: "it answered {status}",
    Verdict.REJECTED: "it refused the delivery with {status}",
    Verdict.RETRY: "it answered {status}: not now",
    Verdict.AMBIGUOUS: "it answered {status}, which does not say what became of it",
}


def _asked_wait(answer: Response, now: datetime) -> timedelta | None:
    """Read a Retry-After, in seconds or as an HTTP date (RFC 9110, 10.2.3)."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return timedelta(seconds=int(asked[:9]))
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))
