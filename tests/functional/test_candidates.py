"""T4: what a re-install offers counts once our own call proves it, and not before."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import runs
from app.audit import AuditEvent
from app.http import Response, SendError
from app.jira import open_jira
from app.runs import Run, RunState, Why, holding
from app.runtime import Runtime
from app.tenants import SecretCandidate, State, Tenant, promoting
from app.tenants.tables import LifecycleToken
from app.watchdog import held, judging
from app.web import recording
from app.web.context import KEY
from app.worker import Prover, Worker, proving
from sandbox import Jira
from sandbox.addon import Signing
from sandbox.world import Rule
from tests.functional.callers import Caller
from tests.functional.conftest import SITE, rule
from tests.functional.fakes import Clock, Wire

NEW = "the-new-secret-that-a-re-install-has-brought"
NEWER = "a-newer-secret-that-another-install-has-brought"
ELSEWHERE = "https://elsewhere.atlassian.net"
HOST = "elsewhere.atlassian.net"
START = "Start progress"
HOLDER = uuid.UUID(int=2**127)
WELCOME = Response(status=200, body=b'{"accountId": "557058:app"}')
UNKNOWN = Response(status=401, body=b"")


@pytest.fixture
def placed(site: Jira) -> Rule:
    return site.add_post_function(START, rule())


@pytest.fixture
def caller(app: Flask, site: Jira, placed: Rule, clock: Clock) -> Caller:
    """A site that has the app and a rule, a minute later."""
    del placed
    clock.advance(timedelta(minutes=1))
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def prover(runtime: Runtime) -> Prover:
    return Prover(runtime=runtime)


@pytest.fixture
def events(runtime: Runtime) -> Callable[[str], list[dict[str, Any]]]:
    def read(kind: str) -> list[dict[str, Any]]:
        with runtime.sessions.begin() as session:
            found = session.scalars(
                sa.select(AuditEvent)
                .where(AuditEvent.kind == kind)
                .order_by(AuditEvent.id)
            )
            return [
                {**event.facts, "is_tenants": event.tenant_id is not None}
                for event in found
            ]

    return read


@pytest.fixture
def tenant(runtime: Runtime) -> Callable[[], Tenant]:
    def read() -> Tenant:
        with runtime.sessions.begin() as session:
            found = session.scalars(sa.select(Tenant).order_by(Tenant.id)).all()[0]
            session.expunge_all()
        return found

    return read


Events = Callable[[str], list[dict[str, Any]]]
Runs = Callable[[], list[Run]]
Read = Callable[[], Tenant]


def rotate(caller: Caller, secret: str = NEW, **changes: str) -> str:
    """Let Jira go over to another secret, and tell us; return the one before."""
    old = caller.jira.site.shared_secret
    assert caller.install(sharedSecret=secret, **changes) == 204
    caller.jira.site.shared_secret = secret
    return old


def fire(caller: Caller, secret: str | None = None, issue: str = "DEMO-1") -> int:
    """Move an issue, and let the call come signed with this secret."""
    jira = caller.jira
    jira.set_status(issue, "To Do")
    if secret is not None:
        jira.firing.armed.append(Signing(secret=secret))
    jira.transition(issue, START)
    jira.deliver_pending()
    caller.later(seconds=1)
    return next(e.status for e in jira.traffic.newest() if e.issue == issue) or 0


def enabled(caller: Caller, secret: str) -> int:
    path = "/lifecycle/enabled"
    token = caller.url_bound("POST", path, secret=secret)
    return caller.send("POST", path, token=token, body={}).status


def is_accepted(caller: Caller, secret: str) -> bool:
    """Say whether a call that it signs is served, and not only answered."""
    sessions = caller.app.extensions[KEY].runtime.sessions
    with sessions.begin() as session:
        session.execute(sa.update(Tenant).values(enabled=False))
        # A notice counts once, and this one may have come before in this very second.
        session.execute(sa.delete(LifecycleToken))
    enabled(caller, secret)
    with sessions.begin() as session:
        return session.scalar(sa.select(Tenant.id).where(Tenant.enabled)) is not None


def page_reasons(events: Events) -> list[str]:
    return [str(event["reason"]) for event in events("verification-refused")]


def test_t4_proof_makes_the_new_secret_current_and_the_old_one_leaves_after_its_grace(
    caller: Caller, prover: Prover, clock: Clock, events: Events, runtime: Runtime
) -> None:
    old = rotate(caller)
    clock.advance(timedelta(minutes=30))
    assert is_accepted(caller, old)
    assert not is_accepted(caller, NEW)

    prover.prove()

    assert is_accepted(caller, NEW)
    clock.advance(timedelta(minutes=runtime.settings.secret_grace_minutes, seconds=-1))
    assert is_accepted(caller, old)
    clock.advance(timedelta(seconds=1))
    assert not is_accepted(caller, old)
    assert is_accepted(caller, NEW)
    [proven] = events("secret-proven")
    assert (proven["secret_generation"], proven["base_url"]) == (2, SITE)


def test_t4_replayed_install_with_a_secret_of_the_attackers_own_changes_nothing(
    caller: Caller,
    prover: Prover,
    worker: Worker,
    all_runs: Runs,
    events: Events,
    wire: Wire,
) -> None:
    genuine = caller.jira.site.shared_secret
    assert caller.install(sharedSecret=NEW) == 204
    assert fire(caller, secret=NEW) == 204
    wire.sent.clear()

    for _ in range(59):
        prover.prove()
        worker.drain()
        caller.later(minutes=1)
    assert {request.url for request in wire.sent} == {f"{SITE}/rest/api/3/myself"}
    assert fire(caller, issue="DEMO-2") == 204
    worker.drain()
    caller.later(minutes=1)
    prover.prove()

    [stored, own] = all_runs()
    assert (stored.state, stored.why) == (RunState.UNCONFIRMED, Why.SECRET_DROPPED)
    assert own.state is RunState.SUCCEEDED
    assert is_accepted(caller, genuine)
    assert not is_accepted(caller, NEW)
    assert [event["because"] for event in events("secret-dropped")] == [
        "Jira answered 401"
    ]
    [ended] = events("run-unconfirmed")
    assert ended["run"] == str(stored.id)
    assert fire(caller, secret=NEW) == 401


def test_t4_call_signed_with_a_candidate_does_not_prove_it(
    caller: Caller, worker: Worker, events: Events, all_runs: Runs, tenant: Read
) -> None:
    assert caller.install(sharedSecret=NEW) == 204
    with worker.runtime.sessions.begin() as session:
        session.get_one(Tenant, tenant().id).enabled = False

    assert fire(caller, secret=NEW) == 204
    assert enabled(caller, NEW) == 204
    assert not is_accepted(caller, NEW)
    worker.drain()

    assert events("secret-proven") == []
    assert [run.state for run in all_runs()] == [RunState.RECEIVED]
    assert not tenant().enabled


def test_t4_worker_that_runs_proves_beside_its_runs(
    caller: Caller, worker: Worker, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "ASK_SECONDS", 0.01)
    rotate(caller)
    running = threading.Thread(target=worker.run, daemon=True)
    running.start()

    for _ in range(500):
        running.join(0.02)
        if events("secret-proven"):
            break
    worker.stop.set()
    running.join(10)

    assert len(events("secret-proven")) == 1
    assert not running.is_alive()


def test_t4_stored_calls_are_carried_out_once_the_secret_is_proven(
    caller: Caller, prover: Prover, worker: Worker, all_runs: Runs, events: Events
) -> None:
    rotate(caller)
    assert fire(caller) == 204
    worker.drain()
    [run] = all_runs()
    assert (run.state, run.why) == (RunState.RECEIVED, Why.AWAITS_PROOF)
    assert len(events("verification-held")) == 1
    prover.prove()
    shown = page(caller, f"runs/{run.id}")
    assert "A call came, and was stored until its secret is proven" in shown
    assert "With a secret that an installation offered" in shown

    worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.SUCCEEDED, None)


def test_t4_proof_between_guard_and_record_lets_the_call_run(
    caller: Caller,
    prover: Prover,
    worker: Worker,
    all_runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its secret was a candidate when it was judged, and is none when it is written."""
    rotate(caller)
    record = recording.record

    def proven_first(*args: Any, **facts: Any) -> bool:
        prover.prove()
        return record(*args, **facts)

    monkeypatch.setattr(recording, "record", proven_first)

    assert fire(caller) == 204
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]


@pytest.mark.parametrize(
    ("path", "method"), [("/config", "GET"), ("/post-function/create", "GET")]
)
def test_t4_pages_refuse_a_candidate_like_any_stranger(
    caller: Caller, events: Events, path: str, method: str
) -> None:
    assert caller.install(sharedSecret=NEW) == 204
    answers = [
        caller.send(
            method,
            path,
            token=caller.url_bound(method, path, secret=secret, sub="557058:ada"),
        )
        for secret in (NEW, NEWER)
    ]

    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].body == answers[1].body
    assert page_reasons(events) == ["secret-unproven", "bad-signature"]
    # Whoever replays an install must not write into the tenant's own history (T13).
    assert [e["is_tenants"] for e in events("verification-refused")] == [False, False]


def test_t4_context_token_of_a_candidate_is_refused(
    caller: Caller, events: Events
) -> None:
    assert caller.install(sharedSecret=NEW) == 204
    old, caller.jira.site.shared_secret = caller.jira.site.shared_secret, NEW

    answer = caller.send("GET", "/api/v1/pages/keys", token=caller.context())

    caller.jira.site.shared_secret = old
    assert answer.status == 401
    assert page_reasons(events) == ["secret-unproven"]


def test_t13_bad_tokens_of_a_candidate_fill_no_tenants_history(
    caller: Caller, events: Events
) -> None:
    assert caller.install(sharedSecret=NEW) == 204
    path = "/config"
    token = caller.url_bound("GET", path, secret=NEW, iat=1, exp=100)

    assert caller.send("GET", path, token=token).status == 401

    [refused] = events("verification-refused")
    assert (refused["reason"], refused["is_tenants"]) == ("expired", False)


def test_t13_call_of_a_candidate_that_comes_again_is_no_line_more(
    caller: Caller, events: Events, all_runs: Runs
) -> None:
    assert caller.install(sharedSecret=NEW) == 204
    fire(caller, secret=NEW)
    again = caller.jira.firing.accepted[-1].call

    assert [caller.jira.addon.send(again).status for _ in range(3)] == [204] * 3

    assert len(all_runs()) == 1
    assert len(events("verification-held")) == 1
    assert events("verification-duplicate") == []


def test_t13_calls_stored_for_a_candidate_are_capped(
    caller: Caller, all_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST_HELD", 2)
    assert caller.install(sharedSecret=NEW) == 204

    answers = [fire(caller, secret=NEW) for _ in range(3)]

    assert answers == [204, 204, 401]
    assert len(all_runs()) == 2
    assert fire(caller) == 204


def test_t4_stored_call_uses_up_no_identifier_of_jiras(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    """Attack: it is unsigned; Jira's own call by that name would be a duplicate."""
    assert caller.install(sharedSecret=NEW) == 204
    caller.jira.firing.armed.append(Signing(secret=NEW))
    fire(caller)
    taken = caller.jira.firing.accepted[-1].call.headers
    name = "X-Atlassian-Webhook-Identifier"

    call = caller.jira.firing.accepted[-1].call
    genuine = caller.jira.addon.signed(call)
    assert genuine.headers[name] == taken[name]
    assert caller.jira.addon.send(genuine).status == 204
    worker.drain()

    states = [run.state for run in all_runs()]
    assert states == [RunState.RECEIVED, RunState.SUCCEEDED]


def test_t4_candidate_is_dropped_after_an_hour_also_without_a_worker(
    caller: Caller, prover: Prover, clock: Clock, all_runs: Runs
) -> None:
    rotate(caller)
    clock.advance(timedelta(minutes=59, seconds=59))
    assert fire(caller, secret=NEW) == 204

    assert fire(caller, secret=NEW, issue="DEMO-2") == 401

    prover.prove()
    assert not is_accepted(caller, NEW)
    assert [run.why for run in all_runs()] == [Why.SECRET_DROPPED]


def test_t4_jira_that_knows_its_secret_later_is_asked_again(
    caller: Caller, prover: Prover, clock: Clock, wire: Wire
) -> None:
    """At once, and after waits that grow; never before its time."""
    old = rotate(caller)
    caller.jira.site.shared_secret = old

    for wait in (0, 2, 5, 10, 30, 60, 120, 300, 300):
        wire.sent.clear()
        if wait:
            clock.advance(timedelta(seconds=wait - 1))
            prover.prove()
            assert wire.sent == []
            clock.advance(timedelta(seconds=1))
        prover.prove()
        assert len(wire.sent) == 1
    caller.jira.site.shared_secret = NEW
    clock.advance(timedelta(minutes=5))
    prover.prove()

    assert is_accepted(caller, NEW)


def test_t4_trouble_is_no_refusal_and_the_next_answer_proves(
    caller: Caller, prover: Prover, clock: Clock, wire: Wire
) -> None:
    rotate(caller)
    wire.before = [
        SendError("nothing answered", sent=True),
        Response(status=503, body=b""),
        Response(status=200, body=b"<html>"),
        Response(status=302, headers={"Location": SITE}, body=b""),
    ]
    for _ in range(4):
        prover.prove()
        assert not is_accepted(caller, NEW)
        clock.advance(timedelta(minutes=5))

    prover.prove()

    assert is_accepted(caller, NEW)


def test_t4_address_of_the_attackers_own_that_answers_is_not_taken_over(
    caller: Caller, prover: Prover, clock: Clock, wire: Wire, tenant: Read
) -> None:
    """An app of our key on a site of his own gives him a secret that it accepts."""
    heard: list[str] = []

    def welcome(request: Any) -> Response:
        heard.append(request.url)
        return WELCOME

    wire.elsewhere[HOST] = welcome
    assert caller.install(sharedSecret=NEW, baseUrl=ELSEWHERE) == 204

    for _ in range(61):
        prover.prove()
        clock.advance(timedelta(minutes=1))

    assert tenant().base_url == SITE
    assert not is_accepted(caller, NEW)
    assert heard == []


def sent_to(url: str, status: int = 302, name: str = "Location") -> Response:
    return Response(status=status, headers={name: url}, body=b"")


VOUCHES = (
    WELCOME,
    sent_to(f"{ELSEWHERE}/rest/api/3/myself"),
    sent_to(f"{ELSEWHERE}/rest/api/3/myself", 301, "location"),
)
DOES_NOT = (
    sent_to("https://evil.atlassian.net/x"),
    sent_to(f"{ELSEWHERE}.evil.example/x"),
    sent_to("http://elsewhere.atlassian.net/x"),
    sent_to("https://[x"),
    sent_to(ELSEWHERE, 200),
    Response(status=302, body=b""),
    Response(status=200, body=b'{"accountId": ""}'),
    UNKNOWN,
    Response(status=404, body=b""),
    SendError("nothing answered", sent=True),
)


def move(caller: Caller, wire: Wire, known: Response | SendError) -> None:
    """Let an install name an address that answers us, and the known one say this."""
    wire.elsewhere |= {HOST: lambda _: WELCOME, "acme.atlassian.net": lambda _: known}
    names = {"baseUrl": ELSEWHERE, "displayUrl": "https://jira.acme.example"}
    assert caller.install(sharedSecret=NEW, **names) == 204


@pytest.mark.parametrize("known", VOUCHES)
def test_t4_address_for_which_the_known_one_vouches_is_taken_over(
    caller: Caller, prover: Prover, wire: Wire, tenant: Read, known: Response
) -> None:
    move(caller, wire, known)

    prover.prove()

    moved = tenant()
    assert moved.base_url == ELSEWHERE
    assert moved.display_url == "https://jira.acme.example"
    assert is_accepted(caller, NEW)


@pytest.mark.parametrize("known", DOES_NOT)
def test_t4_address_that_vouches_for_itself_alone_is_not_taken_over(
    caller: Caller, prover: Prover, wire: Wire, tenant: Read, known: Response
) -> None:
    move(caller, wire, known)

    prover.prove()

    assert (tenant().base_url, tenant().display_url) == (SITE, SITE)
    assert not is_accepted(caller, NEW)


@pytest.mark.parametrize(("there", "now_at"), [(WELCOME, ELSEWHERE), (UNKNOWN, SITE)])
def test_t4_rename_with_the_same_secret_needs_the_new_address_to_answer(
    caller: Caller,
    prover: Prover,
    wire: Wire,
    tenant: Read,
    there: Response,
    now_at: str,
) -> None:
    """So Atlassian renames sites: the same secret, another address."""
    wire.elsewhere |= {HOST: lambda _: there, "acme.atlassian.net": lambda _: UNKNOWN}
    assert caller.install(baseUrl=ELSEWHERE) == 204
    assert tenant().base_url == SITE

    prover.prove()

    assert tenant().base_url == now_at
    assert is_accepted(caller, caller.jira.site.shared_secret)


def test_t4_address_that_another_tenant_holds_is_refused_while_it_does(
    caller: Caller,
    prover: Prover,
    runtime: Runtime,
    wire: Wire,
    tenant: Read,
    events: Events,
) -> None:
    asked: list[str] = []

    def welcome(request: Any) -> Response:
        asked.append(request.url)
        return WELCOME

    wire.elsewhere |= {HOST: welcome}
    with runtime.sessions.begin() as session:
        holder = Tenant(
            id=HOLDER,
            state=State.ACTIVE,
            base_url=ELSEWHERE,
            enabled=True,
            installed_at=runtime.now(),
            lifecycle_at=runtime.now(),
            proven_at=runtime.now(),
        )
        session.add(holder)
    assert caller.install(baseUrl=ELSEWHERE) == 204

    for _ in range(3):
        prover.prove()
        caller.later(minutes=1)

    assert (asked, tenant().base_url) == ([], SITE)
    assert [event["base_url"] for event in events("address-refused")] == [ELSEWHERE]
    with runtime.sessions.begin() as session:
        session.get_one(Tenant, HOLDER).state = State.UNINSTALLED
    caller.later(minutes=5)
    prover.prove()
    assert tenant().base_url == ELSEWHERE


@pytest.mark.parametrize("state", [State.ACTIVE, State.PENDING])
def test_t4_address_that_another_only_claims_keeps_nobody_from_moving_there(
    caller: Caller,
    prover: Prover,
    runtime: Runtime,
    wire: Wire,
    tenant: Read,
    state: State,
) -> None:
    """Attack: his own site's install says that it is where ours is about to move."""
    wire.elsewhere |= {HOST: lambda _: WELCOME}
    with runtime.sessions.begin() as session:
        claims = Tenant(
            id=HOLDER,
            state=state,
            base_url=ELSEWHERE,
            enabled=True,
            installed_at=runtime.now(),
            lifecycle_at=runtime.now(),
        )
        session.add(claims)
    assert caller.install(baseUrl=ELSEWHERE) == 204

    prover.prove()

    assert tenant().base_url == ELSEWHERE


def test_t4_replayed_install_of_a_site_that_waits_is_not_let_in_beside_it(
    caller: Caller, runtime: Runtime, tenant: Read
) -> None:
    """Attack: his secret opens the door, and the site's own answers for him."""
    own = caller.jira.site.shared_secret
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Tenant).values(state=State.PENDING))
    caller.later(seconds=1)
    assert caller.install(sharedSecret=NEW) == 204
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Tenant).values(state=State.ACTIVE))

    assert tenant().state is State.ACTIVE
    assert is_accepted(caller, NEW)
    assert not is_accepted(caller, own)


def test_t4_proof_of_one_candidate_promotes_no_newer_one(
    caller: Caller, prover: Prover, wire: Wire, events: Events
) -> None:
    """Attack: a proof is under way when another install, replayed, takes its place."""
    rotate(caller)
    taking_its_place = [NEWER]

    def answer(request: Any) -> Response:
        del request
        if taking_its_place:
            caller.later(seconds=1)
            secret = taking_its_place.pop()
            assert caller.install(sharedSecret=secret) == 204
            return WELCOME
        return UNKNOWN

    wire.elsewhere["acme.atlassian.net"] = answer

    prover.prove()

    assert not is_accepted(caller, NEWER)
    assert not is_accepted(caller, NEW)
    assert events("secret-proven") == []
    assert [event["because"] for event in events("secret-dropped")] == [
        "a newer installation came"
    ]


def test_t4_proof_that_was_not_settled_is_made_again(
    caller: Caller, prover: Prover, clock: Clock, runtime: Runtime
) -> None:
    """As after kill -9 between Jira's answer and the promotion."""
    rotate(caller)
    with runtime.sessions.begin() as session:
        assert promoting.take(session, now=clock()) is not None
    prover.prove()
    assert not is_accepted(caller, NEW)

    clock.advance(promoting.WAITS[0])
    prover.prove()

    assert is_accepted(caller, NEW)


def test_t4_two_workers_that_prove_at_once_promote_once(
    caller: Caller, prover: Prover, clock: Clock, wire: Wire, events: Events
) -> None:
    old = rotate(caller)
    beside = [Prover(runtime=prover.runtime)]

    def answer(request: Any) -> Response:
        del request
        if beside:
            clock.advance(promoting.WAITS[0])
            beside.pop().prove()
        return WELCOME

    wire.elsewhere["acme.atlassian.net"] = answer

    prover.prove()

    assert len(events("secret-proven")) == 1
    assert is_accepted(caller, NEW)
    assert is_accepted(caller, old)


def test_t4_uninstall_kills_the_candidate_and_ends_its_calls(
    caller: Caller, prover: Prover, all_runs: Runs, wire: Wire, events: Events
) -> None:
    rotate(caller)
    fire(caller)
    token = caller.install_token("uninstalled")

    assert caller.lifecycle("uninstalled", token, caller.installed()) == 204

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.SECRET_DROPPED)
    assert len(events("secret-dropped")) == 1
    caller.later(seconds=1)
    wire.sent.clear()
    assert caller.install(sharedSecret=NEWER) == 204
    prover.prove()
    assert wire.sent == []
    assert is_accepted(caller, NEWER)
    assert not is_accepted(caller, NEW)


@pytest.mark.parametrize("secret", ["the old one", NEW])
def test_t4_connect_app_that_comes_back_beside_forge_has_to_be_proven(
    caller: Caller, prover: Prover, clock: Clock, events: Events, secret: str
) -> None:
    """The site is installed all the while; the uninstall killed what Connect had."""
    jira, old = caller.jira, caller.jira.site.shared_secret
    [answer] = jira.forge.install()
    assert answer.is_good
    jira.uninstall()
    clock.advance(timedelta(seconds=1))
    wanted = old if secret != NEW else NEW
    assert caller.install(sharedSecret=wanted) == 204
    assert not is_accepted(caller, wanted)

    jira.site.shared_secret, jira.site.installed = wanted, True
    prover.prove()

    assert is_accepted(caller, wanted)
    assert wanted == old or not is_accepted(caller, old)
    assert [event["grace_minutes"] for event in events("secret-proven")] == [0]


def test_t4_install_sent_again_keeps_what_is_stored(
    caller: Caller, prover: Prover, worker: Worker, all_runs: Runs
) -> None:
    """Jira believes that its install was lost, and sends it again."""
    rotate(caller)
    fire(caller)
    assert caller.install() == 204

    prover.prove()
    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]


def test_install_with_the_secret_that_counts_needs_no_proof(
    caller: Caller, prover: Prover, wire: Wire, events: Events, tenant: Read
) -> None:
    """As with every new version of the descriptor. Nobody else knows that secret."""
    assert caller.install(sharedSecret=NEW) == 204
    caller.later(seconds=1)
    wire.sent.clear()

    assert caller.install(displayUrl="https://jira.acme.example") == 204
    prover.prove()

    assert wire.sent == []
    assert tenant().display_url == "https://jira.acme.example"
    assert [e["secret_generation"] for e in events("installed")] == [1, 1]
    assert len(events("secret-dropped")) == 1


def test_run_in_hand_while_jira_goes_over_to_its_new_secret_goes_on(
    caller: Caller, worker: Worker, all_runs: Runs, events: Events
) -> None:
    """It answers 401 to the current one: the candidate is tried where we know it."""
    fire(caller)
    rotate(caller)

    worker.drain()

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
    assert events("secret-proven") == []


def test_t4_pending_site_is_not_called(
    caller: Caller, prover: Prover, runtime: Runtime, wire: Wire, tenant: Read
) -> None:
    rotate(caller)
    with runtime.sessions.begin() as session:
        session.get_one(Tenant, tenant().id).state = State.PENDING
    wire.sent.clear()

    prover.prove()

    assert wire.sent == []
    with runtime.sessions.begin() as session:
        session.get_one(Tenant, tenant().id).state = State.ACTIVE
    prover.prove()
    assert is_accepted(caller, NEW)


def test_t4_stored_call_keeps_no_delivery_waiting(
    caller: Caller, placed: Rule, runtime: Runtime, all_runs: Runs, clock: Clock
) -> None:
    """Attack: it names a destination, and others would wait their turn behind it."""
    destination = uuid.UUID(int=7)
    caller.jira.remove_post_function(placed.id)
    step = {"do": "deliver", "destination": f"d_{destination.hex}", "inputs": {}}
    caller.jira.add_post_function(START, rule(step))
    assert caller.install(sharedSecret=NEW) == 204
    fire(caller, secret=NEW)
    fire(caller)
    stored, own = all_runs()
    assert (stored.due_at, own.state) == (None, RunState.RECEIVED)

    with runtime.sessions.begin() as session:
        claim = runs.claim(session, now=clock())
        assert claim is not None
        assert claim.run_id == own.id
        assert not runs.is_behind(session, claim, destination)


def test_t4_stored_call_keeps_no_ticket_in_its_hold(
    caller: Caller, runtime: Runtime, tenant: Read
) -> None:
    """Attack: the watchdog would leave a ticket alone, for a run that never runs."""
    assert caller.install(sharedSecret=NEW) == 204
    fire(caller, secret=NEW)
    with runtime.sessions.begin() as session:
        jira = open_jira(session, runtime, tenant().id)
    issue = jira.issue(caller.jira.issue("DEMO-1").id)
    assert issue.arrival is not None
    about = held.Held(issue=issue, arrival=issue.arrival)

    with runtime.sessions.begin() as session:
        assert judging.past(session, tenant().id, about) == []


def test_candidate_says_what_it_waits_for(
    caller: Caller, prover: Prover, runtime: Runtime
) -> None:
    old = rotate(caller)
    caller.jira.site.shared_secret = old
    fire(caller, secret=NEW)
    prover.prove()

    keys = page(caller, "keys")
    overview = page(caller, "overview")

    assert "To be proven" in keys
    assert "Our last call: Jira answered 401." in keys
    assert "1 call that it signed is stored" in keys
    assert NEW not in keys + overview
    assert "An install brought a new secret, which is not proven yet." in overview
    assert 'id="next" class="button button-primary" href="#/keys"' in overview

    caller.later(hours=1)
    prover.prove()
    assert ">Dropped<" in page(caller, "keys")
    overview = page(caller, "overview")
    assert "An install brought a new secret that Jira never answered to." in overview
    assert f'href="{SITE}/plugins/servlet/upm"' in overview
    caller.later(hours=25)
    assert "never answered to" not in page(caller, "overview")
    with runtime.sessions.begin() as session:
        assert session.scalar(sa.select(SecretCandidate.doubt)) is not None


def page(caller: Caller, name: str) -> str:
    answer = caller.send("GET", f"/api/v1/pages/{name}", token=caller.context())
    assert answer.status == 200, answer
    return answer.body.decode()
