"""Every folder of tests is run: by `make check`, or by a command of its own."""

import subprocess

import pytest

from tests.processes import ENVIRON, PYTHON, unmeasured
from tests.shared import ROOT

APART = {"faults"}
"""`make faults`: random, and minutes long."""


def test_every_other_folder_is_checked(pytestconfig: pytest.Config) -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    checked = {path.removeprefix("tests/") for path in pytestconfig.getini("testpaths")}

    assert checked == folders - APART


def test_rounds_of_faults_are_played_one_after_the_other() -> None:
    """They are collected, at least; mypy reads them with the others."""
    options = ["--collect-only", "-q", "--rounds", "2", "--seed", "7"]
    done = subprocess.run(  # noqa: S603 -- ours
        [PYTHON, "-m", "pytest", "tests/faults", *options],
        cwd=ROOT,
        env=unmeasured(ENVIRON),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    seeds = [
        line.partition("[")[2][0] for line in done.stdout.splitlines() if "[" in line
    ]
    assert len(seeds) > 20
    assert seeds == sorted(seeds)
    assert set(seeds) == {"7", "8"}
