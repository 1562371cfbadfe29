"""`countersign serve` as an operator's monitor and log collector see it."""

import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest

from app import db
from app.tenants import State, Tenant
from tests import canaries, processes
from tests.functional.conftest import KEY
from tests.functional.shell import good, plant
from tests.processes import COUNTERSIGN, started

SECONDS = 20


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_LISTEN": f"127.0.0.1:{processes.free_port()}",
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/countersign.sqlite",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{tmp_path}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
    }


def figures(at: str, wanted: str) -> str:
    """Return what `/metrics` says once it says what is wanted."""
    deadline = time.monotonic() + SECONDS
    while True:
        with urllib.request.urlopen(f"{at}/metrics", timeout=10) as answer:  # noqa: S310 -- ours
            text: str = answer.read().decode()
        if wanted in text or time.monotonic() > deadline:
            return text
        time.sleep(processes.PAUSE_SECONDS)


def test_web_server_tells_what_the_worker_counted_and_lines_are_json(
    env: dict[str, str], tmp_path: Path
) -> None:
    """T13: a run that ends and a call that is refused, in figures and in the log."""
    good(env, "db", "upgrade")
    sessions = db.make_sessions(env["COUNTERSIGN_DATABASE_URL"])
    planted = plant(sessions)
    with sessions.begin() as session:
        session.get_one(Tenant, planted.tenant_id).state = State.UNINSTALLED
    sessions.kw["bind"].dispose()
    at = f"http://{env['COUNTERSIGN_LISTEN']}"
    token = jwt.encode({"iss": "nobody", "qsh": "x"}, "k" * 40, algorithm="HS256")

    with started("serve", [COUNTERSIGN, "serve"], env=env, folder=tmp_path) as serving:
        serving.wait_until_answers(f"{at}/healthz")
        call = urllib.request.Request(  # noqa: S310 -- ours
            f"{at}/post-function/triggered?jwt={token}", b"{}", method="POST"
        )
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(call, timeout=10)  # noqa: S310 -- ours
        text = figures(at, 'countersign_runs_ended_total{state="failed"} 1.0')

    assert 'countersign_runs_ended_total{state="failed"} 1.0' in text
    assert re.search(
        r'verifications_total\{outcome="refused",reason="[a-z-]+".*1.0', text
    )
    log = serving.log.read_bytes()
    lines = [json.loads(line) for line in log.splitlines()]
    [ended] = [each for each in lines if "state=failed" in each["event"]]
    assert ended["run"] == str(planted.run_id)
    assert ended["tenant"] == str(planted.tenant_id)
    assert ended["trace"] == planted.run_id.hex
    assert any(each["event"].startswith("refused route=") for each in lines)
    said = {"log": log}
    assert canaries.tokens(said) + canaries.leaks({"key": KEY}, said) == []
