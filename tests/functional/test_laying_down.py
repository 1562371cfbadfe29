"""A worker that is told to stop: what is begun is settled, the rest is another's."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from app.http import DEADLINE_SECONDS, Network, Request, Response
from app.runs import Run, RunState, RunStep, StepState
from app.runtime import Runtime
from app.watchdog import Watchdog
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
TWO = rule({"do": "add-comment", "body": "One"}, {"do": "add-label", "label": "two"})


@dataclass(frozen=True)
class Noticing:
    """The wire, with an eye on what is sent to change Jira."""

    wire: Wire
    noticed: Callable[[], None]

    def send(self, request: Request) -> Response:
        before = len(self.wire.writes())
        response = self.wire.send(request)
        if len(self.wire.writes()) > before:
            self.noticed()
        return response


def noticing(runtime: Runtime, wire: Wire, noticed: Callable[[], None]) -> Runtime:
    http: Network = Noticing(wire, noticed)  # type: ignore[assignment]
    return replace(runtime, http=http)


@pytest.fixture
def fired(site: Jira) -> Jira:
    """A Jira whose call for a rule of two steps is recorded."""
    site.add_post_function("Start progress", TWO)
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", "Start progress")
    assert site.deliver_pending() == 1
    return site


def comments(site: Jira) -> int:
    return len([c for c in site.issue("DEMO-1").comments if c.get("properties")])


def test_step_in_hand_is_settled_and_another_worker_goes_on_at_once(
    fired: Jira,
    runtime: Runtime,
    wire: Wire,
    worker: Worker,
    all_runs: Runs,
    all_steps: Steps,
) -> None:
    stop = threading.Event()
    ending = Worker(runtime=noticing(runtime, wire, stop.set), stop=stop)

    ending.drain()

    [run] = all_runs()
    assert (run.state, run.lease_until, run.tries) == (RunState.RUNNING, None, 0)
    assert [step.state for step in all_steps()] == [StepState.DONE, StepState.PENDING]
    assert worker.step()  # no time has passed
    assert all_runs()[0].state is RunState.SUCCEEDED
    assert comments(fired) == 1
    assert "two" in fired.issue("DEMO-1").fields["labels"]


def test_run_whose_first_step_is_not_begun_is_as_it_was(
    fired: Jira, runtime: Runtime, worker: Worker, all_runs: Runs
) -> None:
    ending = Worker(runtime=runtime)
    ending.stop.set()

    assert ending.step()

    assert comments(fired) == 0
    assert (all_runs()[0].lease_until, all_runs()[0].tries) == (None, 0)
    assert worker.step()
    assert all_runs()[0].state is RunState.SUCCEEDED


@contextmanager
def hanging(runtime: Runtime, wire: Wire) -> Iterator[Worker]:
    """A worker whose first call has reached Jira, and whose answer does not come."""
    is_out, come = threading.Event(), threading.Event()

    def wait() -> None:
        is_out.set()
        assert come.wait(20)

    ending = Worker(runtime=noticing(runtime, wire, wait))
    thread = threading.Thread(target=ending.drain)
    thread.start()
    try:
        assert is_out.wait(20)
        ending.stop.set()
        yield ending
    finally:
        come.set()
        thread.join()


def test_call_that_has_no_answer_yet_is_looked_after_once_none_can_come(
    fired: Jira,
    runtime: Runtime,
    wire: Wire,
    worker: Worker,
    all_runs: Runs,
    clock: Clock,
) -> None:
    """Not at once: what it does may not be seen yet, and be done a second time."""
    with hanging(runtime, wire) as ending:
        ending.lay_down_all()
        free_at = clock() + timedelta(seconds=DEADLINE_SECONDS)
        assert all_runs()[0].lease_until == free_at
        assert not worker.step()

    assert all_runs()[0].lease_until == free_at  # the late answer settled nothing
    clock.advance(timedelta(seconds=DEADLINE_SECONDS))
    assert worker.step()
    assert all_runs()[0].state is RunState.SUCCEEDED
    assert comments(fired) == 1


def test_watchdog_gives_its_turn_back(site: Jira, runtime: Runtime) -> None:
    """Kept, it would be ten minutes until another process may look."""
    del site
    stopped = Watchdog(runtime=runtime)
    stopped.stop.set()

    assert stopped.watch() == 0
    assert Watchdog(runtime=runtime).watch() is not None
