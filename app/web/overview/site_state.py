"""What is known of a site at one moment, for the one sentence that is said of it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.destinations import DestinationState
from app.web.keys.offered_secret import OfferedSecret


@dataclass(frozen=True, kw_only=True)
class Troubled:
    """A destination that somebody should look at."""

    id: uuid.UUID
    name: str
    state: DestinationState
    is_reached: bool
    """False while nothing is sent to it, because it failed several times in a row."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known of a site at one moment; nothing wrong unless it says so."""

    site: str
    is_self_managed: bool = False
    refuses_since: datetime | None = None
    refuses_because: str = ""
    halted_since: datetime | None = None
    """Since when the operator has everything, or this site, stopped."""
    halted_because: str = ""
    rests_until: datetime | None = None
    """Until when none of its runs is begun, for a limit of Jira's or its share."""
    rests_because: str = ""
    late_since: datetime | None = None
    """When the watchdog looked last, if that is too long ago."""
    overdue: int = 0
    """Issues past the deadline of their hold, at the last look."""
    stopped: Sequence[str] = ()
    """Rules that the watchdog has stopped for, by name."""
    offered: OfferedSecret | None = None
    """A secret that is to be proven, or was dropped lately."""
    unanswered: int = 0
    is_cut: bool = False
    """There are more unanswered runs than were counted."""
    troubled: Sequence[Troubled] = ()
    unsound: Sequence[str] = ()
    """Gates with an open way out, by name."""
    refused: int = 0
    """Calls of the last day, as are all that follow."""
    verified: int = 0
    succeeded: int = 0
    failed: int = 0
    has_rules: bool = True
    has_runs: bool = True
