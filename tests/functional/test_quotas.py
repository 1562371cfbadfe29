"""A site that Jira slows down, or that has had its share, rests; the others go on."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from app import quotas, runs
from app.http import Response
from app.quotas import Meter, Rest, RestCause, Share, SpentPoints, Wanted
from app.runs import Attempt, Run, RunState, Why
from app.runtime import Runtime
from app.tenants import Tenant
from app.worker import Worker, metering
from sandbox import Jira
from tests.functional import old_runs
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import page_at
from tests.functional.receiving import START

Sessions = sessionmaker[Session]
Runs = Callable[[], list[Run]]
SHARE = Share(pool=1000, percent=20)


def fire(site: Jira, times: int, *steps: dict[str, object]) -> None:
    site.add_post_function(START, rule(*steps))
    for number in range(times):
        site.transition(site.create_issue(summary=f"Number {number}").key, START)
    site.deliver_pending()


def the_tenant(sessions: Sessions) -> uuid.UUID:
    with sessions.begin() as session:
        return session.scalars(sa.select(Tenant.id)).one()


def rest_of(sessions: Sessions, clock: Clock) -> quotas.Standing | None:
    tenant_id = the_tenant(sessions)
    with sessions.begin() as session:
        return quotas.find(session, tenant_id, now=clock())


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


class TestSiteThatJiraSlowsDown:
    def test_rests_as_a_whole_for_as_long_as_jira_says(
        self, runtime: Runtime, site: Jira, wire: Wire, clock: Clock, all_runs: Runs
    ) -> None:
        """In every process: what one was told, none tries again before."""
        fire(site, 3)
        one, other = Worker(runtime=runtime), Worker(runtime=replace(runtime))
        wire.before = [Response(status=429, headers={"Retry-After": "30"})]

        one.step()
        asked = len(wire.sent)
        one.drain()
        other.drain()
        clock.advance(seconds(29))
        other.drain()
        assert len(wire.sent) == asked
        first = all_runs()[0]
        assert (first.state, first.why) == (RunState.RECEIVED, Why.RATE_LIMITED)

        clock.advance(seconds(10))
        other.drain()
        assert {run.state for run in all_runs()} == {RunState.SUCCEEDED}

    def test_holds_up_no_other_site(
        self, runtime: Runtime, site: Jira, worker: Worker, wire: Wire, clock: Clock
    ) -> None:
        fire(site, 2)
        wire.before = [Response(status=429, headers={"Retry-After": "30"})]
        worker.step()
        with runtime.sessions.begin() as session:
            other = old_runs.tenant(session, clock())
            session.execute(
                sa.update(Run)
                .where(Run.due_at <= clock())
                .values(tenant_id=other, issue_id="1")
            )

        assert worker.step()

    def test_rests_longer_each_time_where_jira_does_not_say_how_long(
        self, runtime: Runtime, site: Jira, wire: Wire, clock: Clock
    ) -> None:
        fire(site, 1)
        worker, waits = Worker(runtime=runtime), []
        for _ in range(6):
            wire.before = [Response(status=429)]
            worker.drain()
            rest = rest_of(runtime.sessions, clock)
            assert rest is not None
            waits.append(round((rest.until - clock()) / seconds(1), 1))
            clock.advance(seconds(40))

        for wait, least in zip(waits, (2, 4, 8, 16, 30, 30), strict=True):
            assert least <= wait <= least * 1.3 + 0.1

    def test_run_that_waits_for_a_limit_does_not_fail_for_it_within_a_day(
        self, site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
    ) -> None:
        fire(site, 1)
        for _ in range(12):
            wire.before = [Response(status=429)]
            worker.drain()
            clock.advance(timedelta(minutes=5))
        assert all_runs()[0].state is RunState.RECEIVED

        worker.drain()
        assert all_runs()[0].state is RunState.SUCCEEDED

    def test_near_its_limit_begins_its_runs_further_apart(
        self, site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
    ) -> None:
        fire(site, 2)
        near = {
            "RateLimit-Policy": '"global-app-quota";q=65000;w=3600',
            "RateLimit": '"global-app-quota";r=1000;t=1000',
        }
        send = wire.send
        wire.send = lambda request: replace(send(request), headers=near)  # type: ignore[method-assign]

        worker.drain()
        assert [run.finished_at is not None for run in all_runs()] == [True, False]
        clock.advance(seconds(10))
        worker.drain()
        assert [run.finished_at is not None for run in all_runs()] == [True, True]


class TestShareOfTheHoursPoints:
    def test_site_that_had_it_rests_until_the_hour_is_over(
        self,
        runtime: Runtime,
        site: Jira,
        clock: Clock,
        all_runs: Runs,
        client: FlaskClient,
    ) -> None:
        clock.advance(timedelta(minutes=20))
        settings = runtime.settings.model_copy(update={"points_per_hour": 50})
        worker = Worker(runtime=replace(runtime, settings=settings))
        fire(site, 10)

        for _ in range(10):
            worker.step()
            clock.advance(seconds(1.5))
        ended = [run for run in all_runs() if run.finished_at]
        rest = rest_of(runtime.sessions, clock)
        assert rest is not None
        assert rest.cause is RestCause.SHARE
        assert rest.until == datetime(2026, 11, 23, 13, tzinfo=clock().tzinfo)
        assert 1 <= len(ended) <= 4  # ten points, of which each run costs some
        assert client.get("/readyz").get_json()["tenants_resting"] == 1

        clock.advance(rest.until - clock())
        worker.step()
        assert len([run for run in all_runs() if run.finished_at]) == len(ended) + 1

    def test_is_counted_over_all_processes(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        with sessions.begin() as session:
            tenant_id = old_runs.tenant(session, clock())
        began = []
        for points in (120, 79, 1, 5):
            meter = Meter()
            meter.spend(tenant_id, points)
            with sessions.begin() as session:
                began += quotas.note(session, meter.take(clock()), SHARE, now=clock())

        assert [cause for _, cause, _ in began] == [RestCause.SHARE]
        with sessions.begin() as session:
            assert session.scalars(sa.select(SpentPoints.points)).one() == 205

    def test_each_hour_has_its_own(self, sessions: Sessions, clock: Clock) -> None:
        with sessions.begin() as session:
            tenant_id = old_runs.tenant(session, clock())
        for _ in range(3):
            meter = Meter()
            meter.spend(tenant_id, 199)
            with sessions.begin() as session:
                assert not quotas.note(session, meter.take(clock()), SHARE, now=clock())
            clock.advance(timedelta(hours=1))

    def test_is_forgotten_once_it_is_old(
        self, sessions: Sessions, clock: Clock
    ) -> None:
        with sessions.begin() as session:
            tenant_id = old_runs.tenant(session, clock())
        meter = Meter()
        meter.spend(tenant_id, 300)
        with sessions.begin() as session:
            quotas.note(session, meter.take(clock()), SHARE, now=clock())
            quotas.forget(session, now=clock() + timedelta(hours=40))
            assert session.get(Rest, tenant_id)
            quotas.forget(session, now=clock() + timedelta(days=4))
            assert not session.scalars(sa.select(Rest.tenant_id)).all()
            assert not session.scalars(sa.select(SpentPoints.points)).all()


def test_longer_rest_is_not_cut_short_by_another(
    sessions: Sessions, clock: Clock
) -> None:
    with sessions.begin() as session:
        tenant_id = old_runs.tenant(session, clock())
    for wait in (60, 5):
        meter = Meter()
        meter.ask(tenant_id, Wanted(cause=RestCause.REFUSED, wait=seconds(wait)))
        with sessions.begin() as session:
            quotas.note(session, meter.take(clock()), SHARE, now=clock())

    rest = rest_of(sessions, clock)
    assert rest is not None
    assert rest.until == clock() + seconds(60)


def test_database_that_is_away_forgets_no_rest(
    runtime: Runtime, site: Jira, monkeypatch: pytest.MonkeyPatch
) -> None:
    del site
    tenant_id = the_tenant(runtime.sessions)
    runtime.meter.ask(tenant_id, Wanted(cause=RestCause.REFUSED, wait=seconds(9)))

    def away(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("", {}, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(quotas, "note", away)
        with pytest.raises(sa.exc.OperationalError):
            metering.write_down(runtime)
    metering.write_down(runtime)

    with runtime.sessions.begin() as session:
        assert session.get(Rest, tenant_id)


class TestChangesOfOneIssue:
    STEPS = tuple({"do": "add-label", "label": f"label-{n}"} for n in range(10))

    def test_rest_before_they_are_more_than_jira_takes(
        self, site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
    ) -> None:
        site.add_post_function(START, rule(*self.STEPS))
        site.add_post_function(START, rule(*self.STEPS, id="r_second"))
        site.transition(site.create_issue(summary="Many labels").key, START)
        site.deliver_pending()

        worker.drain()
        [limit, _] = runs.issue_writes.LIMITS
        assert len(wire.writes()) == limit.writes
        second = all_runs()[1]
        assert (second.state, second.why) == (RunState.RUNNING, Why.ISSUE_LIMITED)
        assert "18 changes in 2 seconds" in (second.message or "")

        clock.advance(seconds(2.1))
        worker.drain()
        assert [run.state for run in all_runs()] == [RunState.SUCCEEDED] * 2
        assert len(wire.writes()) == 20

    def test_that_others_made_too_many_of_wait_alone(
        self, site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
    ) -> None:
        """Jira says for which limit; the site's other issues are not concerned."""
        fire(site, 2)
        reason = {"RateLimit-Reason": "jira-per-issue-on-write", "Retry-After": "2"}
        wire.before = [None, None, Response(status=429, headers=reason)]

        worker.drain()
        first, second = all_runs()
        assert (first.state, first.why) == (RunState.RUNNING, Why.ISSUE_LIMITED)
        assert second.state is RunState.SUCCEEDED

        clock.advance(seconds(3))
        worker.drain()
        assert all_runs()[0].state is RunState.SUCCEEDED

    @pytest.mark.parametrize(
        ("ages", "wait"),
        [
            ([0] * 17, None),
            ([0] * 18, 2.0),
            ([1.5] * 18, 0.5),
            ([2.5] * 89, None),
            ([10] * 90, 20.0),
            ([29] * 72 + [1] * 18, 1.0),
            ([31] * 200, None),
        ],
    )
    def test_are_counted_in_both_windows(
        self, sessions: Sessions, clock: Clock, ages: list[float], wait: float | None
    ) -> None:
        with sessions.begin() as session:
            old = old_runs.OldRuns(
                sessions=sessions, tenant_id=old_runs.tenant(session, clock())
            )
        run_id = old.add(clock() - timedelta(days=1), due_at=clock())
        step = old.step(run_id)
        with sessions.begin() as session:
            session.execute(
                sa.insert(Attempt),
                [
                    {
                        "id": uuid.uuid4(),
                        "tenant_id": old.tenant_id,
                        "run_step_id": step.id,
                        "begun_at": clock() - seconds(age),
                        "issue_id": "10001",
                    }
                    for age in ages
                ],
            )
            claim = runs.claim(session, now=clock())
            assert claim is not None
            full = runs.full(session, claim, now=clock())

        assert (full and full.until - clock()) == (wait and seconds(wait))


def test_run_of_a_site_that_rests_says_until_when_and_why(
    app: Flask, site: Jira, worker: Worker, wire: Wire, clock: Clock, all_runs: Runs
) -> None:
    """Also one that was not begun yet; the overview says it, too."""
    caller = Caller(app=app, jira=site, clock=clock)
    fire(site, 2)
    wire.before = [Response(status=429, headers={"Retry-After": "600"})]
    worker.drain()
    worker.drain()

    overview = page_at(caller, "overview")
    assert "Runs wait until 12:10 UTC." in overview
    page = page_at(caller, f"runs/{all_runs()[-1].id}")
    assert "It rests" in page
    assert "Jira answered that this site was sent too many calls." in page
