"""The wire between Jira and us is cut for a while, with calls of both sides on it."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import root
from tests.faults.conftest import Conclude, Play
from tests.faults.kept import Kept
from tests.faults.root import Network
from tests.faults.site import Site


@pytest.fixture
def network() -> Iterator[Network]:
    with root.network(os.getpid() % 60) as made:
        yield made


def test_network_is_cut(
    play: Play, network: Network, sqlite: str, tmp_path: Path, conclude: Conclude
) -> None:
    def relay(site: Site) -> Kept:
        """Let Jira be at the same address of loopback, where we are, as where it is."""
        _, _, port = site.jira.base_url.rpartition(":")
        proxy = [sys.executable, "-m", "tests.faults.proxy", "127.0.0.1"]
        return Kept(
            name="relay",
            command=[*network.prefix, *proxy, port, network.here],
            env={},
            folder=tmp_path,
        )

    with play(
        database=sqlite,
        prefix=network.prefix,
        host=network.there,
        jira_host=network.here,
        beside=relay,
    ) as stage:
        with stage.under_load() as times:
            for left in times.naps(0.3, 1.5):
                network.cut()
                time.sleep(stage.random.uniform(0.1, min(3.0, max(left, 0.5))))
                network.mend()

        verdict = conclude(stage)
    assert verdict.counts["tries"] > verdict.counts["calls"], "it was never cut"
