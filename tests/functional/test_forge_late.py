"""Forge's events that come late, twice, or to the wrong place change nothing (T16)."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import forge, keys
from app.http import Response
from app.runs import Run, RunState
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Door, State, Tenant, TenantIdentity
from app.worker import Worker
from sandbox import Jira
from sandbox.forge.invocations import Slip
from tests.functional.conftest import BASE_URL, rule
from tests.functional.fakes import Clock, Wire, call

START = "Start progress"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Two environments may call, so that one can be taken for the other."""
    both = ("PRODUCTION", "STAGING")
    return settings.model_copy(update={"forge_environments": both})


def states(sessions: sessionmaker[Session]) -> list[State]:
    with sessions.begin() as session:
        return list(session.scalars(sa.select(Tenant.state).order_by(Tenant.id)))


def live_names(sessions: sessionmaker[Session]) -> list[str]:
    with sessions.begin() as session:
        live = TenantIdentity.ended_at.is_(None)
        wanted = sa.select(TenantIdentity.external_id).where(live)
        return list(session.scalars(wanted.where(TenantIdentity.door == Door.FORGE)))


def send(app: Flask, endpoint: str, headers: dict[str, str]) -> Response:
    """Let an event come that was made before."""
    return call(app, "POST", f"{BASE_URL}/forge/{endpoint}", headers, b"{}")


def access_of(runtime: Runtime) -> forge.Access:
    with runtime.sessions.begin() as session:
        [tenant_id] = session.scalars(sa.select(Tenant.id))
        now = runtime.now()
        found = forge.find_access(session, runtime.keyring, tenant_id, now=now)
    assert found is not None
    return found


def test_event_that_was_on_its_way_does_not_bring_a_removed_site_back(
    app: Flask, forge_site: Jira, sessions: sessionmaker[Session]
) -> None:
    late = forge_site.forge.event_headers("tick")
    [farewell] = forge_site.forge.uninstall()
    assert farewell.is_good
    assert states(sessions) == [State.UNINSTALLED]
    # As if Jira took the token for a while still.
    forge_site.forge.app.kept.is_live = True
    forge_site.forge.app.access.forget()
    late["x-forge-oauth-system"] = forge_site.forge.app.access.system_token()

    answer = send(app, "tick", late)

    assert answer.status == 401
    assert states(sessions) == [State.UNINSTALLED]


def test_site_whose_removal_came_to_nothing_is_believed_again(
    forge_site: Jira, sessions: sessionmaker[Session], clock: Clock
) -> None:
    forge_site.forge.uninstall()
    forge_site.forge.app.kept.is_live = True

    clock.advance(timedelta(minutes=16))
    forge_site.forge.tick()

    assert states(sessions) == [State.ACTIVE]


def test_one_name_is_live_at_a_time(
    forge_site: Jira, sessions: sessionmaker[Session]
) -> None:
    forge_site.forge.vanish()
    forge_site.forge.install()
    [now_live] = live_names(sessions)

    assert now_live == forge_site.forge.app.kept.id
    forge_site.forge.uninstall()
    assert states(sessions) == [State.UNINSTALLED]


def test_another_environment_on_the_same_site_takes_nobodys_place(
    forge_site: Jira, sessions: sessionmaker[Session]
) -> None:
    forge_site.forge.app.kept.environment_type = "STAGING"
    forge_site.forge.install()
    assert states(sessions) == [State.ACTIVE, State.ACTIVE]

    forge_site.forge.tick()

    assert states(sessions) == [State.ACTIVE, State.ACTIVE]


def test_t5_site_made_anew_at_the_same_address_takes_the_old_ones_place_for_good(
    app: Flask, forge_site: Jira, sessions: sessionmaker[Session]
) -> None:
    late = forge_site.forge.event_headers("tick")
    forge_site.site.cloud_id = str(uuid.uuid4())
    forge_site.forge.install()
    assert states(sessions) == [State.SUPERSEDED, State.ACTIVE]

    answer = send(app, "tick", late)

    assert answer.status in {200, 401, 503}
    assert states(sessions) == [State.SUPERSEDED, State.ACTIVE]


def test_t4_address_that_another_only_claims_keeps_no_site_from_moving_there(
    forge_site: Jira, sessions: sessionmaker[Session]
) -> None:
    """Attack: an install of his own site's says that it is where ours moves to."""
    with sessions.begin() as session:
        ours = session.scalars(sa.select(Tenant)).one()
        moved_to, ours.base_url = ours.base_url, "https://before.atlassian.net"
        claims = Tenant(
            id=uuid.UUID(int=2**127),
            state=State.ACTIVE,
            base_url=moved_to,
            enabled=True,
            installed_at=ours.installed_at,
            lifecycle_at=ours.lifecycle_at,
        )
        session.add(claims)
        our_id = ours.id

    forge_site.forge.tick()

    with sessions.begin() as session:
        assert session.get_one(Tenant, our_id).base_url == moved_to


def test_t16_captured_event_brings_no_token_of_somebody_elses(
    app: Flask, forge_site: Jira, runtime: Runtime
) -> None:
    """Attack: one call of Forge's, with a token of the attacker's own for that site."""
    before = access_of(runtime).generation
    captured = forge_site.forge.event_headers("tick")
    own = forge_site.forge.page_headers("ada")["x-forge-oauth-user"]

    answer = send(app, "tick", captured | {"x-forge-oauth-system": own})

    assert answer.status == 401
    assert access_of(runtime).generation == before


def test_t16_used_token_renews_nothing(
    forge_site: Jira, runtime: Runtime, clock: Clock, wire: Wire
) -> None:
    forge_site.add_post_function(START, rule())
    forge_site.set_status("DEMO-1", "To Do")
    forge_site.transition("DEMO-1", START)
    forge_site.deliver_pending()
    used = forge_site.forge.app.accepted[-1]
    with runtime.sessions.begin() as session:
        [tenant_id] = session.scalars(sa.select(Tenant.id))
        generation = access_of_session(session, runtime, tenant_id)
        forge.drop_token(session, tenant_id, generation, now=clock())
    asked = len(wire.sent)

    forge_site.forge.app.send(used, 5)

    assert len(wire.sent) == asked


def access_of_session(session: Session, runtime: Runtime, tenant_id: Any) -> int:
    now = runtime.now()
    found = forge.find_access(session, runtime.keyring, tenant_id, now=now)
    assert found is not None
    assert found.generation is not None
    return found.generation


def test_token_that_came_meanwhile_is_not_dropped_for_the_one_before(
    forge_site: Jira, runtime: Runtime, clock: Clock
) -> None:
    old = access_of(runtime).generation
    assert old is not None
    clock.advance(timedelta(hours=3))
    forge_site.forge.tick()

    with runtime.sessions.begin() as session:
        [tenant_id] = session.scalars(sa.select(Tenant.id))
        forge.drop_token(session, tenant_id, old, now=clock())

    assert access_of(runtime).token is not None


def test_run_waits_where_connect_is_known_and_opens_nothing_any_more(
    site: Jira,
    worker: Worker,
    clock: Clock,
    all_runs: Callable[[], list[Run]],
) -> None:
    """After Connect's end a site may still have both names."""
    site.forge.install()
    site.site.shared_secret = "s" * 64
    site.forge.app.access.revoke_all()
    site.forge.app.armed.append(Slip(is_token_refused=True))
    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    for _ in range(3):
        worker.drain()
        clock.advance(timedelta(minutes=11))
    assert [run.state for run in all_runs()] == [RunState.RECEIVED]

    site.forge.tick()
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]


def test_installation_that_came_first_goes_over_once_jira_names_the_connect_app(
    site: Jira, sessions: sessionmaker[Session]
) -> None:
    """Rights are given minutes after an install: until then Jira does not say."""
    key = site.addon.descriptor["key"]
    site.addon.descriptor["key"] = "not yet told"
    site.forge.install()
    assert len(states(sessions)) == 2

    site.addon.descriptor["key"] = key
    site.forge.tick()

    assert states(sessions) == [State.ACTIVE, State.UNINSTALLED]
    with sessions.begin() as session:
        names = session.scalars(sa.select(TenantIdentity)).all()
        assert len({name.tenant_id for name in names}) == 1


def test_signing_keys_come_back_with_the_site(
    forge_site: Jira, runtime: Runtime, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        [tenant_id] = session.scalars(sa.select(Tenant.id))
        rotation = keys.Rotation(
            tenant_id=tenant_id, actor="ada", now=runtime.now(), fresh=keys.make(2)
        )
        keys.ensure(session, runtime.keyring, rotation)
    forge_site.forge.uninstall()
    with sessions.begin() as session:
        assert not keys.has_keys(session, tenant_id)

    forge_site.forge.install()

    with sessions.begin() as session:
        assert keys.has_keys(session, tenant_id)


def test_page_of_a_site_that_left_is_refused(app: Flask, forge_site: Jira) -> None:
    shown = forge_site.forge.page_headers("ada")
    forge_site.forge.uninstall()

    answer = call(app, "GET", f"{BASE_URL}/forge/api/v1/pages/keys", shown, b"")

    assert answer.status == 401
    assert replace(answer, headers={}).body == b'{"error":"unauthorized"}\n'
