"""The sites take turns, and none has all threads."""

import uuid
from collections import Counter

from app.runs import Turns

NOISY, QUIET, THIRD = (uuid.UUID(int=n) for n in (1, 2, 3))


def serve(turns: Turns, *tenants: uuid.UUID) -> uuid.UUID:
    """Carry out one run; return whose."""
    first = turns.order(tenants)[0]
    turns.took(first)
    turns.gave_back(first)
    return first


def test_with_one_thread_each_site_has_every_other_run() -> None:
    turns = Turns()

    served = [serve(turns, NOISY, QUIET) for _ in range(6)]

    assert served == [NOISY, QUIET] * 3


def test_site_that_comes_again_is_first_whatever_it_had_before() -> None:
    turns = Turns()
    for _ in range(3):
        serve(turns, NOISY, QUIET)
    serve(turns, NOISY)

    assert serve(turns, NOISY, QUIET, THIRD) == QUIET


def test_fewest_in_hand_goes_first_so_that_time_is_shared_and_not_runs() -> None:
    """Two sites whose runs take long, and one whose runs are over at once."""
    turns = Turns()
    for slow in (NOISY, NOISY, THIRD):
        turns.took(slow)

    served = Counter(serve(turns, NOISY, THIRD, QUIET) for _ in range(10))

    assert served == {QUIET: 10}


def test_no_site_has_more_in_hand_than_it_may() -> None:
    turns = Turns(most=2)
    turns.took(NOISY)
    turns.took(NOISY)

    assert turns.order([NOISY]) == []
    assert turns.order([NOISY, QUIET]) == [QUIET]

    turns.gave_back(NOISY)
    assert turns.order([NOISY]) == [NOISY]
