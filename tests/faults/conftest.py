"""Rounds and their seeds, and what every scenario plays with."""

import random
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import keys
from app.crypto import KeyPair
from tests.faults import servers, stage
from tests.faults.judging import ACCOUNTED, Verdict
from tests.faults.servers import Postgres
from tests.faults.stage import Setting, Stage
from tests.killing import racing

Play = Callable[..., AbstractContextManager[Stage]]
Conclude = Callable[..., Verdict]


@dataclass
class Tally:
    """What all scenarios of this run came to."""

    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)

    def total(self, name: str) -> int:
        return sum(verdict.counts.get(name, 0) for _, verdict in self.verdicts)


TALLY = pytest.StashKey[Tally]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--rounds", type=int, default=1, help="how often each plays")
    group.addoption("--seed", type=int, help="of the first round; else any")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()
    if config.option.seed is None:
        config.option.seed = secrets.randbelow(10**6)
    # Who ends the suite ends all that it started: by either signal, as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", _seeds(metafunc.config), scope="session")


def _seeds(config: pytest.Config) -> range:
    first = config.getoption("seed")
    return range(first, first + config.getoption("rounds"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play one round after the other."""
    items.sort(key=_round)


def _round(item: pytest.Item) -> int:
    assert isinstance(item, pytest.Function)
    return int(str(item.callspec.params["seed"]))


def pytest_report_header(config: pytest.Config) -> str:
    seeds = _seeds(config)
    told = f"seeds {seeds[0]} to {seeds[-1]}"
    return f"faults: {told}; `--seed N -k NAME` plays one again"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash[TALLY]
    if not tally.verdicts:
        return
    terminalreporter.section("faults")
    names = ("calls", "tries", "accepted", "succeeded", "failed", "ambiguous")
    told = ", ".join(f"{tally.total(name)} {name}" for name in names)
    lost, doubled = (
        sum(len(getattr(verdict, kind)) for _, verdict in tally.verdicts)
        for kind in ("lost", "doubled")
    )
    terminalreporter.line(f"{len(tally.verdicts)} scenarios: {told}")
    terminalreporter.line(f"{lost} lost, {doubled} doubled")


@pytest.fixture(scope="session")
def pairs() -> tuple[KeyPair, ...]:
    """Signing keys for every site; slow to make."""
    return tuple(keys.make(2))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "app.sqlite"
    racing.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with servers.postgres() as server:
        yield server


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Every choice of a scenario comes from here."""
    del seed  # it stands in the name
    return random.Random(request.node.name)


@pytest.fixture
def sqlite(migrated: Path, tmp_path: Path) -> str:
    """A database that other scenarios know nothing of."""
    shutil.copy(migrated, tmp_path / "app.sqlite")
    return f"sqlite:///{tmp_path}/app.sqlite"


@pytest.fixture
def postgresql(postgres: Postgres) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(rng: random.Random, request: pytest.FixtureRequest) -> str:
    """One of either kind: where it does not matter which, rounds take turns."""
    return str(request.getfixturevalue(rng.choice(["sqlite", "postgresql"])))


@pytest.fixture
def play(rng: random.Random, tmp_path: Path, pairs: tuple[KeyPair, ...]) -> Play:
    def play(**unusual: Any) -> AbstractContextManager[Stage]:
        usual: dict[str, Any] = {"folder": tmp_path, "random": rng, "pairs": pairs}
        return stage.opened(Setting(**usual | unusual))

    return play


@pytest.fixture
def conclude(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Conclude:
    """Judge a stage, print what came of it, and fail for what must not be."""

    def conclude(playing: Stage, **how: Any) -> Verdict:
        verdict = playing.judge(**how)
        request.config.stash[TALLY].verdicts.append((request.node.name, verdict))
        kind = sa.make_url(playing.setting.database).get_backend_name()
        with capsys.disabled():
            sys.stdout.write(f"\n  {request.node.name}, {kind}: {verdict.words} ")
            sys.stdout.flush()
        assert verdict.is_good, f"{verdict.faults}\n{playing.tails()}"
        return verdict

    return conclude


__all__ = ["ACCOUNTED", "Conclude", "Play"]
