"""Workers, claims and lifecycle calls at the same moment: each thing happens once."""

import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import runs, tenants, vault
from app.audit import AuditEvent
from app.http import Http, Request, Response, SendError, deadlines
from app.runs import (
    Attempt,
    AttemptOutcome,
    Claim,
    LostClaimError,
    Run,
    RunState,
    RunStep,
    StepState,
    claims,
)
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.worker import Prover, Worker
from tests.functional.conftest import rule
from tests.killing import racing
from tests.killing.conftest import COMMENT, Site
from tests.killing.racing import SharedJira
from tests.processes import ENVIRON, PYTHON, ROOT, unmeasured

RUNS = 120
WORKERS = 4
NEWER_SECRET = "the-secret-of-the-newer-install-of-the-two"
OVERSLEPT = claims.LEASE + timedelta(seconds=1)


class TestEachRunIsCarriedOutOnce:
    def test_by_threads(self, runtime: Runtime, shared: SharedJira) -> None:
        racing.record(runtime, racing.plant_tenant(runtime), RUNS, calls=1)

        in_threads(*[Worker(runtime=runtime).drain] * WORKERS)

        assert_all_done_once(runtime, shared)

    def test_by_processes(
        self, runtime: Runtime, env: Mapping[str, str], shared: SharedJira
    ) -> None:
        racing.record(runtime, racing.plant_tenant(runtime), RUNS, calls=1)

        with draining(env, shared) as one, draining(env, shared) as other:
            for process in (one, other):
                assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
            for process in (one, other):
                process.stdin.write("go\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            ended = [process.wait(racing.LONGEST_SECONDS) for process in (one, other)]
            assert ended == [0, 0]

        assert_all_done_once(runtime, shared)
        assert {pid for pid, _, _ in shared.comments()} == {
            str(process.pid) for process in (one, other)
        }

    def test_when_each_change_was_told_twice(
        self, runtime: Runtime, shared: SharedJira
    ) -> None:
        """Two tokens for one change: one run stands for it, the other says so."""
        changes = RUNS // 4
        racing.record(runtime, racing.plant_tenant(runtime), changes, calls=2)

        in_threads(*[Worker(runtime=runtime).drain] * WORKERS)

        with runtime.sessions.begin() as session:
            states = Counter(session.scalars(sa.select(Run.state)))
        assert states == {RunState.SUCCEEDED: changes, RunState.DUPLICATE: changes}
        issues = [issue for _, issue, _ in shared.comments()]
        assert len(issues) == len(set(issues)) == changes

    def test_when_both_runs_of_a_change_are_confirmed_in_one_moment(
        self, runtime: Runtime, shared: SharedJira
    ) -> None:
        """Neither knew of the other when it asked Jira: the table decides.

        Runs of one issue go one after the other; here the first one's lease is lost
        while its worker still has it in hand.
        """
        racing.record(runtime, racing.plant_tenant(runtime), 1, calls=2)
        both = threading.Barrier(2, timeout=racing.PATIENCE_SECONDS)
        together = replace(runtime, http=Together(shared, both))

        def step_beside() -> None:
            wait_until(lambda: both.n_waiting == 1)
            with runtime.sessions.begin() as session:
                in_hand = sa.update(Run).where(Run.lease_until.is_not(None))
                later = runtime.now() + timedelta(hours=1)
                session.execute(in_hand.values(lease_until=None, due_at=later))
            Worker(runtime=together).step()

        in_threads(Worker(runtime=together).step, step_beside)
        Worker(runtime=runtime).drain()

        with runtime.sessions.begin() as session:
            states = sorted(session.scalars(sa.select(Run.state)))
        assert states == [RunState.DUPLICATE, RunState.SUCCEEDED]
        assert len(shared.comments()) == 1


@dataclass(frozen=True)
class Together(racing.Unasked):
    """Lets both workers ask for the rules before either gets an answer."""

    http: Http
    both: threading.Barrier

    def send(self, request: Request) -> Response:
        if "/workflow/rule/config" in request.url:
            self.both.wait()
        return self.http.send(request)


def assert_all_done_once(runtime: Runtime, shared: SharedJira) -> None:
    with runtime.sessions.begin() as session:
        all_runs = session.scalars(sa.select(Run)).all()
        assert len(all_runs) == RUNS
        assert {run.state for run in all_runs} == {RunState.SUCCEEDED}
        assert {run.fence for run in all_runs} == {1}
        ended = sa.select(AuditEvent).where(AuditEvent.kind == "run-succeeded")
        assert len(session.scalars(ended).all()) == RUNS
        steps = session.scalars(sa.select(RunStep)).all()
        assert {step.state for step in steps} == {StepState.DONE}
        attempts = session.scalars(sa.select(Attempt)).all()
        assert {attempt.outcome for attempt in attempts} == {AttemptOutcome.DONE}
        assert len(steps) == len(attempts) == RUNS
        assert {attempt.run_step_id for attempt in attempts} == {s.id for s in steps}
        ids = {str(run.id) for run in all_runs}
    commented = [run for _, _, run in shared.comments()]
    assert len(commented) == RUNS
    assert set(commented) == ids


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + racing.PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def draining(
    env: Mapping[str, str], shared: SharedJira
) -> Iterator[subprocess.Popen[str]]:
    """Start a worker that says when it is ready, and waits to be told to begin."""
    with subprocess.Popen(  # noqa: S603 -- a module of these tests
        [PYTHON, "-m", "tests.killing.racing", "drain", str(shared.log)],
        cwd=ROOT,
        env=unmeasured(ENVIRON) | dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Do everything at once; return the results, raise the first error."""
    start = threading.Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


@dataclass
class Sleeper(racing.Unasked):
    """`Http` of a worker whose n-th answer comes when its lease is long over.

    In the meantime somebody else carries out the run. What comes then may be the true
    answer, another one or an error.
    """

    site: Site
    at: int
    answer: Response | Exception | None
    count: int = 0
    seen: list[Any] = field(default_factory=list)
    """What was stored when it woke up, and how often Jira was written to."""

    def send(self, request: Request) -> Response:
        true = self.site.wire.send(request)
        self.count += 1
        if self.count != self.at:
            return true
        self.site.clock.advance(OVERSLEPT)
        Worker(runtime=self.site.runtime).drain()
        self.seen.append((stored(self.site.runtime), len(self.site.wire.writes())))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or true


ISSUE, RULES, ACT = 1, 2, 3
"""What a worker asks Jira for, in its order."""

LOST = SendError("reset", sent=True)
BUG = RuntimeError("nobody thought of it")


class TestWhoOversleptItsLease:
    @pytest.mark.parametrize(
        ("at", "answer"),
        [
            (ISSUE, None),
            (ISSUE, LOST),
            (RULES, None),
            (RULES, BUG),
            (ACT, None),
            (ACT, Response(status=201, body=b"")),
            (ACT, Response(status=400, body=b"{}")),
            (ACT, Response(status=429)),
            (ACT, Response(status=503)),
            (ACT, LOST),
            (ACT, BUG),
        ],
    )
    def test_settles_nothing_and_says_nothing(
        self,
        site: Site,
        at: int,
        answer: Response | Exception | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        site.fire()
        asleep = Sleeper(site, at, answer)

        assert Worker(runtime=replace(site.runtime, http=asleep)).step()

        assert "claim lost" in caplog.text
        assert asleep.seen == [(stored(site.runtime), len(site.wire.writes()))]
        [run, *_], _ = asleep.seen[0]
        assert RunState.SUCCEEDED in run
        assert site.comments() == 1

    def test_gives_nothing_back_and_ends_nothing(self, site: Site) -> None:
        site.fire()
        late = claim_one(site.runtime)
        site.clock.advance(OVERSLEPT)
        now = site.clock()
        assert claim_one(site.runtime).fence == late.fence + 1
        before = stored(site.runtime)

        with pytest.raises(LostClaimError), site.runtime.sessions.begin() as session:
            runs.rest(session, late, until=now, message="")
        with pytest.raises(LostClaimError), site.runtime.sessions.begin() as session:
            runs.change_state(session, late, RunState.FAILED, now=now)

        assert stored(site.runtime) == before

    def test_lease_outlasts_a_request(self) -> None:
        """Or a request could arrive after another worker looked for its effect.

        Two requests: the newest secret's, and the former one's after a 401.
        """
        assert claims.LEASE.total_seconds() > 2 * deadlines.DEADLINE_SECONDS


def stored(runtime: Runtime) -> list[Any]:
    """Return all that is known of runs, as plain values, the run itself first."""
    with runtime.sessions.begin() as session:
        return [
            tuple(row)
            for row in (
                *session.execute(
                    sa.select(
                        Run.id,
                        Run.state,
                        Run.why,
                        Run.message,
                        Run.fence,
                        Run.tries,
                        Run.due_at,
                        Run.lease_until,
                        Run.finished_at,
                    )
                ),
                *session.execute(
                    sa.select(
                        RunStep.id,
                        RunStep.state,
                        RunStep.message,
                        RunStep.tries,
                        RunStep.settled_at,
                    )
                ),
                *session.execute(sa.select(Attempt.id).order_by(Attempt.id)),
                *session.execute(sa.select(AuditEvent.id).order_by(AuditEvent.id)),
            )
        ]


def claim_one(runtime: Runtime) -> Claim:
    with runtime.sessions.begin() as session:
        claim = runs.claim(session, now=runtime.now())
    assert claim is not None
    return claim


class TestClaimsAtTheSameMoment:
    def test_never_get_the_same_run(self, runtime: Runtime) -> None:
        racing.record(runtime, racing.plant_tenant(runtime), 4 * WORKERS, calls=1)

        for _ in range(4):
            in_threads(*[lambda: claim_one(runtime)] * WORKERS)

        with runtime.sessions.begin() as session:
            assert set(session.scalars(sa.select(Run.fence))) == {1}
            assert runs.claim(session, now=runtime.now()) is None

    def test_in_a_transaction_that_is_still_open(self, runtime: Runtime) -> None:
        """On PostgreSQL the second takes another run; on SQLite it waits its turn."""
        racing.record(runtime, racing.plant_tenant(runtime), 2, calls=1)
        begun = threading.Event()

        def second() -> Claim:
            begun.set()
            return claim_one(runtime)

        with ThreadPoolExecutor(1) as pool:
            with runtime.sessions.begin() as session:
                one = runs.claim(session, now=runtime.now())
                other = pool.submit(second)
                assert begun.wait(racing.PATIENCE_SECONDS)
                if is_postgresql(runtime):
                    # It has an answer while our claim is not committed.
                    other.result(racing.PATIENCE_SECONDS)
                else:
                    assert not other.done()
            assert one is not None
            assert one.run_id != other.result().run_id

    def test_with_one_run_left_only_one_gets_it(self, runtime: Runtime) -> None:
        racing.record(runtime, racing.plant_tenant(runtime), 1, calls=1)

        def claim() -> uuid.UUID | None:
            with runtime.sessions.begin() as session:
                claim = runs.claim(session, now=runtime.now())
            return claim.run_id if claim else None

        found = in_threads(*[claim] * WORKERS)

        assert len([run_id for run_id in found if run_id]) == 1

    def test_once_the_lease_is_over_only_one_takes_it_over(self, site: Site) -> None:
        site.fire()
        claim_one(site.runtime)
        site.clock.advance(OVERSLEPT)

        found = in_threads(*[Worker(runtime=site.runtime).step] * WORKERS)

        assert sorted(found) == [False] * (WORKERS - 1) + [True]
        assert site.comments() == 1


class TestLifecycleCallsAtTheSameMoment:
    def test_two_first_installs_make_one_tenant(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokens = [site.caller.install_token(), site.caller.install_token(jti="another")]

        answers = one_in_the_others_transaction(
            site,
            monkeypatch,
            *(
                lambda token=token: site.caller.lifecycle(
                    "installed", token, site.caller.installed()
                )
                for token in tokens
            ),
        )

        # SQLite takes turns; on PostgreSQL the second meets the unique name.
        assert answers == [204, 503 if is_postgresql(site.runtime) else 204]
        assert tenant_states(site) == [State.ACTIVE]
        again = site.caller.lifecycle("installed", tokens[1], site.caller.installed())
        assert again == 204
        assert tenant_states(site) == [State.ACTIVE]
        assert newest_secret(site) == site.caller.installed()["sharedSecret"]

    @pytest.mark.parametrize("first", ["installed", "uninstalled"])
    def test_the_newer_one_decides(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, first: str
    ) -> None:
        """An uninstall and a newer install, whichever of them is applied first."""
        assert site.caller.install() == 204
        site.caller.later(seconds=5)
        gone = site.caller.install_token("uninstalled")
        site.caller.later(seconds=5)
        back = site.caller.install_token("installed")
        calls = {
            "uninstalled": lambda: site.caller.lifecycle(
                "uninstalled", gone, site.caller.installed()
            ),
            "installed": lambda: site.caller.lifecycle(
                "installed", back, site.caller.installed(sharedSecret=NEWER_SECRET)
            ),
        }

        answers = one_in_the_others_transaction(
            site, monkeypatch, calls.pop(first), *calls.values()
        )

        assert answers == [204, 204]
        assert tenant_states(site) == [State.ACTIVE]
        # It is a candidate where the uninstall came too late to make it a first one.
        site.wire.before = [Response(status=200, body=b'{"accountId": "app"}')]
        Prover(runtime=site.runtime).prove()
        assert newest_secret(site) == NEWER_SECRET

    def test_the_newer_uninstall_decides_too(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert site.caller.install() == 204
        site.caller.later(seconds=5)
        again = site.caller.install_token("installed")
        site.caller.later(seconds=5)
        gone = site.caller.install_token("uninstalled")

        answers = one_in_the_others_transaction(
            site,
            monkeypatch,
            lambda: site.caller.lifecycle("uninstalled", gone, site.caller.installed()),
            lambda: site.caller.lifecycle(
                "installed", again, site.caller.installed(sharedSecret=NEWER_SECRET)
            ),
        )

        assert answers == [204, 204]
        assert tenant_states(site) == [State.UNINSTALLED]
        assert newest_secret(site) != NEWER_SECRET

    def test_a_call_during_an_uninstall_is_not_recorded(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It passed the guard before; its own transaction looks again."""
        assert site.caller.install() == 204
        site.caller.later(seconds=5)
        gone = site.caller.install_token("uninstalled")
        path = "/post-function/triggered"
        triggered = site.caller.url_bound("POST", path)
        body = {
            "issue": {"id": "10100"},
            "configuration": {"value": rule(COMMENT)},
            "transition": {"workflowName": "W", "transitionId": "11"},
        }

        answers = one_in_the_others_transaction(
            site,
            monkeypatch,
            lambda: site.caller.lifecycle("uninstalled", gone, site.caller.installed()),
            lambda: site.caller.send("POST", path, token=triggered, body=body).status,
        )

        assert answers == [204, 401]
        with site.runtime.sessions.begin() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(Run)) == 0


def one_in_the_others_transaction(
    site: Site, monkeypatch: pytest.MonkeyPatch, *calls: Callable[[], int]
) -> list[int]:
    """Make the second call while the first has written and not yet committed.

    The first one's transaction goes on only when the database holds the second one up.
    """
    first, second = calls
    begun = threading.Event()
    written = threading.Event()

    def held(name: str) -> None:
        change = getattr(tenants, name)

        def changed(session: Session, *args: Any, **kwargs: Any) -> Any:
            result = change(session, *args, **kwargs)
            if not written.is_set():
                session.flush()
                written.set()
                racing.wait_until(
                    lambda: begun.is_set() and is_waiting(site.runtime),
                    or_say=lambda: "the second call waits for nothing",
                )
            return result

        monkeypatch.setattr(tenants, name, changed)

    def after() -> int:
        assert written.wait(racing.PATIENCE_SECONDS)
        begun.set()
        return second()

    held("install")
    held("uninstall")
    return in_threads(first, after)


def is_waiting(runtime: Runtime) -> bool:
    """Say whether PostgreSQL lets somebody wait; SQLite lets all wait but one."""
    if not is_postgresql(runtime):
        return True
    with runtime.sessions.kw["bind"].connect() as connection:
        waiting = connection.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
        )
    return bool(waiting)


def is_postgresql(runtime: Runtime) -> bool:
    return bool(runtime.sessions.kw["bind"].dialect.name == "postgresql")


def tenant_states(site: Site) -> list[State]:
    with site.runtime.sessions.begin() as session:
        return list(session.scalars(sa.select(Tenant.state)))


def newest_secret(site: Site) -> str:
    runtime = site.runtime
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        newest, *_ = vault.accepted(
            session, runtime.keyring, tenant.shared_secret, now=runtime.now()
        )
    return newest.secret.reveal()
