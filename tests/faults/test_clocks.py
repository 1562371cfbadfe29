"""Clocks that are wrong, and clocks that jump: libfaketime, one for each process.

Several clocks are several machines, and those share a PostgreSQL.
"""

import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from app.runs import RunState
from tests.doctor.conftest import FAKETIMES
from tests.faults.conftest import Conclude, Play
from tests.faults.judging import ACCOUNTED
from tests.faults.product import FAKED

WRONG = 20
"""Seconds; with the leeway of 30 it is no reason to refuse anything."""

LONGEST_JUMP = 300
PATIENCE = 30
SLOWEST = 0.2
REFUSED = range(400, 500)


@dataclass
class Watches:
    """The clock of each process, by its name: seconds that it is ahead."""

    folder: Path
    ahead: dict[str, float] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, str]:
        """Return what gives a process its own clock; none of it but the time is false.

        What measures how long something takes goes on as it is.
        """
        self.set(name, self.ahead.get(name, 0))
        library = next(str(at) for each in FAKETIMES for at in Path("/").glob(each[1:]))
        return {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file(name)),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; to read it each time is slow
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            FAKED: "1",
        }

    def set(self, name: str, seconds: float) -> None:
        """Let it be ahead so much, from now on."""
        self.ahead[name] = seconds
        draft = self._file(name).with_suffix(".new")
        draft.write_text(f"{seconds:+.3f}\n", encoding="ascii")
        draft.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.time"


@pytest.fixture
def watches(tmp_path: Path) -> Watches:
    return Watches(tmp_path)


SKEWS = [
    skew
    for skew in itertools.product((-WRONG, 0, WRONG), repeat=2)
    # A run is due by the door's clock, and forty seconds are long to wait here.
    if any(skew) and skew != (WRONG, -WRONG)
]


def test_wrong_clocks_within_the_leeway_cost_nothing(
    play: Play,
    postgresql: str,
    rng: random.Random,
    watches: Watches,
    conclude: Conclude,
) -> None:
    watches.ahead["web"], watches.ahead["worker-0"] = rng.choice(SKEWS)
    watches.ahead["worker-1"] = 0
    with play(database=postgresql, env_of=watches.of, workers=2) as stage:
        with stage.under_load():
            pass

        verdict = conclude(stage)
        refused = [each for each in stage.site.record.tries if each.status in REFUSED]
    assert verdict.counts["succeeded"] == verdict.counts["calls"]
    assert refused == []


def test_jumping_clocks_lose_and_double_nothing(
    play: Play, postgresql: str, watches: Watches, conclude: Conclude
) -> None:
    """What a clock is too wrong for is refused or fails, and can be seen to.

    An issue goes round once: which of two changes alike a call is about, its time says.
    And by the time of the door runs have their order, so none is asked for.
    """
    unusual = {"env_of": watches.of, "workers": 2, "rounds": 1}
    with play(database=postgresql, **unusual) as stage:
        stage.slow_down(SLOWEST)
        with stage.under_load() as times:
            for _ in times.naps(0.2, 1.0):
                who = stage.random.choice(list(watches.ahead))
                watches.set(who, stage.random.uniform(-LONGEST_JUMP, LONGEST_JUMP))
                time.sleep(stage.random.uniform(0.1, 1.0))
                watches.set(who, 0)

        stage.site.jira.wait_until_delivered(PATIENCE)
        # All that was put off by a wrong clock comes due.
        stage.site.clock.ahead = timedelta(seconds=LONGEST_JUMP + 60)
        for name in watches.ahead:
            watches.set(name, LONGEST_JUMP + 60)
        conclude(stage, allowed=ACCOUNTED | {RunState.UNCONFIRMED}, in_order=False)
