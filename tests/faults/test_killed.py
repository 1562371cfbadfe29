"""Processes that are killed at random times, and started again."""

import pytest

from tests.faults.conftest import Conclude, Play


@pytest.mark.parametrize("who", ["web", "worker", "both"])
def test_killed(play: Play, database: str, conclude: Conclude, who: str) -> None:
    with play(database=database, workers=1 if who == "web" else 2) as stage:
        every = [stage.web] if who != "worker" else []
        every += stage.workers if who != "web" else []
        before = sum(each.starts for each in every)

        with stage.under_load() as times:
            for _ in times.naps(0.5, 2.5):
                stage.random.choice(every).kill(away=stage.random.uniform(0, 0.5))

        conclude(stage)
        assert sum(each.starts for each in every) > before + 1
