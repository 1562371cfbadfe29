"""Requests that share a time: each has what is left, and late ones are not sent."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from app.http import InTime, Request, Response, SendError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EIGHT = timedelta(seconds=8)
REQUEST = Request(method="GET", url="https://acme.atlassian.net/rest")


@dataclass
class Sent:
    """An `Http` that keeps what it was to send."""

    requests: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(status=200)


@pytest.fixture
def http() -> Sent:
    return Sent()


def in_time(http: Sent, *, passed: float) -> InTime:
    """Return the door after so many of its eight seconds."""
    now = NOW + timedelta(seconds=passed)
    return InTime(
        http=http, now=lambda: now, until=NOW + EIGHT, longest=EIGHT, late="too late"
    )


@pytest.mark.parametrize(
    ("passed", "wanted", "granted"),
    [
        (0, None, 8),
        (3, None, 5),
        (3, 2.0, 2),
        (7, 2.0, 1),
        (7.5, None, 0.5),
        (-3600, None, 8),  # the clock was set back
    ],
)
def test_t11_each_request_has_what_is_left(
    http: Sent, passed: float, wanted: float | None, granted: float
) -> None:
    request = Request(method="GET", url=REQUEST.url, seconds=wanted)

    assert in_time(http, passed=passed).send(request).status == 200

    [sent] = http.requests
    assert (sent.url, sent.seconds) == (REQUEST.url, granted)


@pytest.mark.parametrize("passed", [8, 9])
def test_t11_what_comes_too_late_is_not_sent(http: Sent, passed: float) -> None:
    with pytest.raises(SendError, match=r"^too late$") as error:
        in_time(http, passed=passed).send(REQUEST)

    assert not error.value.sent
    assert http.requests == []
