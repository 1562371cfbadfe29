"""When the worker tries again, and when it does not."""

from datetime import UTC, datetime, timedelta

import pytest

from app.http import SendError
from app.jira import JiraError
from app.worker.retrying import BACKOFF, retry_time

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def wait(error: JiraError | SendError, tries: int = 1) -> timedelta | None:
    at = retry_time(error, tries, now=NOW)
    return None if at is None else at - NOW


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int) -> None:
    assert wait(JiraError(status, "")) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_lasting_trouble_is_not(status: int) -> None:
    assert wait(JiraError(status, "")) is None


@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_is_passing_trouble(*, sent: bool) -> None:
    assert wait(SendError("timeout", sent=sent)) is not None


@pytest.mark.parametrize("tries", range(1, 6))
def test_waits_grow_with_some_jitter(tries: int) -> None:
    waited = wait(JiraError(503, ""), tries)

    assert waited is not None
    assert 0.8 <= waited / BACKOFF[tries - 1] <= 1.2


def test_after_the_last_wait_it_ends() -> None:
    assert wait(JiraError(503, ""), len(BACKOFF) + 1) is None


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        ("30", 24, 36),
        ("1", 1.6, 2.4),
        ("999999999999", 2880, 4320),
        ("soon", 1.6, 2.4),
        ("-5", 1.6, 2.4),
        ("٣", 1.6, 2.4),
    ],
)
def test_retry_after_is_honoured_within_reason(
    asked: str, at_least: float, at_most: float
) -> None:
    waited = wait(JiraError(429, "", retry_after=asked))

    assert waited is not None
    assert at_least <= waited.total_seconds() <= at_most
