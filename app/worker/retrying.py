"""When to try again, and when trying again cannot help."""

import random
from datetime import datetime, timedelta

from app.http import SendError
from app.jira import JiraError, TokenRefusedError
from app.runs import Why

BACKOFF = tuple(timedelta(seconds=s) for s in (2, 10, 60, 600, 3600))
"""Waits between tries; after the last one the run fails."""

JITTER = 0.2
"""Each wait is longer or shorter by up to this share, so that runs do not march."""

LONGEST_WAIT = timedelta(hours=1)
"""A longer Retry-After is cut to this: nobody else's clock decides when a run ends."""

LOOKS = tuple(timedelta(seconds=s) for s in (2, 5, 10, 20, 40))
"""Waits between looks that cannot decide; after the last one a person must."""

TOKEN_WAIT = timedelta(minutes=10)
"""How long a run rests that waits for Forge's token, however often; the event that
brings one wakes it at once."""

NOT_DONE = frozenset({409, 425, 429})
"""Answers that say the request had no effect this time. 409 is Jira's word for two
changes of one issue at once."""

LONGEST_LIMITED = timedelta(days=1)
"""How long a run may wait for Jira's limits, however often, without that counting
against it: it is no fault of its own."""

PERHAPS_DONE = frozenset({408, 500, 502, 503, 504})
"""Answers after which nobody knows whether the request had its effect."""


def may_pass(error: JiraError | SendError) -> bool:
    """Say whether the same request may succeed later."""
    if isinstance(error, SendError | TokenRefusedError):
        return True
    return error.status in NOT_DONE | PERHAPS_DONE


def excuse(
    error: JiraError | SendError, received_at: datetime, *, now: datetime
) -> Why | None:
    """Return why a run waits if that is no fault of its own; it is then no try."""
    if isinstance(error, TokenRefusedError):
        return Why.AWAITS_TOKEN
    if not isinstance(error, JiraError) or not error.is_limited:
        return None
    if now - received_at >= LONGEST_LIMITED:
        return None
    return Why.ISSUE_LIMITED if error.is_of_issue else Why.RATE_LIMITED


def perhaps_done(error: JiraError | SendError) -> bool:
    """Say whether the request may have had its effect although it failed."""
    if isinstance(error, SendError):
        return error.sent
    return error.status in PERHAPS_DONE


def retry_time(
    error: JiraError | SendError, tries: int, *, now: datetime
) -> datetime | None:
    """Return when to try again after `tries` tries, or None when that cannot help."""
    if isinstance(error, TokenRefusedError):
        return now + TOKEN_WAIT
    if not may_pass(error) or tries > len(BACKOFF):
        return None
    wait = BACKOFF[max(tries, 1) - 1]
    if isinstance(error, JiraError) and error.retry_after is not None:
        wait = max(wait, asked_wait(error.retry_after))
    return now + min(wait, LONGEST_WAIT) * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 -- spreads load, guards nothing


def asked_wait(retry_after: str) -> timedelta:
    """Read a Retry-After in seconds; what cannot be read asks for nothing."""
    digits = retry_after.strip()
    if not (digits.isascii() and digits.isdigit()):
        return timedelta(0)
    return timedelta(seconds=min(int(digits[:9]), LONGEST_WAIT.total_seconds()))
