"""A site goes over from Connect to Forge with work under way, and loses nothing."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app.audit import AuditEvent
from app.http import Response
from app.rules import KnownRule
from app.runs import Run, RunState
from app.runtime import Runtime
from app.tenants import Door, State, Tenant, TenantIdentity
from app.watchdog import Watchdog
from app.worker import Worker
from sandbox import Jira, catalogue, people
from sandbox.world import Moved
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import dispatch, gate, said, shut

START = "Start progress"


def tenants_of(sessions: sessionmaker[Session]) -> list[tuple[uuid.UUID, State]]:
    with sessions.begin() as session:
        rows = session.execute(sa.select(Tenant.id, Tenant.state))
        return [(row.id, row.state) for row in rows]


def doors_of(sessions: sessionmaker[Session]) -> dict[Door, bool]:
    """Return by which doors a name is still good."""
    with sessions.begin() as session:
        rows = session.scalars(sa.select(TenantIdentity)).all()
        return {row.door: row.ended_at is None for row in rows}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def leave_connect(caller: Caller) -> None:
    """Let Atlassian say that the Connect app is uninstalled."""
    caller.later(seconds=1)
    token = caller.install_token("uninstalled")
    body = caller.installed(eventType="uninstalled", sharedSecret=None)
    assert caller.lifecycle("uninstalled", token, body) == 204


def test_site_keeps_its_tenant_and_has_two_names(
    site: Jira, sessions: sessionmaker[Session], caller: Caller
) -> None:
    before = tenants_of(sessions)

    site.forge.install()

    assert tenants_of(sessions) == before
    assert doors_of(sessions) == {Door.CONNECT: True, Door.FORGE: True}
    leave_connect(caller)
    assert tenants_of(sessions) == before
    assert doors_of(sessions) == {Door.CONNECT: False, Door.FORGE: True}


def test_t5_same_address_links_nobody(
    site: Jira, sessions: sessionmaker[Session]
) -> None:
    """Attack: a Forge app elsewhere that says it is this site gets nothing of it."""
    site.addon.descriptor["key"] = "another-app"

    site.forge.install()

    assert [state for _, state in tenants_of(sessions)] == [State.ACTIVE] * 2


def test_run_begun_through_connect_ends_through_forge(
    site: Jira,
    caller: Caller,
    worker: Worker,
    wire: Wire,
    all_runs: Callable[[], list[Run]],
) -> None:
    stored = rule(
        {"do": "add-comment", "body": "One"}, {"do": "add-comment", "body": "Two"}
    )
    site.add_post_function(START, stored)
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    # The second comment meets a Jira that is busy: the run rests with one step done.
    # Before it Jira is asked for the issue and the inventory, and writes the first.
    wire.before += [None, None, None, Response(status=503)]
    worker.drain()
    assert all_runs()[0].state is RunState.RUNNING

    site.forge.install()
    leave_connect(caller)
    caller.later(minutes=5)
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
    authors = [comment["author"] for comment in site.issue("DEMO-1").comments]
    assert authors == [people.APP.account_id, people.FORGE.account_id]


def test_held_ticket_of_before_is_moved_on_by_the_account_of_today(
    site: Jira,
    caller: Caller,
    runtime: Runtime,
    worker: Worker,
    sessions: sessionmaker[Session],
) -> None:
    shut(site)
    site.add_post_function("Dispatch", gate())
    Watchdog(runtime=runtime).watch()
    site.forge.install()
    leave_connect(caller)

    Watchdog(runtime=runtime).watch()
    dispatch(site)
    site.deliver_pending()
    worker.drain()

    assert site.status_of("DEMO-1") == "Deployed", said(site)
    with sessions.begin() as session:
        assert session.scalars(sa.select(KnownRule.unsound_because)).all() == [None]
        kinds = session.scalars(sa.select(AuditEvent.kind)).all()
    assert "conditions-mended" in kinds
    assert "connect-uninstalled" in kinds


def test_condition_that_names_somebody_else_stays(
    site: Jira, runtime: Runtime, caller: Caller
) -> None:
    theirs = '{"v":1,"account":"somebody-else","role":null}'
    site.add_condition("Deployed", theirs)
    site.forge.install()
    leave_connect(caller)

    Watchdog(runtime=runtime).watch()

    [flow] = site.world.state.workflows.values()
    values = [one.value for rules in flow.live.values() for one in rules]
    assert values == [theirs]


def test_connect_may_leave_before_forge_comes(
    site: Jira, caller: Caller, sessions: sessionmaker[Session]
) -> None:
    [(tenant_id, _)] = tenants_of(sessions)
    leave_connect(caller)
    assert tenants_of(sessions) == [(tenant_id, State.UNINSTALLED)]

    site.forge.install()

    assert tenants_of(sessions) == [(tenant_id, State.ACTIVE)]


def test_removed_forge_app_leaves_a_site_that_has_connect(
    site: Jira,
    worker: Worker,
    sessions: sessionmaker[Session],
    all_runs: Callable[[], list[Run]],
) -> None:
    site.forge.install()
    site.forge.uninstall()
    assert [state for _, state in tenants_of(sessions)] == [State.ACTIVE]

    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    worker.drain()

    [run] = all_runs()
    assert (run.door, run.state) == (Door.CONNECT, RunState.SUCCEEDED)


def test_late_call_through_connect_is_not_carried_out_twice(
    site: Jira,
    worker: Worker,
    clock: Clock,
    all_runs: Callable[[], list[Run]],
) -> None:
    """Both apps may hear of one transition while the site goes over."""
    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.forge.install()
    site.deliver_pending()
    clock.advance(timedelta(seconds=2))
    told_by_forge(site)
    worker.drain()

    states = sorted(run.state for run in all_runs())
    assert states == [RunState.DUPLICATE, RunState.SUCCEEDED]
    assert len(site.issue("DEMO-1").comments) == 1


def told_by_forge(site: Jira) -> None:
    """Let Forge tell of the transition that Connect has told already."""
    made = catalogue.transition(START)
    assert made is not None
    moved = Moved(site.issue("DEMO-1"), made, "To Do", people.ADA)
    site.forge.events.fire(moved)
    site.deliver_pending()


def test_ticket_that_is_held_while_its_site_goes_over_is_moved_on(
    site: Jira,
    caller: Caller,
    worker: Worker,
    all_runs: Callable[[], list[Run]],
) -> None:
    """Its run comes to its end before the watchdog's next look."""
    shut(site)
    site.add_post_function("Dispatch", gate())
    dispatch(site)
    site.deliver_pending()
    site.forge.install()
    leave_connect(caller)

    worker.drain()

    assert site.status_of("DEMO-1") == "Deployed", said(site)
    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
