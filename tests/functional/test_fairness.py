"""No site waits for another one's many runs, and no issue has two of its in hand.

What is counted is work, and not time: how many runs are carried out before another.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import runs
from app.db import new_id
from app.http import Request, Response
from app.runs import Claim, Run, RunState, Turns
from app.runs.choosing import LISTED
from app.runtime import Runtime
from app.stops import By, stop
from app.tenants import Door
from app.worker import Carriers, Worker
from sandbox import Jira
from tests.functional import old_runs
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import START

Sessions = sessionmaker[Session]
MANY = 500


@pytest.fixture
def noisy(sessions: Sessions, clock: Clock) -> uuid.UUID:
    """A site with five hundred runs due."""
    return site_of(sessions, clock, range(MANY))


@pytest.fixture
def quiet(sessions: Sessions, clock: Clock, noisy: uuid.UUID) -> uuid.UUID:
    """A site whose one run came due after all of the noisy one's."""
    del noisy
    clock.advance(timedelta(seconds=1))
    return site_of(sessions, clock, range(1))


def site_of(sessions: Sessions, clock: Clock, issues: Sequence[int]) -> uuid.UUID:
    """Return a new site with a run due for each of these issues, in this order."""
    now = clock()
    with sessions.begin() as session:
        tenant_id = old_runs.tenant(session, now)
        ids = [new_id(now) for _ in issues]
        rows = [
            {
                "id": run_id,
                "tenant_id": tenant_id,
                "door": Door.CONNECT,
                "state": RunState.RECEIVED,
                "received_at": now,
                "due_at": now,
                "issue_id": str(issue),
                "config": "",
                "rule_hash": "",
                "unverified_hint": {},
                "token_hash": run_id.hex,
                "call_hash": run_id.hex,
            }
            for run_id, issue in zip(ids, issues, strict=True)
        ]
        session.execute(sa.insert(Run), rows)
    return tenant_id


def claimed(sessions: Sessions, clock: Clock, turns: Turns | None = None) -> Claim:
    with sessions.begin() as session:
        claim = runs.claim(session, now=clock(), turns=turns)
    assert claim is not None
    return claim


def whose(sessions: Sessions, state: RunState) -> list[uuid.UUID]:
    with sessions.begin() as session:
        wanted = sa.select(Run.tenant_id).where(Run.state == state)
        return list(session.scalars(wanted))


@pytest.mark.parametrize("count", [1, 3], ids=["one-worker", "three-workers"])
def test_one_run_waits_for_at_most_one_of_another_site_in_each_worker(
    runtime: Runtime, noisy: uuid.UUID, quiet: uuid.UUID, count: int
) -> None:
    """N is the number of workers: with five hundred due before it, the run is next."""
    workers = [Worker(runtime=runtime) for _ in range(count)]
    before = 0
    while quiet not in whose(runtime.sessions, RunState.FAILED):
        assert workers[before % count].step()
        before += 1

    carried = whose(runtime.sessions, RunState.FAILED)
    assert carried.count(noisy) <= count


def test_sites_with_many_runs_each_have_the_same_share(
    sessions: Sessions, clock: Clock, noisy: uuid.UUID
) -> None:
    """So what a site waits for others is at most what its own runs take."""
    clock.advance(timedelta(seconds=1))
    other, turns = site_of(sessions, clock, range(5)), Turns()
    carried = []
    for _ in range(10):
        claim = claimed(sessions, clock, turns)
        turns.took(claim.tenant_id)
        turns.gave_back(claim.tenant_id)
        carried.append(claim.tenant_id)

    assert {*carried} == {noisy, other}
    assert carried[:2] * 5 == carried


def test_where_many_sites_have_runs_due_each_has_one_before_any_has_two(
    sessions: Sessions, clock: Clock
) -> None:
    """More than are looked at in one go, and one of them is in its worker's hands."""
    sites = {site_of(sessions, clock, range(2)) for _ in range(3 * LISTED + 1)}
    turns, carried = Turns(last=uuid.UUID(int=2**127)), list[uuid.UUID]()
    turns.took(sorted(sites)[LISTED])
    for _ in sites:
        claim = claimed(sessions, clock, turns)
        turns.took(claim.tenant_id)
        turns.gave_back(claim.tenant_id)
        carried.append(claim.tenant_id)

    assert len({*carried}) >= len(sites) - 1
    with sessions.begin() as session:
        rest = sa.update(Run).where(Run.tenant_id != min(sites))
        session.execute(rest.values(due_at=None))
    assert claimed(sessions, clock, turns).tenant_id == min(sites)


def test_stopped_sites_runs_are_not_walked_over(
    sessions: Sessions, clock: Clock, noisy: uuid.UUID, quiet: uuid.UUID
) -> None:
    with sessions.begin() as session:
        stop(session, noisy, By(who="olga", now=clock()))

    assert claimed(sessions, clock).tenant_id == quiet
    with sessions.begin() as session:
        assert runs.claim(session, now=clock()) is None


class TestRunsOfOneIssue:
    def test_are_carried_out_one_after_the_other(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        site_of(sessions, clock, [1, 1, 2, 1])
        turns = Turns()

        first, second = (claimed(sessions, clock, turns) for _ in range(2))
        with sessions.begin() as session:
            assert runs.claim(session, now=clock(), turns=turns) is None
        with sessions.begin() as session:
            runs.change_state(session, first, RunState.SKIPPED, now=clock())
        third = claimed(sessions, clock, turns)

        assert [each.issue_id for each in (first, second, third)] == ["1", "2", "1"]
        assert first.run_id < third.run_id

    def test_wait_for_one_whose_worker_is_silent_until_its_lease_is_over(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        site_of(sessions, clock, [1, 1])
        first = claimed(sessions, clock)
        clock.advance(runs.claims.LEASE + timedelta(seconds=1))

        assert claimed(sessions, clock).run_id == first.run_id

    def test_are_not_taken_by_two_transactions_at_once(
        self, sessions: Sessions, clock: Clock, database_url: str
    ) -> None:
        """On SQLite the second one waits until the first has committed."""
        if database_url.startswith("sqlite"):
            return
        site_of(sessions, clock, [1, 1, 2])
        with sessions.begin() as one, sessions.begin() as other:
            first = runs.claim(one, now=clock())
            second = runs.claim(other, now=clock())

        assert first is not None
        assert second is not None
        assert [first.issue_id, second.issue_id] == ["1", "2"]


@dataclass
class Held:
    """A network that keeps every call until it is let go."""

    wire: Wire
    let_go: threading.Event = field(default_factory=threading.Event)
    kept: int = 0

    def send(self, request: Request) -> Response:
        self.kept += 1
        assert self.let_go.wait(20)
        return self.wire.send(request)

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        self.wire.check(url, tenant_id)

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        self.wire.check_mail(host, port, tenant_id)


@contextmanager
def working(worker: Worker) -> Iterator[Callable[[Callable[[], bool]], bool]]:
    """Have a worker run; what is given says whether something comes to be so."""
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()

    def comes(is_so: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 15
        while not is_so() and time.monotonic() < deadline:
            worker.carriers.wake()
            time.sleep(0.02)
        return is_so()

    try:
        yield comes
    finally:
        worker.stop.set()
        thread.join(15)
        assert not thread.is_alive()


def test_slow_site_leaves_a_thread_to_the_others(
    runtime: Runtime, site: Jira, wire: Wire, clock: Clock
) -> None:
    """Two of its calls are under way, as long as all of another site's runs take."""
    site.add_post_function(START, rule())
    for number in range(5):
        site.transition(site.create_issue(summary=f"Number {number}").key, START)
    site.deliver_pending()
    other = site_of(runtime.sessions, clock, range(8))
    held = Held(wire)
    worker = Worker(
        runtime=replace(runtime, http=held),
        turns=Turns(most=2),
        carriers=Carriers(count=3),
    )

    with working(worker) as comes:
        failed = RunState.FAILED  # the other site has no secret of ours
        all_carried = comes(lambda: whose(runtime.sessions, failed) == [other] * 8)
        kept = held.kept
        held.let_go.set()
        ended = comes(lambda: len(whose(runtime.sessions, RunState.SUCCEEDED)) == 5)

    assert (all_carried, ended) == (True, True)
    assert kept == 2
