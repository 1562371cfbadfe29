"""Clocks are compared by answers' dates, and a slow answer is no wrong clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.doctor import clocks
from app.doctor.asking import Heard
from app.http import Response

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOST = "acme.atlassian.net"


def heard(*, ahead: float, took: float = 0.2, **headers: str) -> Heard:
    """Return an answer to a clock that is `ahead` seconds; it was made half way."""
    end = NOW + timedelta(seconds=took)
    date = NOW + timedelta(seconds=took / 2 - ahead)
    sent = {"Date": format_datetime(date, usegmt=True)} | headers
    return Heard(
        asked_at=NOW, heard_at=end, response=Response(status=200, headers=sent)
    )


@pytest.mark.parametrize(
    ("ahead", "health", "said"),
    [
        (0, "ok", "agree"),
        (4, "ok", "agree"),
        (-4, "ok", "agree"),
        (12, "warn", "this machine is 12 s ahead of acme.atlassian.net"),
        (-28, "warn", "this machine is 28 s behind acme.atlassian.net"),
        (42, "fail", "this machine is 42 s ahead of acme.atlassian.net"),
        (-3600, "fail", "this machine is 3600 s behind acme.atlassian.net"),
    ],
)
def test_clock_is_judged_by_what_tokens_forgive(
    ahead: float, health: str, said: str
) -> None:
    [finding] = clocks.compare(HOST, heard(ahead=ahead))

    assert finding.health == health
    assert said in finding.saw


def test_time_that_an_answer_took_is_not_held_against_the_clock() -> None:
    slow = heard(ahead=8, took=20)

    [finding] = clocks.compare(HOST, slow)

    assert finding.health == "ok"
    assert not clocks.is_wrong(heard(ahead=33, took=20))


def test_answer_from_a_cache_is_as_old_as_it_says() -> None:
    [finding] = clocks.compare(HOST, heard(ahead=600, Age="600"))

    assert finding.health == "ok"


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 30 Nov 2026 12:00:00 -0000"])
def test_answer_without_a_time_says_nothing(date: str) -> None:
    answer = Response(status=200, headers={"Date": date} if date else {})

    [finding] = clocks.compare(HOST, Heard(asked_at=NOW, heard_at=NOW, response=answer))

    assert finding.health == "skipped"
