"""An issuer on a port, under the real time: other people's libraries ask no other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.functional.fakes import Clock
from tests.receivers.issuing import AUDIENCE, Source, World, issuing
from tests.receivers.judges import NodeJudge, PythonJudge, judge_of

MakeJudge = Callable[[str, Source], PythonJudge | NodeJudge]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with issuing(tmp_path, Clock(datetime.now(UTC))) as made:
        yield made


@pytest.fixture
def make_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeJudge:
    """Set up a receiver of the document for the deliveries of one source."""

    def make(name: str, source: Source) -> PythonJudge | NodeJudge:
        env = {
            "COUNTERSIGN_ISSUERS": source.issuer,
            "COUNTERSIGN_AUDIENCE": AUDIENCE,
            "COUNTERSIGN_SUBJECTS": f"{source.subject},{source.subject}:test",
            "COUNTERSIGN_SECRET": source.secret.reveal() if source.secret else "",
        }
        for variable, value in env.items():
            monkeypatch.setenv(variable, value)
        return judge_of(name, tmp_path, env)

    return make
