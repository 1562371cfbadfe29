"""What is counted, by whom it is read, and how processes count together."""

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from app import metrics
from app.cli import worker_metrics
from app.settings import Settings
from tests import processes
from tests.shared import ROOT

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
AWAY = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        (LOCAL, True),
        ({"REMOTE_ADDR": "::1"}, True),
        (AWAY, False),
        ({}, False),
        (LOCAL | {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        (LOCAL | {"HTTP_FORWARDED": "for=127.0.0.1"}, False),
        (LOCAL | {"HTTP_X_REAL_IP": "203.0.113.9"}, False),
        (LOCAL | {"HTTP_VIA": "1.1 proxy"}, False),
        (AWAY | {"HTTP_AUTHORIZATION": "Bearer s3cret"}, True),
        (AWAY | {"HTTP_AUTHORIZATION": "bearer  s3cret"}, True),
        (AWAY | {"HTTP_AUTHORIZATION": "Basic s3cret"}, False),
        (AWAY | {"HTTP_AUTHORIZATION": "Bearer s3cre"}, False),
    ],
)
def test_figures_are_for_this_machine_and_who_has_the_token(
    environ: Mapping[str, str], *, may: bool
) -> None:
    assert metrics.may_read(environ, "s3cret") is may


def test_empty_token_opens_nothing() -> None:
    assert not metrics.may_read(AWAY | {"HTTP_AUTHORIZATION": "Bearer "}, "")


def test_processes_of_one_folder_count_together(tmp_path: Path) -> None:
    """One that ended, even by a signal, has counted what it counted."""
    count = "from app import metrics; metrics.count_jira(429); metrics.count_jira(None)"
    tell = "; print(metrics.exposed().decode())"
    end = "; import os; os.kill(os.getpid(), 9)"
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    first = subprocess.run([sys.executable, "-c", count + end], env=env, check=False)  # noqa: S603 -- ours
    told = subprocess.check_output(  # noqa: S603 -- as above
        [sys.executable, "-c", count + tell], env=env, text=True
    )

    assert first.returncode == -9
    assert "countersign_jira_throttled_total 2.0" in told
    assert 'countersign_jira_calls_total{status="4xx"} 2.0' in told
    assert 'countersign_jira_calls_total{status="none"} 2.0' in told


def settings(**more: str) -> Settings:
    needed = {
        "BASE_URL": "https://countersign.example",
        "DATABASE_URL": "sqlite:///none.sqlite",
        "QUEUE_URL": "sqlite:///none.sqlite",
        "ENCRYPTION_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    }
    return Settings.from_env(
        {f"COUNTERSIGN_{name}": value for name, value in (needed | more).items()}
    )


def asked(url: str, **headers: str) -> tuple[int, str]:
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- ours
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_worker_shows_what_it_counted_and_nothing_else() -> None:
    port = processes.free_port()
    metrics.count_jira(200)

    with worker_metrics.shown(settings(WORKER_METRICS=f"127.0.0.1:{port}")):
        at = f"http://127.0.0.1:{port}"
        status, text = asked(f"{at}/metrics")
        proxied = asked(f"{at}/metrics", Forwarded="for=203.0.113.9")
        other = asked(f"{at}/readyz")

    assert status == 200
    assert re.search(r'countersign_jira_calls_total\{status="2xx"\} [1-9]', text)
    assert proxied == other == (404, "")


def test_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        at = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(click.ClickException, match=f"no metrics at {at}"),
            worker_metrics.shown(settings(WORKER_METRICS=at)),
        ):
            pass


def test_worker_shows_nothing_unless_it_is_told_to() -> None:
    with worker_metrics.shown(settings()):
        pass
