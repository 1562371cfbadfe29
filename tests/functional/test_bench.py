"""What `make bench` sends is what Jira sends: each call is let in, and is another."""

import importlib
from collections.abc import Callable

from flask.testing import FlaskClient
from werkzeug.test import Client

from app.runs import Run
from app.runtime import Runtime
from bench import __main__, tenants
from bench.hooks import calls, contestants
from bench.serving import apps
from tests.functional.fakes import Clock


def test_every_part_of_the_bench_can_be_loaded() -> None:
    for place in __main__.PARTS.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_calls_that_are_made_beforehand_are_let_in_and_recorded_once(
    client: FlaskClient,
    runtime: Runtime,
    clock: Clock,
    all_runs: Callable[[], list[Run]],
) -> None:
    tenants.install(runtime, 3)
    tokens = list(calls.made(contestants.OURS, now=clock(), sites=range(3)))

    def call(number: int) -> int:
        body = calls.body().replace(calls.NUMBER.encode(), str(number).encode())
        headers = {"Authorization": f"JWT {tokens[number % 3]}"}
        return client.post(contestants.OURS, data=body, headers=headers).status_code

    numbers = range(calls.FIRST, calls.FIRST + 6)
    answers = {call(number) for number in (*numbers, *numbers)}

    assert answers == {204}
    assert [run.issue_id for run in all_runs()] == [str(number) for number in numbers]
    assert len({run.tenant_id for run in all_runs()}) == 3
    assert 2400 < len(calls.body()) < 2700


def test_what_only_verifies_lets_in_the_same_and_records_first_calls_alone(
    runtime: Runtime, clock: Clock, all_runs: Callable[[], list[Run]]
) -> None:
    tenants.install(runtime, 1)
    [token] = calls.made(contestants.OURS, now=clock(), sites=[0])
    client = Client(apps.verifying(runtime))
    good = {"Authorization": f"JWT {token}"}
    forged = {"Authorization": f"JWT {token[:-6]}AAAAAA"}

    def call(number: int, headers: dict[str, str]) -> int:
        body = calls.body().replace(calls.NUMBER.encode(), str(number).encode())
        return client.post(contestants.OURS, data=body, headers=headers).status_code

    first = calls.FIRST
    assert [call(number, good) for number in range(first, first + 4)] == [204] * 4
    assert call(first + 9, forged) == 401
    assert [run.issue_id for run in all_runs()] == [str(first)]
