"""Processes that are killed at random times, and started again."""

import contextlib
import os
import signal

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


def test_killed_among_several_processes_of_a_web_server(
    play: Play, database: str, conclude: Conclude
) -> None:
    """One that answers, or the one that looks after them: never all at once."""
    several = {"COUNTERSIGN_WEB_PROCESSES": "2"}
    with play(database=database, env_of=lambda _: several) as stage:
        with stage.under_load() as times:
            for _ in times.naps(0.5, 1.5):
                children = stage.web.children()
                if children and stage.random.random() < 0.7:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(stage.random.choice(children), signal.SIGKILL)
                else:
                    stage.web.ask(signal.SIGKILL)

        conclude(stage)
