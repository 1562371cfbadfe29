"""What Jira lets us do in an hour, and which sites rest because they have had it.

`meter` counts in memory what calls cost and what Jira said of its limits; `resting`
writes that down and says who rests; `headers` reads what Jira said; `costs` knows what
a call costs. Nothing here calls anybody.

Source: Jira Cloud platform, "Rate limiting" (the points model of 2026).
"""

from app.quotas.costs import base_cost, object_cost
from app.quotas.headers import asked, is_of_issue
from app.quotas.meter import Meter, Wanted
from app.quotas.resting import (
    Share,
    Standing,
    count_resting,
    find,
    forget,
    is_awake,
    note,
)
from app.quotas.tables import Rest, RestCause, SpentPoints

__all__ = [
    "Meter",
    "Rest",
    "RestCause",
    "Share",
    "SpentPoints",
    "Standing",
    "Wanted",
    "asked",
    "base_cost",
    "count_resting",
    "find",
    "forget",
    "is_awake",
    "is_of_issue",
    "note",
    "object_cost",
]
