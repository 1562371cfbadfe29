"""Whether this machine's clock agrees with others': tokens live by it (rule T0)."""

from collections.abc import Iterator
from datetime import timedelta

from app.doctor.asking import Heard
from app.doctor.findings import Finding, fail, ok, skipped, warn
from app.tokens.checks import LEEWAY

CHECK = "clock"
NOTICED = timedelta(seconds=5)
"""From here on somebody should look; from the tokens' leeway on, calls are refused."""

_WHOLE_SECOND = timedelta(seconds=1)
_DO = (
    "Let this machine keep time by NTP (timedatectl, chrony), then restart Countersign."
)


def compare(host: str, heard: Heard) -> Iterator[Finding]:
    """Judge our clock by the moment at which `host` says that it answered."""
    ahead = offset(heard)
    if ahead is None:
        yield skipped(CHECK, f"no answer of {host} says what time it is")
        return
    if sure(heard) < NOTICED:
        yield ok(CHECK, f"this machine and {host} agree within a few seconds")
        return
    way = "ahead of" if ahead > timedelta(0) else "behind"
    saw = f"this machine is {abs(ahead).total_seconds():.0f} s {way} {host}"
    if sure(heard) < LEEWAY:
        yield warn(CHECK, saw, _DO)
    else:
        yield fail(CHECK, f"{saw}: tokens are refused on both sides", _DO)


def is_wrong(heard: Heard) -> bool:
    """Say whether our clock is off by more than tokens forgive."""
    return offset(heard) is not None and sure(heard) >= LEEWAY


def offset(heard: Heard) -> timedelta | None:
    """Return by how much our clock is ahead; None if the other side has named none.

    The answer was dated at some moment of the round trip, in whole seconds: the middle
    of both is the best guess.
    """
    if heard.sent_at is None:
        return None
    middle = heard.asked_at + (heard.heard_at - heard.asked_at) / 2
    return middle - (heard.sent_at + _WHOLE_SECOND / 2)


def sure(heard: Heard) -> timedelta:
    """Return by how much our clock is off at least, however slow the round trip was."""
    doubt = (heard.heard_at - heard.asked_at) / 2 + _WHOLE_SECOND / 2
    return max(timedelta(0), abs(offset(heard) or timedelta(0)) - doubt)
