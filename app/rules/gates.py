"""A gate: the status that holds the issue until the rule is carried out.

Success moves the issue out of its hold, failure moves it elsewhere, and when nothing
has moved it by its deadline the watchdog does.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.steps import durations

MODE = "gate"
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(days=7)


class Hold(BaseModel):
    """Where the issue waits, and for how long at most."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    status: str = Field(pattern=r"^[0-9]{1,19}$")
    """The id of the status: names change, and JQL takes ids without quotes."""
    deadline: str = Field(pattern=r"^[1-9][0-9]{0,4}[smhd]$")

    @field_validator("deadline")
    @classmethod
    def _sane(cls, value: str) -> str:
        if not SHORTEST <= durations.length(value) <= LONGEST:
            raise ValueError("a deadline is from 30s to 7d")
        return value

    @property
    def wait(self) -> timedelta:
        """How long the issue may be in its hold."""
        return durations.length(self.deadline)

    def words(self) -> str:
        """Return the deadline as people say it: `30 minutes`."""
        return durations.words(self.deadline)


def problems(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what of a rule's JSON does not go together, each with its key.

    A gate without a way out for success would hold every issue until its deadline; a
    hold without a gate would look safe and hold nothing.
    """
    failure = data.get("on_failure")
    is_gate = isinstance(failure, dict) and failure.get("mode") == MODE
    if is_gate and data.get("hold") is None:
        yield "hold.status", "choose the status that holds the issue"
    if is_gate and data.get("on_success") is None:
        yield "on_success.transition", "say by which transition it leaves its hold"
    if not is_gate and data.get("hold") is not None:
        yield "hold", "only a rule that holds the issue has a hold"


def outwaited(hold: Hold, patience: timedelta | None) -> bool:
    """Say whether a step waits for an answer when its issue is held no longer."""
    return patience is not None and patience > hold.wait
