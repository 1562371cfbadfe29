"""The breaker and the bucket of a destination."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.destinations import Destination, DestinationHealth, Judged, Verdict
from app.destinations.health import PROBE, admit, settle
from app.http import deadlines

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
OK = Judged(verdict=Verdict.ACCEPTED, words="", status=200)
BUSY = Judged(verdict=Verdict.RETRY, words="", status=503)
BROKEN = Judged(verdict=Verdict.AMBIGUOUS, words="", status=500)
REFUSED = Judged(verdict=Verdict.REJECTED, words="", status=400)
DENIED = Judged(verdict=Verdict.REJECTED, words="", status=401)
GONE = Judged(verdict=Verdict.REJECTED, words="", status=410)


@pytest.fixture
def health() -> DestinationHealth:
    return DestinationHealth(
        destination_id=uuid.uuid4(),
        tenant_id=uuid.uuid4(),
        failures=0,
        denials=0,
        open_for=0,
        tokens=1000.0,
        filled_at=NOW,
    )


def destination(per_minute: int = 6000) -> Destination:
    return Destination(per_minute=per_minute)


def failed(health: DestinationHealth, times: int, judged: Judged = BUSY) -> None:
    for _ in range(times):
        settle(health, judged, now=NOW)


def test_breaker_opens_at_the_fifth_failure_in_a_row(health: DestinationHealth) -> None:
    failed(health, 4)
    assert admit(health, destination(), now=NOW) is None

    failed(health, 1, BROKEN)

    wait = admit(health, destination(), now=NOW)
    assert wait is not None
    assert NOW + MINUTE <= wait.until <= NOW + MINUTE + 10 * SECOND


def test_success_between_failures_keeps_it_closed(health: DestinationHealth) -> None:
    failed(health, 4)
    settle(health, OK, now=NOW)
    failed(health, 4)

    assert admit(health, destination(), now=NOW) is None


def test_refused_deliveries_say_nothing_of_the_next(health: DestinationHealth) -> None:
    failed(health, 20, REFUSED)

    assert admit(health, destination(), now=NOW) is None


def test_half_open_lets_one_find_out(health: DestinationHealth) -> None:
    failed(health, 5)
    later = NOW + MINUTE

    assert admit(health, destination(), now=later) is None
    other = admit(health, destination(), now=later)

    assert other is not None
    assert other.until >= later + PROBE
    assert PROBE.total_seconds() > deadlines.DEADLINE_SECONDS


def test_probe_that_succeeds_closes_it(health: DestinationHealth) -> None:
    failed(health, 5)
    admit(health, destination(), now=NOW + MINUTE)

    turn = settle(health, OK, now=NOW + MINUTE)

    assert turn.recovered
    assert admit(health, destination(), now=NOW + MINUTE) is None
    failed(health, 4)
    assert admit(health, destination(), now=NOW + MINUTE) is None


def test_each_failed_probe_doubles_the_wait_up_to_a_quarter_of_an_hour(
    health: DestinationHealth,
) -> None:
    failed(health, 5)
    waits, now = [], NOW
    for _ in range(6):
        assert health.open_until is not None
        waits.append((health.open_until - now) / MINUTE)
        now = health.open_until
        assert admit(health, destination(), now=now) is None
        settle(health, BUSY, now=now)

    assert waits == [1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize("judged", [BUSY, DENIED])
def test_failures_under_way_when_it_opens_do_not_make_it_longer(
    health: DestinationHealth, judged: Judged
) -> None:
    failed(health, 12, judged)

    assert health.open_until == NOW + MINUTE


def test_refused_probe_closes_it_until_the_next_failure(
    health: DestinationHealth,
) -> None:
    failed(health, 9)
    later = NOW + MINUTE
    admit(health, destination(), now=later)

    settle(health, REFUSED, now=later)
    assert admit(health, destination(), now=later) is None
    settle(health, BUSY, now=later)

    assert admit(health, destination(), now=later) is not None


def test_denied_probe_opens_it_for_longer(health: DestinationHealth) -> None:
    failed(health, 2, DENIED)
    later = NOW + MINUTE
    assert admit(health, destination(), now=later) is None

    settle(health, DENIED, now=later)

    assert health.open_until == later + 2 * MINUTE


def test_two_fresh_tokens_denied_open_it(health: DestinationHealth) -> None:
    settle(health, DENIED, now=NOW)
    assert admit(health, destination(), now=NOW) is None

    settle(health, DENIED, now=NOW)

    assert admit(health, destination(), now=NOW) is not None


def test_another_answer_between_denials_counts(health: DestinationHealth) -> None:
    for judged in (DENIED, REFUSED, DENIED):
        settle(health, judged, now=NOW)

    assert admit(health, destination(), now=NOW) is None


def test_gone_disables_at_once(health: DestinationHealth) -> None:
    because = settle(health, GONE, now=NOW).disabled_because

    assert because is not None
    assert "410" in because


@pytest.mark.parametrize("judged", [BUSY, BROKEN, REFUSED])
def test_five_days_of_nothing_else_disable(
    health: DestinationHealth, judged: Judged
) -> None:
    first = settle(health, judged, now=NOW)
    before = settle(health, judged, now=NOW + 5 * DAY - SECOND)
    after = settle(health, judged, now=NOW + 5 * DAY)

    assert first.disabled_because is None
    assert before.disabled_because is None
    assert "five days" in str(after.disabled_because)


def test_one_success_starts_the_five_days_anew(health: DestinationHealth) -> None:
    settle(health, BUSY, now=NOW)
    settle(health, OK, now=NOW + 4 * DAY)

    assert settle(health, BUSY, now=NOW + 6 * DAY).disabled_because is None


def test_bucket_empties_and_fills_by_the_minute(health: DestinationHealth) -> None:
    few = destination(per_minute=6)
    went = [admit(health, few, now=NOW) for _ in range(7)]

    assert went[:6] == [None] * 6
    assert went[6] is not None
    assert NOW + 10 * SECOND <= went[6].until <= NOW + 20 * SECOND
    assert admit(health, few, now=NOW + 9 * SECOND) is not None
    assert admit(health, few, now=NOW + 10 * SECOND) is None
    assert admit(health, few, now=NOW + 10 * SECOND) is not None


def test_bucket_holds_a_minute_and_no_more(health: DestinationHealth) -> None:
    few = destination(per_minute=3)

    went = [admit(health, few, now=NOW + DAY) for _ in range(4)]

    assert [wait is None for wait in went] == [True, True, True, False]


def test_clock_that_steps_back_takes_nothing(health: DestinationHealth) -> None:
    few = destination(per_minute=3)

    assert admit(health, few, now=NOW - DAY) is None
