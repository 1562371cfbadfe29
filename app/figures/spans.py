"""What a span of time came to: an hour, or several of them added up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.figures.durations import quantile
from app.runs import RunState

HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What happened at a site from `begins_at` to just before `ends_at`."""

    begins_at: datetime
    ends_at: datetime
    verified: int = 0
    """Calls of Jira's that were verified and recorded."""
    duplicates: int = 0
    """Verified calls that were seen before; they are not among `verified`."""
    refused: int = 0
    """Refused calls that the site's own signature proves (rule T13)."""
    rescued: int = 0
    ended: Mapping[RunState, int] = field(default_factory=dict)
    """Runs by how they ended. One that waits for a person's answer has not; one that
    goes on after its end, by such an answer, counts once for each end."""
    took: Mapping[int, int] = field(default_factory=dict)
    """How many succeeded and failed runs took how long, by bucket."""

    @property
    def runs(self) -> int:
        """How many runs ended."""
        return sum(self.ended.values())

    @property
    def is_empty(self) -> bool:
        calls = self.verified or self.duplicates or self.refused
        return not (calls or self.rescued or self.ended)

    def took_at_most(self, share: float) -> timedelta | None:
        """Say how long that share of the runs took at most; None if there were none."""
        return quantile(self.took, share)


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of this moment began, in UTC as all our times are."""
    return moment.replace(minute=0, second=0, microsecond=0)


def hour(begins_at: datetime) -> Figures:
    """Return an hour in which nothing happened."""
    return Figures(begins_at=begins_at, ends_at=begins_at + HOUR)


def merged(parts: Sequence[Figures]) -> Figures:
    """Add up figures of spans that follow each other; there must be one at least."""
    ended: Counter[RunState] = Counter()
    took: Counter[int] = Counter()
    for part in parts:
        ended.update(part.ended)
        took.update(part.took)
    return Figures(
        begins_at=parts[0].begins_at,
        ends_at=parts[-1].ends_at,
        verified=sum(part.verified for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        refused=sum(part.refused for part in parts),
        rescued=sum(part.rescued for part in parts),
        ended=dict(ended),
        took=dict(took),
    )
