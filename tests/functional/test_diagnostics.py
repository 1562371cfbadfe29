"""The file for whoever helps: how the site stands, and no secret of anybody's."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit
from app.destinations import Destination
from app.http import Response
from app.rules import KnownRule
from app.runs import RunState
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Tenant, preferences
from app.watchdog import Watchdog
from app.web import create_app
from app.web.settings import diagnostics
from app.worker import Worker
from sandbox import Jira
from tests.functional import old_runs
from tests.functional.callers import BASE_URL, Caller
from tests.functional.fakes import Clock, Wire, call
from tests.functional.old_runs import OldRuns
from tests.functional.receiving import Desk, open_desk

CANARY = "CANARY"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def asked(caller: Caller, user: str = "ada") -> Response:
    body = json.dumps({"what": "diagnostics"}).encode()
    path = "/api/v1/downloads"
    return caller.send("POST", path, token=caller.context(user), body=body)


def text(caller: Caller) -> str:
    answer = asked(caller)
    assert answer.status == 201, answer.body
    ticket = json.loads(answer.body)["ticket"]
    came = call(caller.app, "GET", f"{BASE_URL}/downloads/{ticket}", {}, b"")
    assert came.status == 200
    return came.body.decode()


def bundle(caller: Caller) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(caller))
    return found


def test_file_says_how_the_site_stands(
    caller: Caller, desk: Desk, runtime: Runtime
) -> None:
    key, _ = desk.set_up()
    desk.deliver(key)
    old = OldRuns(sessions=runtime.sessions, tenant_id=desk.tenant_id)
    then = desk.clock() - timedelta(hours=2)
    old.add(then, state=RunState.AMBIGUOUS)
    Watchdog(runtime=runtime).watch()
    caller.later(seconds=90)

    found = bundle(caller)

    assert found["clock"] == desk.clock().isoformat()
    assert found["database"]["revision"] == "0009"
    assert found["database"]["dialect"] == runtime.sessions.kw["bind"].dialect.name
    assert found["site"]["tenant"] == str(desk.tenant_id)
    assert found["site"]["state"] == "active"
    assert found["site"]["doors"] == {"connect": {"ended_at": None}}
    assert found["last_24_hours"]["verified"] == 1
    assert found["last_24_hours"]["ended"]["succeeded"] == 1
    waiting = found["runs_not_over"]["ambiguous"]
    assert (waiting["count"], waiting["oldest_seconds"]) == (1, 2 * 3600 + 90)
    [destination] = found["destinations"]
    assert destination["host"] == "deploy.example"
    assert found["watchdog_looked_seconds_ago"] == 90
    assert found["rules"]["live"] == 1


def test_refusals_come_as_codes(caller: Caller, desk: Desk) -> None:
    with desk.runtime.sessions.begin() as session:
        for number in range(25):
            now = desk.clock() + timedelta(seconds=number)
            audit.record(
                session,
                desk.tenant_id,
                "verification-refused",
                actor="jira",
                now=now,
                reason="expired",
                route="triggered.triggered",
                detail=f"{CANARY} of a stranger",
            )

    refused = bundle(caller)["refused"]

    assert len(refused) == 20
    assert set(refused[0]) == {"at", "door", "reason"}
    assert refused[0]["reason"] == "expired"


@pytest.fixture
def seeded(runtime: Runtime, site: Jira, clock: Clock, wire: Wire) -> Caller:
    """Put a canary wherever a secret or a name of somebody can stand."""
    settings = runtime.settings.model_copy(
        update={
            "smtp_url": f"smtps://u:{CANARY}@mail.example",
            "alert_from": f"{CANARY}@example.com",
            "alert_to": (f"{CANARY}@example.com",),
            "metrics_token": CANARY,
            "queue_url": runtime.settings.queue_url + f"#{CANARY}",
            "tenants": (f"{CANARY}.atlassian.net",),
            "egress_exceptions": (f"{uuid.uuid4()}=10.0.0.0/8", CANARY),
            "database_url": f"postgresql://u:{CANARY}@db/x",
            "listen": f"{CANARY}:80",
            "encryption_keys": (CANARY, *runtime.settings.encryption_keys),
        }
    )
    app = create_app(replace(runtime, settings=settings))
    desk = open_desk(runtime, app, site, Worker(runtime=runtime), wire)
    tenant_id, now = desk.tenant_id, clock()
    key, _ = desk.set_up(
        name=CANARY,
        url=f"https://deploy.example/{CANARY}?key={CANARY}",
        headers={"X-Key": CANARY},
        signing="secret",
        audience=CANARY,
    )
    old = OldRuns(sessions=runtime.sessions, tenant_id=tenant_id)
    old.add(now, facts={"actor": CANARY}, message=CANARY, act=CANARY, config=CANARY)
    wanted = preferences.Wanted(
        run_days=90,
        audit_days=365,
        exchange_days=30,
        notice_to=("canary@acme.example",),
        on_call_role="",
    )
    with runtime.sessions.begin() as session:
        preferences.change(session, tenant_id, wanted, actor=CANARY, now=now)
        tenant = session.get_one(Tenant, tenant_id)
        tenant.jira_refuses_since, tenant.jira_refuses_because = now, CANARY
        session.get_one(Destination, key).disabled_because = CANARY
        refusal = {"reason": "expired", "route": "r", "detail": CANARY}
        audit.record(
            session,
            tenant_id,
            "verification-refused",
            actor=CANARY,
            now=now,
            **refusal,
        )
        known = {"rule_id": "r", "workflow": CANARY, "transition_id": "1"}
        session.add(
            KnownRule(
                id=uuid.uuid4(),
                tenant_id=tenant_id,
                transition_name=CANARY,
                name=CANARY,
                rule_hash=CANARY,
                config=CANARY,
                first_seen_at=now,
                last_seen_at=now,
                paused_at=now,
                paused_by=CANARY,
                unsound_because=CANARY,
                **known,
            )
        )
    return Caller(app=app, jira=site, clock=clock)


def test_no_secret_and_nobody_is_in_the_file(
    seeded: Caller, runtime: Runtime, site: Jira
) -> None:
    found = text(seeded)

    assert json.loads(found)["mail"] is True
    assert CANARY.lower() not in found.lower()
    assert site.site.shared_secret not in found
    assert site.site.client_key not in found
    for key in runtime.settings.encryption_keys:
        assert key not in found
    assert "@" not in found


def test_every_setting_that_hides_itself_is_left_out() -> None:
    hidden = {name for name, each in Settings.model_fields.items() if not each.repr}

    assert hidden
    assert hidden.isdisjoint(diagnostics.SETTINGS)
    assert set(diagnostics.SETTINGS) <= set(Settings.model_fields)


def test_t5_nothing_of_another_site_is_in_the_file(
    caller: Caller, desk: Desk, runtime: Runtime
) -> None:
    key, _ = desk.set_up()
    other = desk.move_to_another_tenant(key)
    with runtime.sessions.begin() as session:
        third = old_runs.tenant(session, desk.clock())
        now = desk.clock()
        for kind in ("verification-refused", "verification-accepted"):
            audit.record(session, third, kind, actor="jira", now=now, reason="x")
    OldRuns(sessions=runtime.sessions, tenant_id=third).add(
        desk.clock(), state=RunState.RUNNING
    )

    found = bundle(caller)

    assert str(other) not in json.dumps(found)
    assert found["destinations"] == []
    assert found["refused"] == []
    assert found["last_24_hours"]["verified"] == 0
    assert found["runs_not_over"]["running"]["count"] == 0


def test_t10_diagnostics_are_for_admins(caller: Caller, runtime: Runtime) -> None:
    assert asked(caller, "vic").status == 403
    with runtime.sessions.begin() as session:
        tickets = sa.text("SELECT count(*) FROM ticket")
        assert session.scalar(tickets) == 0
