"""The watchdog: asks Jira which held tickets are stuck, and has them moved on.

`turns` says who looks and when; `held` asks Jira, `judging` our tables; `rescuing`
records the run that an ordinary worker then carries out; `watching` is one look at all
sites, and `schedule` looks again and again.
"""

from app.watchdog.schedule import scheduled
from app.watchdog.tables import Heartbeat
from app.watchdog.watching import Watchdog

__all__ = ["Heartbeat", "Watchdog", "scheduled"]
