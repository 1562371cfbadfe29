"""What is written of many calls, and what is only counted, in little memory."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.audit import Kind
from app.web import limits
from app.web.limits import LeftOut, Limit, Limits, Source

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEW = Limit(per_minute=3, per_hour=5)
ONE = Source(tenant_id=None, kind=Kind.VERIFICATION_REFUSED, claimed_issuer="one")
OTHER = Source(tenant_id=None, kind=Kind.VERIFICATION_REFUSED, claimed_issuer="other")


def written(of: Limits, times: int, *, now: datetime, source: Source = ONE) -> int:
    return sum(of.admit(source, FEW, now=now) for _ in range(times))


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def test_t13_what_is_written_and_what_is_counted_is_all_there_was() -> None:
    of = Limits()

    assert written(of, 1000, now=NOON) == 3
    assert of.take(now=NOON + timedelta(seconds=59)) == ()
    assert of.take(now=minutes(1)) == (LeftOut(source=ONE, count=997, since=NOON),)
    assert of.take(now=minutes(1)) == ()


def test_t13_one_source_takes_nothing_from_another() -> None:
    of = Limits()
    written(of, 1000, now=NOON)

    assert written(of, 3, now=NOON, source=OTHER) == 3


def test_t13_source_that_had_its_hour_is_told_of_once_the_hour_is_over() -> None:
    of = Limits()
    assert [written(of, 10, now=minutes(each)) for each in range(4)] == [3, 2, 0, 0]

    # The first minute's was told before the hour was used up.
    assert [each.count for each in of.take(now=minutes(5))] == [7]
    assert of.take(now=minutes(59)) == ()
    assert of.take(now=minutes(60)) == (
        LeftOut(source=ONE, count=28, since=minutes(1)),
    )
    assert written(of, 10, now=minutes(60)) == 3


def test_t13_end_of_the_process_loses_no_count() -> None:
    of = Limits()
    written(of, 10, now=NOON)

    assert [each.count for each in of.take()] == [7]
    assert of.take() == ()


def test_t13_count_that_could_not_be_written_is_written_a_minute_later() -> None:
    of = Limits()
    written(of, 10, now=NOON)
    of.give_back(of.take(now=minutes(1)))
    written(of, 10, now=minutes(1))

    # Not with every request, while the database is away.
    assert of.take(now=minutes(1)) == ()
    assert [each.count for each in of.take(now=minutes(60))] == [7 + 8]


def test_t13_memory_is_bounded_however_many_sources_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack: many sources instead of many calls."""
    monkeypatch.setattr(limits, "MOST", 10)
    of, sources = (
        Limits(),
        [
            Source(tenant_id=uuid.UUID(int=number), kind=Kind.PERMISSION_REFUSED)
            for number in range(50)
        ],
    )
    admitted = sum(written(of, 5, now=NOON, source=each) for each in sources)

    assert admitted == 10 * 3 + 3
    assert sum(each.count for each in of.take(now=minutes(1))) == 250 - admitted
    for number in range(1, 4):
        for each in sources:
            written(of, 5, now=minutes(number * 60), source=each)
        of.give_back(of.take(now=minutes(number * 60 + 1)))
    kept = of.take()
    assert len(kept) <= 11
    assert sum(each.count for each in kept) == 3 * (250 - admitted)
