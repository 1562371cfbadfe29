"""What a receiver's answer means, and when the next attempt goes."""

from datetime import UTC, datetime, timedelta

import pytest

from app.destinations import LONGEST, Judged, Pace, Verdict, next_attempt
from app.destinations.answers import SCHEDULES, judge
from app.http import ForbiddenError, Response, SendError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOT_NOW = Judged(verdict=Verdict.RETRY, words="")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (204, Verdict.ACCEPTED),
        (301, Verdict.REJECTED),
        (307, Verdict.REJECTED),
        (400, Verdict.REJECTED),
        (401, Verdict.REJECTED),
        (404, Verdict.REJECTED),
        (409, Verdict.REJECTED),
        (410, Verdict.REJECTED),
        (408, Verdict.RETRY),
        (425, Verdict.RETRY),
        (429, Verdict.RETRY),
        (503, Verdict.RETRY),
        (500, Verdict.AMBIGUOUS),
        (502, Verdict.AMBIGUOUS),
        (504, Verdict.AMBIGUOUS),
    ],
)
def test_status_has_a_class(status: int, verdict: Verdict) -> None:
    judged = judge(Response(status=status), now=NOW)

    assert (judged.verdict, judged.status) == (verdict, status)
    assert str(status) in judged.words


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (SendError("no route", sent=False), Verdict.RETRY),
        (SendError("the answer took too long", sent=True), Verdict.AMBIGUOUS),
        (ForbiddenError("not public"), Verdict.REJECTED),
    ],
)
def test_no_answer_has_a_class(error: SendError, verdict: Verdict) -> None:
    judged = judge(error, now=NOW)

    assert (judged.verdict, judged.status) == (verdict, None)
    assert str(error) in judged.words


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("Mon, 23 Nov 2026 12:05:00 GMT", 5 * MINUTE),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 400, timedelta(seconds=999_999_999)),
        ("soon", timedelta(0)),
        ("-5", timedelta(0)),
        ("٣", timedelta(0)),
        ("", timedelta(0)),
    ],
)
def test_retry_after_is_read_in_both_forms(asked: str, wait: timedelta) -> None:
    answer = Response(status=503, headers={"Retry-After": asked})

    assert judge(answer, now=NOW).wait == wait


def test_crowded_receiver_gets_a_minute() -> None:
    hurried = Response(status=429, headers={"retry-after": "1"})

    assert judge(hurried, now=NOW).wait == MINUTE
    assert judge(Response(status=429), now=NOW).wait == MINUTE
    assert judge(SendError("too long", sent=True), now=NOW).wait == MINUTE


@pytest.mark.parametrize("pace", Pace)
def test_every_pace_keeps_its_schedule(pace: Pace) -> None:
    schedule = SCHEDULES[pace]
    for tries, seconds in enumerate(schedule, start=1):
        for _ in range(50):
            at = next_attempt(pace, tries, NOT_NOW, now=NOW)
            assert at is not None
            wait = (at - NOW).total_seconds()
            assert 0.8 * seconds <= wait <= 1.2 * seconds

    assert next_attempt(pace, len(schedule) + 1, NOT_NOW, now=NOW) is None
    assert timedelta(seconds=sum(schedule)) < LONGEST[pace]


def test_schedules_are_the_documented_ones() -> None:
    assert SCHEDULES == {
        Pace.NOTIFY: (5, 300, 1800, 7200, 18_000, 36_000, 36_000),
        Pace.DEPLOY: (5, 30, 120, 600),
    }


def test_waits_differ_so_that_deliveries_do_not_march() -> None:
    waits = {next_attempt(Pace.NOTIFY, 2, NOT_NOW, now=NOW) for _ in range(20)}

    assert len(waits) > 10


@pytest.mark.parametrize(
    ("tries", "asked", "least", "most"),
    [
        (1, 120, 120, 144),  # longer than ours: heeded, and never undercut
        (1, 86_400, 900, 1080),  # a day: no more than a quarter of an hour
        (4, 86_400, 14_400, 17_280),  # or twice what we wait anyway
        (4, 60, 5760, 8640),  # shorter than ours: ours
    ],
)
def test_what_is_asked_is_heeded_within_bounds(
    tries: int, asked: int, least: int, most: int
) -> None:
    judged = Judged(verdict=Verdict.RETRY, words="", wait=timedelta(seconds=asked))

    for _ in range(50):
        at = next_attempt(Pace.NOTIFY, tries, judged, now=NOW)
        assert at is not None
        assert least <= (at - NOW).total_seconds() <= most


def test_rejected_delivery_is_not_tried_again() -> None:
    judged = judge(Response(status=400, headers={"Retry-After": "1"}), now=NOW)

    assert next_attempt(Pace.NOTIFY, 1, judged, now=NOW) is None
