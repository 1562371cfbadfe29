"""What an hour of a site came to: counted once it is over, kept when the rest is gone.

A page that shows a week would otherwise read every run of it. `tables` says what is
stored, `spans` what is told of an hour or of several; `counting` counts one,
`durations` how long its runs took; `rolling` does so once, and reads what it kept;
`forgetting` forgets what is older than anybody asks for.
"""

from app.figures.forgetting import count_old_hours, forget_hours
from app.figures.rolling import count_up, read
from app.figures.spans import HOUR, Figures, hour_of, merged
from app.figures.tables import Counted, Hour

__all__ = [
    "HOUR",
    "Counted",
    "Figures",
    "Hour",
    "count_old_hours",
    "count_up",
    "forget_hours",
    "hour_of",
    "merged",
    "read",
]
