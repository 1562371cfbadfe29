"""Why deliveries to a destination failed lately, and how many of them did not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.runs import AttemptOutcome
from app.runs.lately import MOST, LateAttempt

PERIOD = timedelta(hours=24)


class Cause(StrEnum):
    """What kept one attempt from being accepted, as people call it."""

    NAME = "Its name was not found (DNS)"
    FORBIDDEN = "Its address is not allowed"
    TLS = "No secure connection came about (TLS)"
    CONNECTION = "No connection came about"
    TIMEOUT = "It did not answer in time"
    BROKEN = "The connection broke off"
    REDIRECT = "It answered with a redirect (3xx)"
    DENIED = "It does not trust the token (401)"
    CLIENT = "It refused the delivery (4xx)"
    SERVER = "It answered with an error of its own (5xx)"
    OTHER = "Something else"


_BY_STATUS = {3: Cause.REDIRECT, 4: Cause.CLIENT, 5: Cause.SERVER}
_UNAUTHORIZED = 401

_BY_WORDS = (
    ("the name ", Cause.NAME),
    ("not public", Cause.FORBIDDEN),
    ("SSLError", Cause.TLS),
    ("Timeout", Cause.TIMEOUT),
    ("took too long", Cause.TIMEOUT),
    ("could not be reached", Cause.CONNECTION),
    ("no answer came", Cause.BROKEN),
)
"""Of attempts without an answer there are only words (`destinations.answers`)."""


def cause_of(attempt: LateAttempt) -> Cause:
    """Say why an attempt was not accepted."""
    if attempt.status == _UNAUTHORIZED:
        return Cause.DENIED
    if attempt.status is not None:
        return _BY_STATUS.get(attempt.status // 100, Cause.OTHER)
    if attempt.outcome is AttemptOutcome.REFUSED:
        return Cause.FORBIDDEN  # without an answer, only our own guard refuses
    found = (cause for said, cause in _BY_WORDS if said in attempt.message)
    return next(found, Cause.OTHER)


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Attempts that failed for one cause."""

    cause: Cause
    count: int
    last_at: datetime
    last_run: UUID


@dataclass(frozen=True, kw_only=True)
class Lately:
    """How a destination's attempts of one period went."""

    count: int
    accepted: int
    is_cut: bool
    """There may be more of them than were looked at."""
    failures: Sequence[Failures]
    """The most frequent cause first."""

    @property
    def share(self) -> int:
        """How many of a hundred were accepted; 100 means really all of them."""
        return self.accepted * 100 // self.count if self.count else 0


def lately(attempts: Sequence[LateAttempt]) -> Lately:
    """Count them; the newest comes first."""
    failed: dict[Cause, list[LateAttempt]] = {}
    for attempt in attempts:
        if attempt.outcome is not AttemptOutcome.DONE:
            failed.setdefault(cause_of(attempt), []).append(attempt)
    counted = [
        Failures(
            cause=cause,
            count=len(found),
            last_at=found[0].begun_at,
            last_run=found[0].run_id,
        )
        for cause, found in failed.items()
    ]
    return Lately(
        count=len(attempts),
        accepted=len(attempts) - sum(each.count for each in counted),
        is_cut=len(attempts) == MOST,
        failures=sorted(counted, key=lambda each: -each.count),
    )
