"""From Jira's call to Jira's comment: the main job, and what may go wrong in it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app import runs
from app.http import Request, Response, SendError
from app.runs import Run, RunState, RunStep, StepState, Why
from app.worker import Worker, confirming
from sandbox import Jira
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]

COMMENT = {"do": "add-comment", "body": "Moved by {{ actor.accountId }}"}
MOVE = {"do": "transition-issue", "transition": "Send to review"}


def fire(site: Jira, key: str = "DEMO-1", transition: str = "Start progress") -> None:
    site.set_status(key, "To Do")
    site.transition(key, transition)
    site.deliver_pending()


def comments(site: Jira, key: str = "DEMO-1") -> list[dict[str, object]]:
    return [c for c in site.issue(key).comments if c.get("properties")]


def test_rule_is_carried_out(
    site: Jira, worker: Worker, all_runs: Runs, all_steps: Steps
) -> None:
    site.add_post_function("Start progress", rule(COMMENT, MOVE))

    fire(site)
    worker.drain()

    [run] = all_runs()
    assert run.state is RunState.SUCCEEDED
    assert [step.state for step in all_steps()] == [StepState.DONE, StepState.DONE]
    assert len(comments(site)) == 1
    assert site.status_of("DEMO-1") == "In Review"


@pytest.mark.parametrize(
    "answer",
    [Response(status=503), Response(status=429), SendError("reset", sent=True)],
)
def test_passing_trouble_is_tried_again_later(
    site: Jira,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_runs: Runs,
    answer: Response | Exception,
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    wire.before = [answer]

    worker.drain()
    assert all_runs()[0].state is RunState.RECEIVED
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert len(comments(site)) == 1


def test_comment_whose_answer_was_lost_is_not_repeated(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    # Issue and inventory are read, then the comment is made and its answer lost.
    wire.after = [None, None, SendError("reset", sent=True)]

    worker.drain()
    assert all_runs()[0].state is RunState.RUNNING
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert len(comments(site)) == 1


def test_lasting_trouble_fails_the_run_and_says_where(
    site: Jira, worker: Worker, all_runs: Runs
) -> None:
    move = {"do": "transition-issue", "transition": "No such transition"}
    failure = {"mode": "compensate", "transition": "Deployment failed", "comment": True}
    site.add_post_function("Start progress", rule(move, COMMENT, on_failure=failure))

    fire(site)
    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.STEP_FAILED)
    assert "step 1 (Move the issue)" in str(run.message)
    assert site.status_of("DEMO-1") == "Deployment failed"
    assert len(comments(site)) == 1


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirect_is_no_success(
    site: Jira, worker: Worker, wire: Wire, all_runs: Runs, status: int
) -> None:
    """A renamed or suspended site redirects everything: nothing behind it was done."""
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    wire.before = [None, None, Response(status=status)]

    worker.drain()

    assert (all_runs()[0].state, all_runs()[0].why) == (
        RunState.FAILED,
        Why.STEP_FAILED,
    )


@pytest.mark.parametrize("body", [b"", b"<html>"])
def test_success_that_says_nothing_is_looked_after(
    site: Jira,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_runs: Runs,
    body: bytes,
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    wire.before = [None, None, Response(status=201, body=body)]

    worker.drain()
    assert all_runs()[0].state is RunState.RUNNING
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert len(comments(site)) == 1


def test_tries_of_before_do_not_count_against_what_comes_after(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    busy = Response(status=429)
    for _ in range(5):
        wire.before = [busy]
        worker.drain()
        clock.advance(timedelta(hours=2))
    wire.before = [None, None, busy]

    worker.drain()
    assert all_runs()[0].state is RunState.RUNNING
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED


def test_uninstalled_under_way_nothing_more_is_sent(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    label = {"do": "add-label", "label": "too-late"}
    site.add_post_function("Start progress", rule(COMMENT, label))
    fire(site)
    clock.advance(timedelta(seconds=1))
    send = wire.send

    def leave(request: Request) -> Response:
        answer = send(request)
        if request.method == "POST" and request.url.endswith("/comment"):
            site.uninstall()
        return answer

    wire.send = leave  # type: ignore[method-assign]
    worker.drain()

    assert all_runs()[0].why is Why.TENANT_GONE
    assert "too-late" not in site.issue("DEMO-1").fields["labels"]


def test_issue_deleted_under_way_is_a_failure(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT, MOVE))
    fire(site)
    wire.before = [None, None, None, Response(status=503)]
    worker.drain()
    site.delete_issue("DEMO-1")
    clock.advance(timedelta(seconds=3))

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.NO_SUCH_ISSUE)


@pytest.mark.parametrize(
    ("field", "value", "condition"),
    [
        ("summary", "0001-01-01T00:00:00+14:00", ("greater", "2026-01-01")),
        ("summary", "half a \ud800 character", ("matches", "a+")),
    ],
)
def test_reporters_odd_values_end_their_run_and_nothing_else(
    site: Jira,
    worker: Worker,
    all_runs: Runs,
    field: str,
    value: str,
    condition: tuple[str, str],
) -> None:
    op, against = condition
    when = {"all": [{"field": field, "op": op, "value": against}]}
    site.add_post_function("Start progress", rule(when=when))
    site.issue("DEMO-1").fields[field] = value
    fire(site)
    fire(site, "DEMO-2")

    worker.drain()

    odd, other = all_runs()
    assert odd.finished_at is not None
    assert odd.why in {Why.CONDITION_ERROR, None}
    assert other.finished_at is not None


def test_fault_of_ours_costs_one_run_some_time_and_no_other_anything(
    site: Jira,
    worker: Worker,
    clock: Clock,
    all_runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    faults = iter([KeyError("a bug")])
    confirm = confirming.confirm

    def faulty(*args: Any) -> Any:
        for fault in faults:
            raise fault
        return confirm(*args)

    monkeypatch.setattr(confirming, "confirm", faulty)
    fire(site)
    fire(site, "DEMO-2")

    worker.drain()
    assert sorted(run.state for run in all_runs()) == ["received", "succeeded"]
    clock.advance(timedelta(seconds=3))
    worker.drain()

    assert {run.state for run in all_runs()} == {RunState.SUCCEEDED}


def test_failure_comment_names_the_rule_as_it_is_called(
    site: Jira, worker: Worker
) -> None:
    name = 'R&D: it\'s 50% "done" (prod/EU) *v2* [x](https://e) {{ issue.key }} #1'
    move = {"do": "transition-issue", "transition": "No such transition"}
    failure = {"mode": "report", "comment": True}
    site.add_post_function("Start progress", rule(move, name=name, on_failure=failure))

    fire(site)
    worker.drain()

    [comment] = comments(site)
    texts: list[str] = []
    collect_texts(comment["body"], texts)
    assert f"“{name.replace('{{', '{ {')}”" in "".join(texts)
    assert '"link"' not in json.dumps(comment)


def collect_texts(node: Any, texts: list[str]) -> None:
    if isinstance(node, dict):
        texts += [node["text"]] if "text" in node else []
        collect_texts(node.get("content"), texts)
    for child in node if isinstance(node, list) else []:
        collect_texts(child, texts)


def test_success_moves_the_issue_on(site: Jira, worker: Worker, all_runs: Runs) -> None:
    onward = {"transition": "Send to review"}
    site.add_post_function("Start progress", rule(COMMENT, on_success=onward))

    fire(site)
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert site.status_of("DEMO-1") == "In Review"


CREATE = {
    "do": "create-issue",
    "issuetype": "Task",
    "summary": "Follow {{ issue.key }}",
}


def created(site: Jira) -> int:
    issues = site.world.state.issues.values()
    return sum(issue.fields.get("summary") == "Follow DEMO-1" for issue in issues)


def test_created_issue_that_search_does_not_show_yet_is_waited_for(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(CREATE))
    fire(site)
    lost_answer(wire, "/rest/api/3/issue")

    for _ in range(4):
        worker.drain()
        clock.advance(timedelta(seconds=6))

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert created(site) == 1


@pytest.mark.parametrize(("happened", "issues"), [(True, 1), (False, 2)])
def test_what_nobody_can_tell_waits_for_a_persons_word(
    site: Jira,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_runs: Runs,
    all_steps: Steps,
    *,
    happened: bool,
    issues: int,
) -> None:
    site.world.lag = timedelta(days=1)
    site.add_post_function("Start progress", rule(CREATE, COMMENT))
    fire(site)
    lost_answer(wire, "/rest/api/3/issue")

    for _ in range(8):
        worker.drain()
        clock.advance(timedelta(minutes=1))
    [run] = all_runs()
    assert (run.state, run.why) == (RunState.AMBIGUOUS, Why.CANNOT_TELL)
    assert created(site) == 1
    assert not worker.step()

    with worker.runtime.sessions.begin() as session:
        open_step = next(s for s in all_steps() if s.state is StepState.AMBIGUOUS)
        assert runs.resolve(
            session,
            run.tenant_id,
            run.id,
            open_step.id,
            happened=happened,
            now=clock(),
        )
    worker.drain()

    assert all_runs()[0].state is RunState.SUCCEEDED
    assert created(site) == issues
    assert len(comments(site)) == 1


def lost_answer(wire: Wire, path: str) -> None:
    """Let the next POST to this path happen, and its answer be lost."""
    send = wire.send
    waiting = [SendError("reset", sent=True)]

    def losing(request: Request) -> Response:
        answer = send(request)
        if request.method == "POST" and request.url.endswith(path) and waiting:
            raise waiting.pop()
        return answer

    wire.send = losing  # type: ignore[method-assign]


def test_trouble_that_does_not_pass_fails_the_step_after_a_last_look(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    send = wire.send

    def broken(request: Request) -> Response:
        if request.method == "POST" and request.url.endswith("/comment"):
            return Response(status=500)
        return send(request)

    wire.send = broken  # type: ignore[method-assign]
    for _ in range(10):
        worker.drain()
        clock.advance(timedelta(hours=2))

    assert (all_runs()[0].state, all_runs()[0].why) == (
        RunState.FAILED,
        Why.STEP_FAILED,
    )
    assert comments(site) == []


def test_jira_that_stays_away_fails_the_run(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    for _ in range(10):
        wire.before = [SendError("no connection", sent=False)]
        worker.drain()
        clock.advance(timedelta(hours=2))

    assert all_runs()[0].why is Why.JIRA_UNREACHABLE


def test_jira_that_refuses_our_signature_fails_the_run(
    site: Jira, worker: Worker, wire: Wire, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    wire.before = [Response(status=401)]

    worker.drain()

    assert all_runs()[0].why is Why.JIRA_REFUSES_US


def test_believed_run_that_keeps_killing_its_worker_says_so_on_the_ticket(
    site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    failure = {"mode": "compensate", "transition": "Deployment failed", "comment": True}
    site.add_post_function("Start progress", rule(MOVE, on_failure=failure))
    fire(site)
    wire.before = [None, None, Response(status=503)]
    worker.drain()
    assert all_runs()[0].state is RunState.RUNNING
    for _ in range(8):
        clock.advance(timedelta(minutes=2))
        with worker.runtime.sessions.begin() as session:
            assert runs.claim(session, now=clock()) is not None
    clock.advance(timedelta(minutes=2))

    worker.drain()

    assert (all_runs()[0].state, all_runs()[0].why) == (
        RunState.FAILED,
        Why.CANNOT_TELL,
    )
    assert site.status_of("DEMO-1") == "Deployment failed"
    assert len(comments(site)) == 1


def test_run_that_keeps_killing_its_worker_ends(
    site: Jira, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    site.add_post_function("Start progress", rule(COMMENT))
    fire(site)
    for _ in range(8):
        with worker.runtime.sessions.begin() as session:
            assert runs.claim(session, now=clock()) is not None
        clock.advance(timedelta(minutes=2))

    worker.drain()

    assert all_runs()[0].why is Why.CANNOT_TELL
