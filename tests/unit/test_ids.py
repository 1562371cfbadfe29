"""Ids are sorted by time, and a period is a range of them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from app.db import least_id, new_id

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 -- the zone comes with `timezones`
    max_value=datetime(9999, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_id_is_of_its_own_millisecond_and_of_no_other(now: datetime) -> None:
    made = new_id(now)

    assert least_id(now) <= made
    assert made < least_id(now + timedelta(milliseconds=1))


@given(MOMENTS, MOMENTS)
def test_later_moments_begin_at_later_ids(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))

    assert least_id(first) <= least_id(second)
    assert least_id(first).hex <= least_id(second).hex  # as SQLite compares them


def test_zone_of_a_moment_does_not_matter() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    assert least_id(moment.astimezone(there)) == least_id(moment)


def test_before_ids_had_times_there_are_none() -> None:
    assert least_id(datetime(1, 1, 1, tzinfo=UTC)).int == 0
