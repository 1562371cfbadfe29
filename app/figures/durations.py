"""How long things took, as counts in buckets: small to keep, and easy to add up."""

import math
from collections.abc import Mapping
from datetime import timedelta

PER_DECADE = 24
LEAST = timedelta(milliseconds=10)
"""What took less is in the first bucket, too."""


def bucket(took: timedelta) -> int:
    """Return the number of the bucket; each is a tenth wider than the one before.

    Jira's clock and ours are two: what seems to have ended before it began took less
    than anybody can tell, so it is in the first one.
    """
    if took <= LEAST:
        return 0
    return math.floor(math.log10(took / LEAST) * PER_DECADE)


def quantile(counts: Mapping[int, int], share: float) -> timedelta | None:
    """Return what that share of all took at most; None if there are none.

    It is the middle of a bucket, so it is at most 5 % off what it stands for, if that
    is 10 ms or more.
    """
    total = sum(counts.values())
    if total == 0:
        return None
    wanted, seen = math.ceil(share * total), 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            break
    return LEAST * 10 ** ((number + 0.5) / PER_DECADE)
