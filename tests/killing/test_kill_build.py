"""A worker is killed anywhere in the life of a build that it starts and waits for."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from app import destinations, listeners
from app.destinations import Change, Destination, DestinationHealth
from app.listeners import Listener
from app.listeners.presets import GitHubProof
from app.runs import Attempt, Run, RunState, StepAnswer, Why
from app.steps.deliver import reference
from app.tenants import Tenant
from app.worker import Worker
from sandbox.addon import Call
from sandbox.github.build import Build
from sandbox.github.replies import Reply
from sandbox.github.repository import SHOP
from tests.functional.test_github import define
from tests.killing.conftest import Stage, empty
from tests.killing.test_kill_web import (
    KILLED,
    MOST_PLACES,
    in_process,
    serving,
    transport_to,
)
from tests.killing.test_kill_worker import fire, kill_everywhere, moves

NO_ANSWER = "no answer came within 5 seconds"


@pytest.fixture
def wait() -> str:
    """How long a build's answer is waited for, by a clock that is put forward."""
    return "5s"


@pytest.fixture
def building(
    clean: Stage, monkeypatch: pytest.MonkeyPatch, wait: str
) -> Iterator[Stage]:
    """A rule that starts a build and waits; asked how it is, the build answers us.

    So the answer is heard, by the door, while the worker has the run in hand.
    """
    step = {
        "do": "deliver",
        "destination": reference(set_up(clean)),
        "inputs": {"version": "{{ issue.key }}"},
        "wait": wait,
    }
    rule = {
        "v": 1,
        "id": "r_build",
        "name": "Build",
        "steps": [step, {"do": "add-comment", "body": "Built"}],
        "on_failure": {
            "mode": "compensate",
            "transition": "Deployment failed",
            "comment": True,
        },
    }
    clean.jira.add_post_function("Start progress", json.dumps(rule))
    true = clean.github.call

    def call(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = true(method, url, headers, body)
        if "/actions/runs/" in url and not clean.github.builds[-1].answers:
            assert clean.github.builds[-1].answer() == 204
        return reply

    monkeypatch.setattr(clean.github, "call", call)
    yield clean
    clean.github.builds_behave("well")
    empty(clean)
    with clean.runtime.sessions.begin() as session:
        for table in (DestinationHealth, Destination, Listener):
            session.execute(sa.delete(table))


def set_up(stage: Stage) -> uuid.UUID:
    """Let the shop's workflow be started, and let it answer."""
    now, keyring, github = stage.runtime.now(), stage.runtime.keyring, stage.github
    proof = GitHubProof(
        name="Shop's workflow",
        issuer=github.issuer.url,
        repository=SHOP.full_name,
        repository_id=str(SHOP.id),
        repository_owner_id=str(SHOP.owner_id),
        workflow="deploy.yml",
    )
    with stage.runtime.sessions.begin() as session:
        mine = sa.select(Tenant.id).where(Tenant.base_url == stage.jira.base_url)
        tenant_id = session.scalars(mine).one()
        change = Change(tenant_id=tenant_id, actor="ada", now=now)
        listener_id, _ = listeners.create(session, keyring, change, proof)
        chosen = define(github, listener_id=listener_id, api_url=github.api_url)
        often = chosen.model_copy(update={"per_minute": 6000})
        return destinations.create(session, keyring, change, often)[0]


@dataclass(frozen=True)
class Seen:
    """What became of a run, in our tables, in Jira and at GitHub."""

    run: Run
    attempts: int
    answers: list[StepAnswer]
    builds: list[Build]
    moves: list[str]
    comments: int


def look(stage: Stage) -> Seen:
    with stage.runtime.sessions.begin() as session:
        [run] = session.scalars(sa.select(Run)).all()
        tried = sa.select(sa.func.count()).where(Attempt.answer_key_hash.is_not(None))
        attempts = session.scalar(tried) or 0
        answers = list(session.scalars(sa.select(StepAnswer)))
        session.expunge_all()
    issue = stage.jira.world.state.issues[run.issue_id]
    return Seen(
        run=run,
        attempts=attempts,
        answers=answers,
        builds=[
            build
            for build in stage.github.builds
            if build.run.countersign.run == str(run.id)
        ],
        moves=moves(issue),
        comments=len(issue.comments),
    )


def checker(stage: Stage, ends: set[str]) -> Callable[[str], None]:
    """Check, at each place, that one build at most was started, and what came of it."""

    def check(place: str) -> None:
        seen = look(stage)
        assert len(seen.builds) <= 1, place
        assert seen.attempts == 1, place
        # A rule that fails says so; one that goes on has its next step done: once.
        assert seen.comments == 1, place
        if not seen.builds:
            # Nobody can know that it never left; so nobody sends it again.
            assert seen.run.message is not None, place
            assert NO_ANSWER in seen.run.message, place
            assert seen.answers == [], place
            end = "missing"
        else:
            assert [said.status for said in seen.builds[0].answers] == [204], place
            assert [said.counts for said in seen.answers] == [True], place
            end = str(seen.answers[0].result)
        if end == "succeeded":
            assert seen.run.state is RunState.SUCCEEDED, (place, seen.run.message)
            assert seen.moves == ["In Progress"], place
        else:
            assert (seen.run.state, seen.run.why) == (
                RunState.FAILED,
                Why.STEP_FAILED,
            ), place
            assert seen.moves == ["In Progress", "Deployment failed"], place
        ends.add(end)

    return check


@pytest.mark.parametrize(
    ("stage", "when", "what", "how", "ends"),
    # To die after a commit or a call leaves every state there is: what was not yet
    # committed is as if it had not been.
    [
        ("sqlite", "after", "commit", "well", {"succeeded", "missing"}),
        ("postgresql", "after", "send", "fails", {"failed", "missing"}),
    ],
    indirect=["stage"],
)
def test_killed_worker_starts_one_build_and_hears_how_it_ended(
    building: Stage, when: str, what: str, how: str, ends: set[str]
) -> None:
    building.github.builds_behave(how)
    found: set[str] = set()
    kill = {"what": what, "when": when}

    places = kill_everywhere(building, kill, checker(building, found), do="carry-on")

    assert places >= 7  # the calls of a life without an accident
    assert found == ends


@pytest.mark.parametrize("wait", ["5m"])  # a server is started meanwhile
@pytest.mark.parametrize(
    ("stage", "when"),
    [("sqlite", "after"), ("postgresql", "before")],
    indirect=["stage"],
)
def test_answer_during_which_the_web_was_killed_is_heard_when_it_is_repeated(
    building: Stage, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """However often, and by whichever token: it counts once, and its run ends."""
    heard: list[Call] = []
    usual = building.github.transport
    ways = [usual]

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        heard.append(Call(method, url, body, headers))
        return ways[-1](method, url, headers, body)

    monkeypatch.setattr(building.github, "transport", transport)
    for n in range(1, MOST_PLACES):
        fire(building)
        Worker(runtime=building.runtime).drain()
        build = building.github.builds[-1]
        with serving(building, when, n) as started:
            ways.append(transport_to(started.port))
            status = build.answer()
        ways.append(usual)
        assert started.code == KILLED
        if status == 0:
            assert in_process(building, heard[-1]) == 204
            assert build.answer() == 204
        else:
            # Killed at once: what was answered is on the disk.
            assert status == 204

        Worker(runtime=building.runtime).drain()
        seen = look(building)
        assert seen.run.state is RunState.SUCCEEDED, (n, seen.run.message)
        assert [said.counts for said in seen.answers].count(True) == 1, n
        assert len(seen.builds) == 1, n
        if status == 204:
            break

    assert n > 2  # the guard's commit and the answer's
