"""The product in a hurry: `python -m tests.faults.product worker`, or another command.

It is `countersign` but for what only waits, which is shorter here, each in its
proportion to the others: a lease is still longer than the longest request.
"""

import os
import select
import sys
import time
from datetime import timedelta
from typing import SupportsIndex

from app import cli
from app.destinations import answers, health
from app.http import deadlines
from app.runs import claims
from app.worker import awaiting, carrying, delivering, loop, retrying, stepping

FAKED = "FAULTS_FAKED"
"""In the environment of a process whose clock is libfaketime's."""

CONNECT, READ, DEADLINE = 1, 2, 3
LEASE = timedelta(seconds=5)
BACKOFF = tuple(timedelta(seconds=s) for s in (0.3, 0.6, 1.2, 2.4, 4.8))
LOOKS = tuple(timedelta(seconds=s) for s in (0.3, 0.6, 1.2, 2.4, 4.8))
TURN = timedelta(seconds=0.5)
SCHEDULE = (0.3, 0.6, 1.2, 2.4, 4.8)


def nap(seconds: float | SupportsIndex, /) -> None:
    """Sleep, by another call of the system's."""
    select.select((), (), (), float(seconds))


def hurry() -> None:
    """Shorten what only waits; nothing that decides."""
    deadlines.CONNECT_SECONDS = CONNECT
    deadlines.READ_SECONDS = READ
    deadlines.DEADLINE_SECONDS = DEADLINE
    if FAKED in os.environ:  # noqa: TID251 -- a process of the test
        # Leases stay as they are: clocks may differ by less. And libfaketime answers a
        # nap with an error that Linux has not, if the clock jumps meanwhile.
        time.sleep = nap
    else:
        claims.LEASE = LEASE
    for module in (retrying, loop):
        module.__dict__["BACKOFF"] = BACKOFF
    for module in (retrying, stepping, awaiting):
        module.__dict__["LOOKS"] = LOOKS
    delivering.TURN_CHECK = TURN
    carrying.MAX_TRIES = 12  # as many more as its lease is shorter
    answers.CROWDED = timedelta(seconds=1)
    for pace in answers.SCHEDULES:
        answers.SCHEDULES[pace] = SCHEDULE  # type: ignore[assignment]  # of five
    health.FIRST_OPENING, health.LONGEST_OPENING = 1, 4
    health.PROBE = timedelta(seconds=DEADLINE + 1)


if __name__ == "__main__":
    hurry()
    cli.main(sys.argv[1:])
