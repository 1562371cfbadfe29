"""PostgreSQL is stopped at once, killed, or slow."""

import contextlib
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.faults.conftest import Conclude, Play
from tests.faults.kept import wait_until
from tests.faults.proxy import Proxy
from tests.faults.servers import Postgres


def test_postgresql_is_killed(
    play: Play, postgres: Postgres, postgresql: str, conclude: Conclude
) -> None:
    before = postgres.process.starts
    with play(database=postgresql, workers=2) as stage:
        with stage.under_load() as times:
            for _ in times.naps(0.5, 2.0):
                harm = stage.random.choice([postgres.kill, postgres.stop_at_once])
                harm(away=stage.random.uniform(0, 1.0))

        wait_until(postgres.answers, or_say=postgres.process.tail)
        conclude(stage)
    assert postgres.process.starts > before


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    between = Proxy(target=("127.0.0.1", postgres.port))
    with between.listening():
        yield between


def test_postgresql_is_slow_and_cut_off(
    play: Play, postgresql: str, proxy: Proxy, conclude: Conclude
) -> None:
    through = sa.make_url(postgresql).set(port=proxy.port)
    given = through.render_as_string(hide_password=False)
    with play(database=postgresql, through=given, workers=2) as stage:
        with stage.under_load() as times:
            for _ in times.naps(0.1, 0.5):
                lasts = stage.random.uniform(0.1, 1.5)
                with wrong(proxy, stage.random.choice(WRONGS)):
                    time.sleep(lasts)

        conclude(stage)


WRONGS = ("slow", "stalled", "cut", "away")


@contextlib.contextmanager
def wrong(proxy: Proxy, what: str) -> Iterator[None]:
    """Have something wrong with the way to the database inside the block."""
    proxy.delay = 0.1 if what == "slow" else 0.0
    proxy.is_stalled = what == "stalled"
    proxy.is_away = what == "away"
    if what in {"cut", "away"}:
        proxy.cut()
    try:
        yield
    finally:
        proxy.delay, proxy.is_stalled, proxy.is_away = 0.0, False, False
