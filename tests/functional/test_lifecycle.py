"""Installs, re-installs and uninstalls (rules T3 and T5; T4 in test_candidates)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit, tenants, vault
from app.audit import AuditEvent
from app.crypto import CannotOpenError
from app.runs import Run, RunState, Why
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import State, Tenant
from app.tokens.checks import Refused
from app.vault import CHECKPOINT_KEY, SecretVersion
from app.web.refusals import PROVEN
from app.worker import Prover, Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import SITE, rule
from tests.functional.fakes import Clock, Wire

OTHER_SECRET = "another-secret-of-at-least-thirty-two-bytes"
TRIGGERED = "/post-function/triggered"


@pytest.fixture
def caller(app: Flask, jira: Jira, clock: Clock) -> Caller:
    jira.site.descriptor = {
        "key": "countersign",
        "baseUrl": "https://countersign.example",
        "scopes": ["READ"],
    }
    jira.site.installed = True
    return Caller(app=app, jira=jira, clock=clock)


@pytest.fixture
def all_tenants(runtime: Runtime) -> Callable[[], list[Tenant]]:
    def read() -> list[Tenant]:
        with runtime.sessions.begin() as session:
            found = list(session.scalars(sa.select(Tenant).order_by(Tenant.id)))
            session.expunge_all()
        return found

    return read


@pytest.fixture
def kinds(runtime: Runtime) -> Callable[[], list[str]]:
    def read() -> list[str]:
        with runtime.sessions.begin() as session:
            return list(
                session.scalars(sa.select(AuditEvent.kind).order_by(AuditEvent.id))
            )

    return read


@pytest.fixture
def reasons(runtime: Runtime) -> Callable[[], list[str]]:
    def read() -> list[str]:
        with runtime.sessions.begin() as session:
            events = session.scalars(
                sa.select(AuditEvent)
                .where(AuditEvent.kind == "verification-refused")
                .order_by(AuditEvent.id)
            )
            return [str(event.facts["reason"]) for event in events]

    return read


Tenants = Callable[[], list[Tenant]]
Texts = Callable[[], list[str]]


def enabled(caller: Caller, **changes: Any) -> int:
    path = "/lifecycle/enabled"
    token = caller.url_bound("POST", path, **changes)
    return caller.send("POST", path, token=token, body={}).status


def test_install_makes_a_tenant_that_may_call(
    caller: Caller, all_tenants: Tenants
) -> None:
    assert caller.install() == 204

    [tenant] = all_tenants()
    assert (tenant.state, tenant.base_url) == (State.ACTIVE, SITE)
    assert enabled(caller) == 204


def test_secret_is_sealed(caller: Caller, runtime: Runtime) -> None:
    caller.install()

    with runtime.sessions.begin() as session:
        [row] = session.scalars(sa.select(SecretVersion))
        assert bytes(row.sealed).find(caller.jira.site.shared_secret.encode()) == -1


def test_secret_of_400_bytes_is_kept_whole(caller: Caller) -> None:
    caller.jira.site.shared_secret = "s" * 400

    assert caller.install() == 204
    assert enabled(caller) == 204


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clientKey": "somebody-else"}, "body-mismatch"),
        ({"key": "another-app"}, "body-mismatch"),
        ({"clientKey": None}, "body-mismatch"),
        ({"baseUrl": "https://acme.atlassian.net.evil.example"}, "site-not-allowed"),
        ({"baseUrl": "https://evil.example/.atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "http://acme.atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://user@acme.atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://acme.atlassian.net:8443"}, "site-not-allowed"),
        ({"baseUrl": "https://acme.atlassian.net/wiki"}, "site-not-allowed"),
        ({"baseUrl": "https://atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://[::1"}, "site-not-allowed"),
        ({"baseUrl": "https://evil.com\\.atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://x; script-src *; .atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://a%2f.atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://a..atlassian.net"}, "site-not-allowed"),
        ({"baseUrl": "https://acme.atlassian.net:99999"}, "site-not-allowed"),
    ],
)
def test_t3_body_that_does_not_fit_is_refused(
    caller: Caller,
    all_tenants: Tenants,
    reasons: Texts,
    changes: dict[str, str],
    reason: str,
) -> None:
    assert caller.install(**changes) == 401

    assert all_tenants() == []
    assert reasons() == [reason]


@pytest.mark.parametrize(
    "secret",
    [None, "", 7, "s" * 401, "é" * 201, "s" * 31, "a\x00b" * 20, "-----BEGIN" * 9],
)
def test_body_without_a_usable_secret_is_a_bad_request(
    caller: Caller, secret: object
) -> None:
    body = caller.installed(sharedSecret=secret)

    assert caller.lifecycle("installed", caller.install_token(), body) == 400


def test_t3_same_token_and_body_is_answered_again_without_effect(
    caller: Caller, kinds: Texts
) -> None:
    token, body = caller.install_token(), caller.installed()

    assert caller.lifecycle("installed", token, body) == 204
    assert caller.lifecycle("installed", token, body | {"extra": "ignored"}) == 204

    assert kinds() == ["installed"]


@pytest.mark.parametrize(
    "changes",
    [{"sharedSecret": OTHER_SECRET}, {"baseUrl": "https://evil.atlassian.net"}],
)
def test_t3_captured_token_carries_no_other_body(
    caller: Caller, all_tenants: Tenants, reasons: Texts, changes: dict[str, str]
) -> None:
    token = caller.install_token()
    caller.lifecycle("installed", token, caller.installed())

    assert caller.lifecycle("installed", token, caller.installed(**changes)) == 401

    assert [tenant.base_url for tenant in all_tenants()] == [SITE]
    assert reasons() == ["token-reused"]
    assert enabled(caller) == 204
    assert enabled(caller, secret=OTHER_SECRET) == 401


@pytest.mark.parametrize("padding", ["=", "=="])
def test_t3_captured_token_in_another_spelling_is_the_same_token(
    caller: Caller, padding: str
) -> None:
    token = caller.install_token()
    caller.lifecycle("installed", token, caller.installed())

    body = caller.installed(sharedSecret=OTHER_SECRET)
    assert caller.lifecycle("installed", token + padding, body) == 401

    assert enabled(caller, secret=OTHER_SECRET) == 401


def test_t3_older_install_is_not_applied(caller: Caller, kinds: Texts) -> None:
    older = caller.install_token()
    caller.later(seconds=5)
    caller.install()

    body = caller.installed(sharedSecret=OTHER_SECRET)
    assert caller.lifecycle("installed", older, body) == 204

    assert kinds() == ["installed", "install-too-late"]
    assert enabled(caller, secret=OTHER_SECRET) == 401


def test_t3_token_is_known_again_after_a_clock_was_ahead(
    caller: Caller, runtime: Runtime, reasons: Texts
) -> None:
    """Attack: what the wrong hour forgot comes again, with another secret."""
    token = caller.install_token()
    assert caller.lifecycle("installed", token, caller.installed()) == 204
    caller.later(hours=3)
    with runtime.sessions.begin() as session:
        tenants.forget_expired_tokens(session, now=caller.clock())
    caller.later(hours=-3)

    body = caller.installed(sharedSecret=OTHER_SECRET)
    assert caller.lifecycle("installed", token, body) == 401
    assert reasons() == ["token-reused"]


@pytest.fixture
def tenants_setting() -> str:
    return "approve"


class TestApproval:
    @pytest.fixture
    def settings(self, settings: Settings, tenants_setting: str) -> Settings:
        return settings.model_copy(
            update={"tenants": tuple(tenants_setting.split(","))}
        )

    def test_t3_new_site_waits_for_the_operator(
        self, caller: Caller, runtime: Runtime, all_tenants: Tenants, reasons: Texts
    ) -> None:
        assert caller.install() == 204
        assert enabled(caller) == 401
        assert reasons() == ["tenant-pending"]

        [tenant] = all_tenants()
        with runtime.sessions.begin() as session:
            waiting = session.get_one(Tenant, tenant.id)
            assert tenants.approve(
                session, waiting, actor="operator", now=runtime.now()
            )
            assert not tenants.approve(
                session, waiting, actor="operator", now=runtime.now()
            )

        assert enabled(caller) == 204

    def test_t3_approval_outlives_a_reinstall(
        self, caller: Caller, runtime: Runtime, all_tenants: Tenants
    ) -> None:
        caller.install()
        with runtime.sessions.begin() as session:
            waiting = session.get_one(Tenant, all_tenants()[0].id)
            tenants.approve(session, waiting, actor="operator", now=runtime.now())
        caller.later(seconds=1)
        caller.install()

        assert enabled(caller) == 204

    @pytest.mark.parametrize(
        ("tenants_setting", "state"),
        [
            ("acme.atlassian.net,b.atlassian.net", State.ACTIVE),
            ("b.atlassian.net", State.PENDING),
        ],
    )
    def test_t3_listed_sites_need_no_approval(
        self, caller: Caller, all_tenants: Tenants, state: State
    ) -> None:
        caller.install()

        assert [tenant.state for tenant in all_tenants()] == [state]


def test_renamed_site_stays_the_same_tenant(
    caller: Caller, runtime: Runtime, all_tenants: Tenants
) -> None:
    caller.install()
    caller.later(seconds=1)
    caller.install(
        baseUrl="https://new.atlassian.net", displayUrl="https://jira.acme.example"
    )
    Prover(runtime=runtime).prove()

    [tenant] = all_tenants()
    assert tenant.base_url == "https://new.atlassian.net"
    assert tenant.origins == ("https://new.atlassian.net", "https://jira.acme.example")


def uninstall(caller: Caller) -> int:
    token = caller.install_token("uninstalled")
    return caller.lifecycle("uninstalled", token, caller.installed(sharedSecret=None))


def test_uninstall_closes_the_door_and_keeps_the_audit(
    caller: Caller, all_tenants: Tenants, kinds: Texts, reasons: Texts
) -> None:
    caller.install()

    assert uninstall(caller) == 204

    assert enabled(caller) == 401
    assert reasons() == ["tenant-uninstalled"]
    assert [tenant.state for tenant in all_tenants()] == [State.UNINSTALLED]
    assert kinds()[:2] == ["installed", "uninstalled"]


def test_uninstalled_sites_secret_is_forgotten_after_its_retention(
    caller: Caller, runtime: Runtime, worker: Worker
) -> None:
    caller.install()
    uninstall(caller)

    for days, left in ((29, 1), (2, 0)):
        caller.later(days=days)
        worker.keep_house()
        with runtime.sessions.begin() as session:
            kinds = list(session.scalars(sa.select(SecretVersion.kind)))
            # What signs its history is ours; it says what is deleted of it by age.
            kinds.remove(CHECKPOINT_KEY)
            assert len(kinds) == left


def test_t4_uninstall_kills_every_version_for_good(caller: Caller) -> None:
    caller.install()
    old = caller.jira.site.shared_secret
    caller.later(seconds=1)
    uninstall(caller)
    caller.later(seconds=1)
    caller.jira.site.shared_secret = OTHER_SECRET
    caller.install()

    assert enabled(caller) == 204
    assert enabled(caller, secret=old) == 401


def test_uninstall_that_comes_after_the_next_install_changes_nothing(
    caller: Caller, kinds: Texts
) -> None:
    caller.install()
    caller.later(seconds=1)
    late = caller.install_token("uninstalled")
    caller.later(seconds=1)
    caller.install()

    assert caller.lifecycle("uninstalled", late, caller.installed()) == 204

    assert kinds() == ["installed", "installed", "uninstall-too-late"]
    assert enabled(caller) == 204


def test_uninstall_of_a_stranger_is_content(caller: Caller, kinds: Texts) -> None:
    assert uninstall(caller) == 204
    assert kinds() == []


@pytest.mark.parametrize("issuer", ["\ud800", "a\x00b"])
def test_t0c_issuer_that_no_database_takes_is_refused_like_any_other(
    caller: Caller, reasons: Texts, issuer: str
) -> None:
    caller.install()

    assert enabled(caller, iss=issuer) == 401

    assert reasons() == ["bad-claim"]


def test_t13_one_expired_token_sent_often_fills_no_log(
    caller: Caller, reasons: Texts
) -> None:
    caller.install()
    now = int(caller.clock().timestamp())
    late = {"iat": now - 900, "exp": now - 720}
    for _ in range(100):
        assert enabled(caller, **late) == 401

    assert len(reasons()) == PROVEN.per_minute


def test_disabled_is_shown_and_changes_nothing(
    caller: Caller, all_tenants: Tenants
) -> None:
    caller.install()
    path = "/lifecycle/disabled"

    token = caller.url_bound("POST", path)
    assert caller.send("POST", path, token=token, body={}).status == 204

    [tenant] = all_tenants()
    assert (tenant.enabled, tenant.state) == (False, State.ACTIVE)


def test_log_says_what_became_of_a_site_and_no_secret(
    caller: Caller, all_tenants: Tenants, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="app.web.lifecycle")

    for site in (SITE, SITE, "https://new.atlassian.net"):
        caller.install(baseUrl=site)
        caller.later(seconds=1)
    uninstall(caller)
    caller.later(seconds=1)
    caller.install()
    for notice in ("disabled", "enabled"):
        path = f"/lifecycle/{notice}"
        caller.send("POST", path, token=caller.url_bound("POST", path), body={})

    [tenant] = all_tenants()
    assert [record.getMessage() for record in caplog.records] == [
        f"installed tenant={tenant.id} state=active",
        f"re-installed tenant={tenant.id} state=active",
        f"renamed tenant={tenant.id} to be proven",
        f"uninstalled tenant={tenant.id}",
        f"re-installed tenant={tenant.id} state=active",
        f"disabled tenant={tenant.id}",
        f"enabled tenant={tenant.id}",
    ]


def test_log_says_nothing_of_what_was_not_applied(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    late = caller.install_token()
    caller.later(seconds=1)
    token = caller.install_token()
    caller.lifecycle("installed", token, caller.installed())
    caller.later(seconds=1)
    caplog.set_level("INFO", logger="app.web.lifecycle")

    for known in (token, late):
        assert caller.lifecycle("installed", known, caller.installed()) == 204
    late = caller.install_token("uninstalled", iat=int(caller.clock().timestamp()) - 9)
    assert caller.lifecycle("uninstalled", late, caller.installed()) == 204

    assert not caplog.messages


def test_disabled_without_a_token_is_refused(caller: Caller) -> None:
    """Jira sends one after an uninstall (AC-2561)."""
    caller.install()

    assert caller.send("POST", "/lifecycle/disabled", body={}).status == 401


@pytest.fixture
def two(
    caller: Caller, clock: Clock, app: Flask, wire: Wire
) -> Iterator[tuple[Caller, Caller]]:
    """Two sites of one installation of ours."""
    other = Jira(
        now=clock,
        addon_base_url="https://countersign.example",
        base_url="https://other.atlassian.net",
        background=False,
    )
    other.site.kid = caller.jira.site.kid
    other.site.private_pem = caller.jira.site.private_pem
    second = Caller(app=app, jira=other, clock=clock)
    caller.install()
    second.install()
    del wire
    yield caller, second
    other.close()


def test_t5_one_tenants_secret_does_not_open_for_another(
    two: tuple[Caller, Caller],
) -> None:
    first, second = two

    assert enabled(first, iss=second.jira.site.client_key) == 401
    assert enabled(second) == 204


@pytest.mark.usefixtures("two")
def test_t5_sealed_secret_moved_to_another_tenant_does_not_open(
    runtime: Runtime,
) -> None:
    with runtime.sessions.begin() as session:
        one, other = session.scalars(sa.select(SecretVersion))
        other.sealed = one.sealed
        session.flush()
        tenant = session.get_one(Tenant, other.tenant_id)

        with pytest.raises(CannotOpenError):
            vault.accepted(
                session, runtime.keyring, tenant.shared_secret, now=runtime.now()
            )


def test_t5_older_ciphertext_put_over_a_newer_one_does_not_open(
    caller: Caller, runtime: Runtime
) -> None:
    caller.install()
    caller.later(seconds=1)
    caller.jira.site.shared_secret = OTHER_SECRET
    caller.install()
    Prover(runtime=runtime).prove()
    with runtime.sessions.begin() as session:
        old, new = session.scalars(
            sa.select(SecretVersion).order_by(SecretVersion.generation)
        )
        new.sealed = old.sealed
        session.flush()
        tenant = session.get_one(Tenant, new.tenant_id)

        with pytest.raises(CannotOpenError):
            vault.accepted(
                session, runtime.keyring, tenant.shared_secret, now=runtime.now()
            )


def test_t5_database_refuses_a_run_step_of_another_tenant(
    two: tuple[Caller, Caller], runtime: Runtime, site_run: Callable[[Caller], Run]
) -> None:
    first, second = two
    run = site_run(first)
    stranger = None
    with runtime.sessions.begin() as session:
        found = tenants.find(session, second.jira.site.client_key)
        assert found is not None
        stranger = found.id

    step = {
        "id": run.id,
        "tenant_id": stranger,
        "run_id": run.id,
        "role": "step",
        "position": 0,
        "state": "pending",
        "config": "{}",
        "tries": 0,
    }
    with pytest.raises(sa.exc.IntegrityError), runtime.sessions.begin() as session:
        session.execute(
            sa.text(
                "INSERT INTO run_step (id, tenant_id, run_id, role, position, state,"
                " config, tries) VALUES (:id, :tenant_id, :run_id, :role, :position,"
                " :state, :config, :tries)"
            ).bindparams(
                sa.bindparam("id", type_=sa.Uuid()),
                sa.bindparam("tenant_id", type_=sa.Uuid()),
                sa.bindparam("run_id", type_=sa.Uuid()),
            ),
            step,
        )


@pytest.fixture
def site_run(all_runs: Callable[[], list[Run]]) -> Callable[[Caller], Run]:
    def fire(caller: Caller) -> Run:
        body = {
            "issue": {"id": "10100"},
            "transition": {"workflowName": "w", "transitionId": 1},
            "configuration": {"value": rule()},
        }
        token = caller.url_bound("POST", TRIGGERED)
        assert caller.send("POST", TRIGGERED, token=token, body=body).status == 204
        return all_runs()[-1]

    return fire


def test_t5_site_import_retires_the_former_tenant_once_the_new_one_is_proven(
    site: Jira,
    clock: Clock,
    app: Flask,
    worker: Worker,
    all_runs: Callable[[], list[Run]],
    all_tenants: Tenants,
) -> None:
    site.add_post_function("Start progress", rule())
    former = site.site.client_key
    clock.advance(timedelta(seconds=1))
    site.site.client_key = "client-key-after-the-import"
    site.install()
    assert [tenant.state for tenant in all_tenants()] == [State.ACTIVE, State.ACTIVE]

    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", "Start progress")
    site.deliver_pending()
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
    assert [tenant.state for tenant in all_tenants()] == [
        State.SUPERSEDED,
        State.ACTIVE,
    ]
    caller = Caller(app=app, jira=site, clock=clock)
    assert enabled(caller, iss=former) == 401
    assert enabled(caller) == 204


def test_runs_of_a_site_that_left_end_without_a_call(
    site: Jira,
    app: Flask,
    clock: Clock,
    worker: Worker,
    wire: Wire,
    all_runs: Callable[[], list[Run]],
) -> None:
    site.add_post_function("Start progress", rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", "Start progress")
    site.deliver_pending()
    clock.advance(timedelta(seconds=1))
    site.uninstall()
    del app
    wire.sent.clear()

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.TENANT_GONE)
    assert wire.sent == []


def test_t13_unproven_refusals_are_no_part_of_a_tenants_history(
    caller: Caller, runtime: Runtime
) -> None:
    caller.install()
    enabled(caller, secret=OTHER_SECRET)
    now = int(caller.clock().timestamp())
    enabled(caller, iat=now - 900, exp=now - 720)
    enabled(caller, iat=now - 7200, exp=now - 3600)
    enabled(caller, iat=1, exp=100, qsh="of another address")

    with runtime.sessions.begin() as session:
        events = session.scalars(
            sa.select(AuditEvent)
            .where(AuditEvent.kind == "verification-refused")
            .order_by(AuditEvent.id)
        ).all()
        seen = [(e.facts["reason"], e.tenant_id is None) for e in events]
    assert seen == [
        ("bad-signature", True),
        ("expired", False),
        # Who sends what expired long ago, its signature does not say.
        ("expired", True),
        ("expired", True),
    ]


def test_t13_unproven_refusals_are_capped(runtime: Runtime, clock: Clock) -> None:
    with runtime.sessions.begin() as session:
        for number in range(20):
            audit.record_unproven(
                session, claimed_issuer=f"stranger-{number:02}", now=clock()
            )
            clock.advance(timedelta(seconds=1))
    with runtime.sessions.begin() as session:
        assert audit.prune_unproven(session, keep=5) == 15
    with runtime.sessions.begin() as session:
        left = session.scalars(
            sa.select(AuditEvent.claimed_issuer).order_by(AuditEvent.id)
        ).all()
    assert left == [f"stranger-{number}" for number in range(15, 20)]


def test_unknown_tenant_may_not_call(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session, pytest.raises(Refused):
        tenants.get_calling(session, "nobody")
