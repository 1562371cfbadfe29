"""T12: the watchdog has stuck tickets moved on, and does no harm with it."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import vault
from app.audit import AuditEvent
from app.crypto import Secret
from app.http import Response
from app.rules import KnownRule, knowing
from app.runs import Run, RunState, RunStep, Why
from app.runtime import Runtime
from app.tenants import Door, State, Tenant, TenantIdentity
from app.watchdog import Heartbeat, Watchdog, held, holds
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import HOLD, dispatch, gate, lost, said, shut

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
FAILING = {"do": "transition-issue", "transition": "No such transition"}
LATER = timedelta(minutes=31)


@pytest.fixture
def watchdog(runtime: Runtime) -> Watchdog:
    return Watchdog(runtime=runtime)


@pytest.fixture
def gated(site: Jira, watchdog: Watchdog, clock: Clock) -> Jira:
    """A site with a sound gate that the watchdog knows."""
    site.add_post_function("Dispatch", gate())
    shut(site)
    watchdog.watch()
    clock.advance(timedelta(minutes=1))
    return site


def later(clock: Clock, watchdog: Watchdog, by: timedelta = LATER) -> int | None:
    """Let time pass with looks in it, as when nothing is wrong with us; look again."""
    until, rescued = clock() + by, 0
    while clock() < until:
        clock.advance(min(timedelta(minutes=5), until - clock()))
        rescued += watchdog.watch() or 0
    return rescued


def known(sessions: sessionmaker[Session]) -> KnownRule:
    with sessions.begin() as session:
        row = session.scalars(sa.select(KnownRule)).one()
        session.expunge(row)
    return row


def kinds(sessions: sessionmaker[Session]) -> list[str]:
    with sessions.begin() as session:
        return list(session.scalars(sa.select(AuditEvent.kind).order_by(AuditEvent.id)))


def test_t12_ticket_that_we_never_heard_of_is_moved_to_its_fail_state(
    gated: Jira, watchdog: Watchdog, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    lost(gated)

    rescued = later(clock, watchdog)
    worker.drain()

    assert rescued == 1
    [run] = all_runs()
    assert (run.door, run.state, run.why) == (
        Door.WATCHDOG,
        RunState.FAILED,
        Why.NEVER_HEARD,
    )
    assert gated.status_of("DEMO-1") == "Deploy failed"
    assert "never came" in said(gated)
    assert str(run.id) in said(gated)


def identity(tenant: Tenant) -> TenantIdentity:
    return TenantIdentity(
        id=tenant.id, tenant_id=tenant.id, door=Door.CONNECT, external_id="odd"
    )


def test_t12_site_that_answers_nonsense_costs_no_other_site_its_rescue(
    gated: Jira, watchdog: Watchdog, runtime: Runtime, clock: Clock, wire: Wire
) -> None:
    """Attack: whoever is looked at first answers what breaks the look."""
    host = "odd.atlassian.net"
    wire.elsewhere[host] = lambda _: Response(status=200, body=b'{"values": 7}')
    with runtime.sessions.begin() as session:
        odd = Tenant(
            id=uuid.UUID(int=1),
            state=State.ACTIVE,
            base_url=f"https://{host}",
            enabled=True,
            installed_at=clock(),
            lifecycle_at=clock(),
        )
        session.add(odd)
        session.flush()
        session.add(identity(odd))
        secret = Secret("s" * 32)
        vault.put(session, runtime.keyring, odd.shared_secret, secret, now=clock())
    lost(gated)

    assert later(clock, watchdog) == 1

    with runtime.sessions.begin() as session:
        because = session.get_one(Tenant, uuid.UUID(int=1)).jira_refuses_because
    assert "cannot be read" in str(because)


def test_t12_ticket_is_left_alone_before_its_deadline(
    gated: Jira, watchdog: Watchdog, clock: Clock, all_runs: Runs
) -> None:
    lost(gated)

    rescued = later(clock, watchdog, timedelta(minutes=29))

    assert (rescued, all_runs()) == (0, [])
    assert gated.status_of("DEMO-1") == "Deploying"


def test_t12_ticket_that_was_there_before_the_rule_is_left_alone(
    site: Jira, watchdog: Watchdog, clock: Clock, all_runs: Runs
) -> None:
    dispatch(site)
    clock.advance(timedelta(hours=1))
    site.add_post_function("Dispatch", gate())

    assert later(clock, watchdog) == 0
    assert all_runs() == []


def test_t12_rule_that_becomes_a_gate_takes_no_ticket_that_waits_there_already(
    site: Jira, watchdog: Watchdog, clock: Clock
) -> None:
    added = site.add_post_function("Dispatch", rule(id="r_gate"))
    watchdog.watch()
    clock.advance(timedelta(minutes=1))
    lost(site)
    clock.advance(timedelta(minutes=1))
    site.remove_post_function(added.id)
    site.add_post_function("Dispatch", gate())

    assert later(clock, watchdog) == 0


def test_t12_late_call_of_a_rescued_ticket_does_nothing_more(
    gated: Jira, watchdog: Watchdog, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    dispatch(gated)  # Jira holds its call back
    later(clock, watchdog)
    worker.drain()

    gated.deliver_pending()
    worker.drain()

    states = [run.state for run in all_runs()]
    assert states == [RunState.FAILED, RunState.DUPLICATE]
    assert gated.status_of("DEMO-1") == "Deploy failed"


def test_t12_ticket_with_a_live_run_is_left_to_it(
    gated: Jira, watchdog: Watchdog, clock: Clock, all_runs: Runs
) -> None:
    dispatch(gated)
    gated.deliver_pending()  # and no worker has time

    assert later(clock, watchdog) == 0
    assert [run.state for run in all_runs()] == [RunState.RECEIVED]


def test_t12_failed_run_whose_ticket_still_waits_is_followed_by_a_rescue(
    gated: Jira,
    watchdog: Watchdog,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_runs: Runs,
) -> None:
    dispatch(gated)
    gated.deliver_pending()
    # Comment, comment about it, and the way out: Jira takes none of them.
    wire.before = [None, None, *[None] * 4, *[Response(status=400)] * 9]
    worker.drain()
    wire.before.clear()
    assert gated.status_of("DEMO-1") == "Deploying"

    later(clock, watchdog)
    worker.drain()

    first, rescue = all_runs()
    assert (rescue.why, rescue.replay_of) == (Why.DEADLINE, first.id)
    assert gated.status_of("DEMO-1") == "Deploy failed"


def test_t12_rescue_that_failed_is_tried_again_after_another_deadline(
    gated: Jira,
    watchdog: Watchdog,
    worker: Worker,
    wire: Wire,
    clock: Clock,
    all_runs: Runs,
) -> None:
    lost(gated)
    later(clock, watchdog)
    wire.before = [Response(status=400)] * 9
    worker.drain()
    wire.before.clear()

    assert later(clock, watchdog, timedelta(minutes=29)) == 0
    assert later(clock, watchdog, timedelta(minutes=5)) == 1
    worker.drain()

    assert len(all_runs()) == 2
    assert gated.status_of("DEMO-1") == "Deploy failed"


def test_t12_second_look_rescues_nobody_twice(
    gated: Jira, watchdog: Watchdog, clock: Clock, all_runs: Runs
) -> None:
    lost(gated)
    later(clock, watchdog)

    assert later(clock, watchdog) == 0
    assert len(all_runs()) == 1


def test_t12_after_many_rescues_the_rule_is_stopped_until_an_admin_resumes_it(
    gated: Jira,
    watchdog: Watchdog,
    clock: Clock,
    sessions: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holds, "MOST_IN_ONE_LOOK", 2)
    for key in ("DEMO-1", "DEMO-2", "DEMO-3"):
        lost(gated, key)

    assert later(clock, watchdog) == 2
    row = known(sessions)
    assert row.watch_stopped_at is not None
    assert row.overdue == 1
    assert later(clock, watchdog) == 0

    with sessions.begin() as session:
        knowing.resume(session, row.tenant_id, row.id, actor="ada", now=clock())
    assert later(clock, watchdog, timedelta(minutes=5)) == 1
    assert {"watch-stopped", "rule-resumed"} <= set(kinds(sessions))


def test_t12_twenty_five_is_the_limit() -> None:
    assert holds.MOST_IN_ONE_LOOK == 25


def test_t12_after_an_outage_of_ours_everything_has_one_deadline_more(
    gated: Jira, watchdog: Watchdog, clock: Clock
) -> None:
    lost(gated)
    clock.advance(timedelta(hours=3))

    assert watchdog.watch() == 0
    assert later(clock, watchdog, timedelta(minutes=25)) == 0
    assert later(clock, watchdog, timedelta(minutes=5)) == 1


def test_t12_query_names_the_status_by_its_number_alone(
    gated: Jira, watchdog: Watchdog, wire: Wire
) -> None:
    del gated
    watchdog.watch()

    [search] = [r.url for r in wire.sent if "/search/jql" in r.url][-1:]
    assert f"jql=status%20%3D%20{HOLD}%20ORDER" in search


def test_t12_ticket_that_was_moved_on_is_not_rescued(
    gated: Jira,
    watchdog: Watchdog,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Jira's search may be late; the issue itself is read again."""
    lost(gated)
    late = [gated.issue("DEMO-1").id]
    monkeypatch.setattr(held, "ids", lambda *_: iter(late))

    gated.transition("DEMO-1", "Deployed", user="countersign")

    assert later(clock, watchdog) == 0


def test_site_whose_jira_refuses_us_is_noted_until_it_accepts_us_again(
    gated: Jira, watchdog: Watchdog, sessions: sessionmaker[Session]
) -> None:
    def since() -> object:
        with sessions.begin() as session:
            return session.scalars(sa.select(Tenant.jira_refuses_since)).one()

    gated.refuses_addon = True
    watchdog.watch()
    assert since() is not None

    gated.refuses_addon = False
    watchdog.watch()
    assert since() is None
    assert {"jira-refuses-us", "jira-accepts-us"} <= set(kinds(sessions))


def test_jira_that_does_not_answer_is_noted_at_the_third_look(
    gated: Jira, watchdog: Watchdog, wire: Wire, sessions: sessionmaker[Session]
) -> None:
    del gated
    noted = []
    for _ in range(3):
        wire.before = [Response(status=503)]
        watchdog.watch()
        with sessions.begin() as session:
            noted.append(session.scalars(sa.select(Tenant.jira_refuses_since)).one())

    assert [at is not None for at in noted] == [False, False, True]


def test_refused_confirmation_is_noted_too(
    gated: Jira, worker: Worker, sessions: sessionmaker[Session]
) -> None:
    dispatch(gated)
    gated.deliver_pending()
    gated.refuses_addon = True

    worker.drain()

    with sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        assert tenant.jira_refuses_since is not None
        assert "401" in str(tenant.jira_refuses_because)


def test_only_one_process_looks_at_a_time(
    gated: Jira, watchdog: Watchdog, clock: Clock, sessions: sessionmaker[Session]
) -> None:
    del gated
    with sessions.begin() as session:
        row = session.get_one(Heartbeat, 1)
        row.lease_until = clock() + timedelta(minutes=10)

    assert watchdog.watch() is None
    clock.advance(timedelta(minutes=10))
    assert watchdog.watch() == 0


def test_scheduled_look_waits_its_time(
    gated: Jira, watchdog: Watchdog, clock: Clock
) -> None:
    del gated
    clock.advance(timedelta(minutes=3))

    assert watchdog.watch(due_only=True) is None
    clock.advance(timedelta(minutes=2))
    assert watchdog.watch(due_only=True) == 0


def test_rule_that_is_gone_and_comes_back_starts_anew(
    site: Jira, watchdog: Watchdog, clock: Clock, sessions: sessionmaker[Session]
) -> None:
    added = site.add_post_function("Dispatch", gate())
    watchdog.watch()
    site.remove_post_function(added.id)
    watchdog.watch()
    assert known(sessions).gone_at is not None
    clock.advance(timedelta(days=1))

    site.add_post_function("Dispatch", gate())
    watchdog.watch()

    row = known(sessions)
    assert (row.gone_at, row.hold_since) == (None, clock())


def test_look_judges_a_gate_by_an_issue_in_its_hold(
    gated: Jira, watchdog: Watchdog, sessions: sessionmaker[Session], clock: Clock
) -> None:
    assert known(sessions).sound_at is None  # nobody was there to judge it by
    lost(gated)
    clock.advance(timedelta(minutes=1))

    watchdog.watch()

    row = known(sessions)
    assert row.sound_at == clock()
    assert row.unsound_because is None


def test_late_call_without_a_worker_is_not_lost_to_the_watchdog(
    gated: Jira, watchdog: Watchdog, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    """A run that rests is live, however long its Jira makes it wait."""
    dispatch(gated)
    gated.deliver_pending()
    later(clock, watchdog)
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
    assert gated.status_of("DEMO-1") == "Deployed"


def test_t12_of_two_rules_with_one_hold_the_one_that_leads_out_takes_the_ticket(
    site: Jira, watchdog: Watchdog, worker: Worker, clock: Clock, all_runs: Runs
) -> None:
    elsewhere = {"mode": "gate", "transition": "No such way", "comment": False}
    site.copy_workflow("DEMO: Delivery workflow", "OPS: Delivery workflow")
    site.add_post_function(
        "Dispatch",
        gate(id="r_other", on_failure=elsewhere),
        flow="OPS: Delivery workflow",
    )
    watchdog.watch()
    site.add_post_function("Dispatch", gate())
    watchdog.watch()
    clock.advance(timedelta(minutes=1))
    lost(site)

    later(clock, watchdog)
    worker.drain()

    assert [run.rule_id for run in all_runs()] == ["r_gate"]
    assert site.status_of("DEMO-1") == "Deploy failed"


def test_t12_loop_of_rescues_ends(
    gated: Jira,
    watchdog: Watchdog,
    worker: Worker,
    clock: Clock,
    sessions: sessionmaker[Session],
    all_runs: Runs,
) -> None:
    """A hold that our own transition led into, three deep: no fourth."""
    gated.add_post_function(
        "Send to review", rule({"do": "transition-issue", "transition": "Dispatch"})
    )
    gated.set_status("DEMO-1", "In Progress")
    gated.transition("DEMO-1", "Send to review")
    gated.deliver_pending()
    worker.drain()
    assert gated.status_of("DEMO-1") == "Deploying"
    with sessions.begin() as session:
        session.execute(sa.update(Run).values(depth=3))

    later(clock, watchdog)

    rescue = all_runs()[-1]
    assert (rescue.door, rescue.state, rescue.why) == (
        Door.WATCHDOG,
        RunState.FAILED,
        Why.LOOP,
    )


def test_t5_one_sites_rule_is_no_other_tenants_to_pause(
    gated: Jira, clock: Clock, sessions: sessionmaker[Session]
) -> None:
    del gated
    row = known(sessions)

    with (
        sessions.begin() as session,
        pytest.raises(knowing.NoSuchRuleError),
    ):
        knowing.pause(session, row.id, row.id, actor="eve", now=clock())
    assert known(sessions).paused_at is None
