"""An answer comes in the very moments of the worker's transactions: one thing counts.

The worker is stopped at each of its commits in turn, and the build answers there, by
the door. Whatever the moment: the run ends by the answer if that counts, else by the
deadline, and it ends now. An answer that is there and that nobody looks at would be
looked at some day; here no clock goes on.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import destinations
from app.audit import AuditEvent
from app.destinations.answers import CROWDED
from app.http import Request, Response
from app.runs import Run, RunState, StepAnswer, claims
from app.steps.deliver import reference
from app.worker import Worker
from sandbox.github import GitHub
from sandbox.github.build import Build
from tests.functional.building import open_github
from tests.functional.conftest import rule
from tests.functional.fakes import Answer, Wire
from tests.functional.receiving import START, Desk, open_desk
from tests.functional.test_builds_answer import answers, listen
from tests.functional.test_github import set_up
from tests.killing import racing
from tests.killing.conftest import Site
from tests.killing.test_race import is_waiting

MOST_COMMITS = 20
WAIT = timedelta(minutes=2)
OVERSLEPT = claims.LEASE + timedelta(seconds=1)


class DiedError(BaseException):
    """The worker's end, as no code of its own outlives it."""


@dataclass(kw_only=True)
class Scene:
    """A rule that waits for its build, and what brings its run to the moment."""

    desk: Desk
    github: GitHub
    wire: Wire
    destination_id: uuid.UUID
    host: Callable[[Request], Answer]
    known: int = 0
    """Builds of runs before."""

    @property
    def builds(self) -> list[Build]:
        return self.github.builds[self.known :]

    def begin(self) -> None:
        """Record one new run, and forget the others."""
        with self.desk.runtime.sessions.begin() as session:
            session.execute(sa.delete(Run))
        self.known = len(self.github.builds)
        self.desk.fire()

    def send(self) -> None:
        """Its first delivery goes out."""
        self.begin()

    def ask(self) -> None:
        """GitHub is to be asked how it ended."""
        self.begin()
        self.desk.worker.drain()
        self.desk.clock.advance(timedelta(seconds=11))

    def give_up(self) -> None:
        """The time is over."""
        self.begin()
        self.desk.worker.drain()
        self.desk.clock.advance(WAIT)

    def look(self) -> None:
        """The worker that sent it is dead."""
        self.begin()
        with self._instead(DiedError()), pytest.raises(DiedError):
            self.desk.worker.drain()
        self.desk.clock.advance(OVERSLEPT)

    def send_again(self) -> None:
        """It came, and what stands between says that it did not."""
        self.begin()
        with self._instead(Response(status=429)):
            self.desk.worker.drain()
        self.desk.clock.advance(1.5 * CROWDED)  # and less than it waits

    def rest_again(self) -> None:
        """And an admin has paused the destination since."""
        self.desk.act(destinations.resume, self.destination_id)
        self.send_again()
        self.desk.act(destinations.pause, self.destination_id)

    @contextmanager
    def _instead(self, answer: Response | BaseException) -> Iterator[None]:
        """Let GitHub start what it is to start, and be heard to say something else."""

        def outside(request: Request) -> Answer:
            true = self.host(request)
            if not request.url.endswith("/dispatches"):
                return true
            if isinstance(answer, Response):
                return answer
            raise answer

        elsewhere = self.wire.elsewhere
        elsewhere["api.github.com"] = outside
        try:
            yield
        finally:
            elsewhere["api.github.com"] = self.host


@pytest.fixture
def scene(site: Site) -> Scene:
    assert site.jira.install().is_good
    addon = {"app": site.caller.app}
    github = open_github(site.clock, addon, site.wire, [])
    worker = Worker(runtime=site.runtime)
    desk = open_desk(site.runtime, addon["app"], site.jira, worker, site.wire)
    destination_id = set_up(desk, github, listener_id=listen(desk))
    step = {
        "do": "deliver",
        "destination": reference(destination_id),
        "inputs": {"version": "{{ issue.key }}"},
        "wait": "2m",
    }
    site.jira.add_post_function(START, rule(step))
    return Scene(
        desk=desk,
        github=github,
        wire=site.wire,
        destination_id=destination_id,
        host=site.wire.elsewhere["api.github.com"],
    )


@dataclass(kw_only=True)
class Cue:
    """Has the newest build answer at the worker's n-th commit since there is one.

    `after` it; `before` it, when the worker has written all and holds it; or `across`
    what follows: the answer is written and holds it, until the worker waits for it.
    """

    scene: Scene
    when: str
    n: int
    count: int = 0
    answer: Future[int] | None = None
    attempts: int = 0
    """Of the delivery, when the answer was through."""
    worker: int = field(default_factory=threading.get_ident)
    held: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def drain(self) -> None:
        """Have the worker do what is due, and the build answer meanwhile."""
        runtime = self.scene.desk.runtime
        listened = (("before_commit", self._before), ("after_commit", self._after))
        for name, hear in listened:
            sa.event.listen(runtime.sessions, name, hear)
        try:
            with self.pool:
                self.scene.desk.worker.drain()
                self.is_over.set()
        finally:
            for name, hear in listened:
                sa.event.remove(runtime.sessions, name, hear)

    def _before(self, session: Session) -> None:
        if threading.get_ident() != self.worker:
            self._hold(session)
        elif self.scene.builds:
            self.count += 1
            if (self.count, self.when) == (self.n, "before"):
                session.flush()
                self._until(self._start().done)

    def _after(self, session: Session) -> None:
        del session
        if threading.get_ident() != self.worker or self.count != self.n:
            return
        answer = self.answer or self._start()
        if self.when == "across":
            assert self.held.wait(racing.PATIENCE_SECONDS)
        else:
            answer.result(racing.PATIENCE_SECONDS)

    def _start(self) -> Future[int]:
        self.answer = self.pool.submit(self._answer)
        return self.answer

    def _answer(self) -> int:
        status = self.scene.builds[-1].answer()
        self.attempts = len(self.scene.desk.attempts())
        return status

    def _hold(self, session: Session) -> None:
        known = (*session.new, *session.identity_map.values())
        if self.when == "across" and any(isinstance(row, StepAnswer) for row in known):
            session.flush()
            self.held.set()
            self._until(self.is_over.is_set)

    def _until(self, is_done: Callable[[], bool]) -> None:
        runtime = self.scene.desk.runtime
        racing.wait_until(
            lambda: is_done() or is_waiting(runtime),
            or_say=lambda: "nobody waits for anybody",
        )


MOMENTS = (
    Scene.send,
    Scene.ask,
    Scene.give_up,
    Scene.look,
    Scene.send_again,
    Scene.rest_again,
)


@pytest.mark.parametrize(
    ("env", "when"),
    # On SQLite a transaction begins only once the one before it is over.
    [
        ("sqlite", "after"),
        ("postgresql", "after"),
        ("postgresql", "before"),
        ("postgresql", "across"),
    ],
    indirect=["env"],
)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_t17_answer_at_any_moment_counts_once_and_wakes_its_run(
    scene: Scene, when: str, moment: Callable[[Scene], None]
) -> None:
    for n in range(1, MOST_COMMITS):
        moment(scene)
        [run] = scene.desk.runs()
        assert run.due_at is not None
        assert run.due_at <= scene.desk.clock(), n
        cue = Cue(scene=scene, when=when, n=n)
        cue.drain()
        if cue.answer is None:
            break
        assert cue.answer.result() == 204, n
        scene.desk.worker.drain()
        assert_ended_once(scene, n)
        # What began before the answer was heard may go on; nothing begins after it.
        assert len(scene.builds) == cue.attempts, n
    else:
        pytest.fail("the worker never ends")
    assert n > 1


def assert_ended_once(scene: Scene, place: int) -> None:
    """By the answer or by the deadline, and all that is kept says the same."""
    [run] = scene.desk.runs()
    [answer] = answers(scene.desk)
    with scene.desk.runtime.sessions.begin() as session:
        events = session.scalars(sa.select(AuditEvent))
        mine = sorted(e.kind for e in events if e.facts.get("run") == str(run.id))
    told = [kind for kind in mine if kind.startswith(("answer-", "run-"))]
    if answer.counts:
        assert run.state is RunState.SUCCEEDED, (place, run.why, run.message)
        assert told == ["answer-counted", "run-succeeded"], place
    else:
        assert run.state is RunState.FAILED, (place, run.why, run.message)
        assert "no answer came within 2 minutes" in str(run.message), place
        assert told == ["answer-late", "answer-missing", "run-failed"], place
