"""Several requests that share a time: somebody waits for all of them together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.http.messages import Http, Request, Response, SendError


@dataclass(frozen=True, kw_only=True)
class InTime:
    """`Http` until a moment: each request has what is left of the time, at most.

    Attack: several questions are asked, and the host lets each of them take as long as
    the door allows; meanwhile the thread is missing for Jira's calls.
    """

    http: Http
    now: Callable[[], datetime]
    until: datetime
    longest: timedelta
    """All the time there was; never more, should the clock be set back meanwhile."""
    late: str
    """What is said of a request for which no time is left."""

    def send(self, request: Request) -> Response:
        left = min(self.until - self.now(), self.longest).total_seconds()
        if left <= 0:
            raise SendError(self.late, sent=False)
        seconds = left if request.seconds is None else min(left, request.seconds)
        return self.http.send(replace(request, seconds=seconds))
