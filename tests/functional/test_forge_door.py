"""Forge's events at our door: what they make of a tenant, and what not (T16)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import forge
from app.audit import AuditEvent
from app.forge import ForgeCall, ForgeInstallation
from app.runs import Run, RunState, Why
from app.runtime import Runtime
from app.tenants import Door, State, Tenant, TenantIdentity
from app.worker import Worker
from sandbox import Jira, people
from sandbox.forge.invocations import Slip
from tests.functional.conftest import rule
from tests.functional.fakes import Clock

START = "Start progress"


@pytest.fixture
def tenant(sessions: sessionmaker[Session]) -> Callable[[], Tenant]:
    """Read the one tenant that there is."""

    def read() -> Tenant:
        with sessions.begin() as session:
            found = session.scalars(sa.select(Tenant)).one()
            session.expunge(found)
        return found

    return read


def moved(site: Jira) -> None:
    """Let an issue move through a transition that has our rule."""
    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)


def carried_out(site: Jira, worker: Worker) -> None:
    moved(site)
    site.deliver_pending()
    worker.drain()


def kinds(sessions: sessionmaker[Session]) -> list[str]:
    with sessions.begin() as session:
        return list(session.scalars(sa.select(AuditEvent.kind).order_by(AuditEvent.id)))


def test_install_makes_a_tenant_whose_token_jira_has_accepted(
    forge_site: Jira, runtime: Runtime, tenant: Callable[[], Tenant]
) -> None:
    made = tenant()

    assert (made.state, made.base_url) == (State.ACTIVE, forge_site.site.base_url)
    assert made.proven_at is not None
    with runtime.sessions.begin() as session:
        access = forge.find_access(session, runtime.keyring, made.id, now=runtime.now())
        name = session.scalars(sa.select(TenantIdentity.external_id)).one()
    assert access is not None
    assert access.api_base_url == forge_site.forge.app.place.api_base_url
    assert access.is_good_until(runtime.now() + timedelta(hours=3))
    assert name == forge_site.forge.app.kept.id


@pytest.mark.parametrize("nests", [False, True], ids=["flat", "nested"])
def test_rule_is_carried_out_through_forge(
    forge_site: Jira,
    worker: Worker,
    all_runs: Callable[[], list[Run]],
    *,
    nests: bool,
) -> None:
    forge_site.forge.app.nests_payload = nests

    carried_out(forge_site, worker)

    [run] = all_runs()
    assert (run.door, run.state) == (Door.FORGE, RunState.SUCCEEDED), run.message
    [comment] = forge_site.issue("DEMO-1").comments
    assert comment["author"] == people.FORGE.account_id


def test_t16_event_is_good_once(
    forge_site: Jira, worker: Worker, all_runs: Callable[[], list[Run]]
) -> None:
    carried_out(forge_site, worker)
    call = forge_site.forge.app.accepted[-1]

    again = forge_site.forge.app.send(call, 5)
    changed = forge_site.forge.app.send(
        type(call)(call.method, call.url, call.body + b" ", call.headers), 5
    )

    assert (again.status, changed.status) == (200, 200)
    assert len(all_runs()) == 1


def test_forges_own_retry_is_one_run(
    forge_site: Jira,
    clock: Clock,
    worker: Worker,
    all_runs: Callable[[], list[Run]],
) -> None:
    moved(forge_site)
    forge_site.forge.app.armed.append(Slip(note="late", shift=timedelta(hours=-1)))
    forge_site.deliver_pending()
    assert all_runs() == []

    clock.advance(timedelta(seconds=61))
    forge_site.deliver_pending()
    worker.drain()

    [run] = all_runs()
    assert run.state is RunState.SUCCEEDED


SLIPS = {
    "expired": Slip(shift=timedelta(minutes=-2)),
    "from-future": Slip(shift=timedelta(minutes=2)),
    "wrong-audience": Slip(is_for_stranger=True),
    "wrong-environment": Slip(environment_type="DEVELOPMENT"),
    "wrong-endpoint": Slip(endpoint="tick"),
    "has-principal": Slip(principal="5b10a2844c20165700ede21g"),
    "key-unavailable": Slip(has_stray_key=True),
}


@pytest.mark.parametrize("reason", SLIPS)
def test_t16_event_that_is_not_forges_is_refused(
    forge_site: Jira,
    sessions: sessionmaker[Session],
    reason: str,
    all_runs: Callable[[], list[Run]],
) -> None:
    moved(forge_site)
    forge_site.forge.app.armed.append(SLIPS[reason])

    forge_site.deliver_pending()

    assert all_runs() == []
    with sessions.begin() as session:
        refused = sa.select(AuditEvent).where(AuditEvent.kind.like("verification-%"))
        [event] = session.scalars(refused)
        assert event.facts["reason"] == reason


def test_t16_token_that_jira_refuses_is_not_kept_and_the_next_one_is(
    app: object, jira: Jira, sessions: sessionmaker[Session]
) -> None:
    del app
    jira.forge.app.armed.append(Slip(is_token_refused=True))
    [answer] = jira.forge.install()
    assert answer.status == 503
    with sessions.begin() as session:
        assert session.scalars(sa.select(Tenant)).all() == []

    [later] = jira.forge.tick()

    assert later.is_good
    with sessions.begin() as session:
        assert session.scalars(sa.select(ForgeInstallation)).one().token_until


def test_t16_run_waits_for_the_next_token_and_is_then_done(
    forge_site: Jira,
    worker: Worker,
    tenant: Callable[[], Tenant],
    all_runs: Callable[[], list[Run]],
) -> None:
    forge_site.forge.app.access.revoke_all()
    forge_site.forge.app.armed.append(Slip(is_token_refused=True))
    carried_out(forge_site, worker)
    [waiting] = all_runs()
    assert waiting.state is RunState.RECEIVED
    assert waiting.why is Why.AWAITS_TOKEN
    assert tenant().jira_refuses_since is not None

    forge_site.forge.tick()
    worker.drain()

    [run] = all_runs()
    assert run.state is RunState.SUCCEEDED, run.message
    assert tenant().jira_refuses_since is None


def test_installation_that_vanished_loses_nothing_and_is_told(
    forge_site: Jira,
    worker: Worker,
    clock: Clock,
    tenant: Callable[[], Tenant],
    all_runs: Callable[[], list[Run]],
) -> None:
    moved(forge_site)
    forge_site.deliver_pending()
    forge_site.forge.vanish()
    worker.drain()
    clock.advance(timedelta(hours=5))
    worker.drain()
    assert tenant().jira_refuses_since is not None
    assert all_runs()[0].state is RunState.RECEIVED

    forge_site.forge.install()
    clock.advance(timedelta(minutes=11))
    worker.drain()

    assert len(kept := all_runs()) == 1
    assert kept[0].state is not RunState.RECEIVED
    assert tenant().jira_refuses_since is None


def test_removal_ends_the_tenant_and_a_new_installation_is_the_same(
    forge_site: Jira, sessions: sessionmaker[Session], tenant: Callable[[], Tenant]
) -> None:
    before = tenant()
    forge_site.forge.uninstall()
    assert tenant().state is State.UNINSTALLED

    forge_site.forge.install()

    assert (tenant().id, tenant().state) == (before.id, State.ACTIVE)
    assert kinds(sessions) == ["forge-installed", "uninstalled", "forge-installed"]


@pytest.mark.usefixtures("forge_site")
def test_old_tokens_of_events_are_forgotten(
    worker: Worker,
    clock: Clock,
    sessions: sessionmaker[Session],
) -> None:
    clock.advance(timedelta(minutes=2))

    worker.keep_house()

    with sessions.begin() as session:
        assert session.scalars(sa.select(ForgeCall)).all() == []
