"""The short way lets in what the long way would, and nothing else (T0, T2, T4, T14)."""

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from flask import Flask

from app import vault
from app.audit import AuditEvent
from app.crypto import Secret
from app.db import new_id
from app.runs import Run
from app.runtime import Runtime
from app.tenants import State, Tenant, TenantIdentity
from app.web.express import lane
from app.web.express.lane import Lane
from app.web.headers import CLOSED
from sandbox import Jira, tokens
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock

PATH = lane.PATH
OTHER = "another-secret-of-more-than-thirty-two-bytes"
Runs = Callable[[], list[Run]]


@dataclass
class Ways:
    """Calls, and which way each went."""

    caller: Caller
    long: int = 0
    """How many went the long way."""

    def call(self, number: int = 0, **changes: Any) -> int:
        token = changes.pop("token", None) or self.caller.url_bound("POST", PATH)
        path = changes.pop("path", PATH)
        method = changes.pop("method", "POST")
        body = changes.pop("body", None) or call_of(number)
        answer = self.caller.send(method, path, token=token, body=body, **changes)
        return answer.status

    def went(self, number: int = 0, **changes: Any) -> tuple[int, str]:
        """Return the answer's status, and which way the call went."""
        before = self.long
        status = self.call(number, **changes)
        return status, "long" if self.long > before else "short"


def call_of(number: int, config: str | None = None) -> dict[str, Any]:
    return {
        "issue": {"id": str(10_000 + number), "key": f"DEMO-{number}"},
        "transition": {
            "workflowName": "DEMO: Delivery workflow",
            "transitionId": 11,
            "transitionName": "Start progress",
            "from_status": "To Do",
            "to_status": "In Progress",
        },
        "configuration": {"value": rule() if config is None else config},
    }


@pytest.fixture
def ways(app: Flask, site: Jira, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Ways:
    """A site that called a moment ago, so that the short way knows it."""
    made = Ways(caller=Caller(app=app, jira=site, clock=clock))
    short: Any = app.wsgi_app
    assert isinstance(short, Lane)
    whole = short.long_way

    def long_way(*given: Any) -> Any:
        made.long += 1
        return whole(*given)

    monkeypatch.setattr(short, "long_way", long_way)
    assert made.went(999) == (204, "long")
    return made


@pytest.fixture
def told(runtime: Runtime) -> Callable[[], list[dict[str, Any]]]:
    """Read what the history has of verifications, the oldest first."""

    def read() -> list[dict[str, Any]]:
        with runtime.sessions.begin() as session:
            wanted = sa.select(AuditEvent).where(AuditEvent.kind.like("verification-%"))
            found = session.scalars(wanted.order_by(AuditEvent.id)).all()
            return [
                {**event.facts, "kind": event.kind, "actor": event.actor}
                for event in found
            ]

    return read


def test_both_ways_leave_the_same_behind(
    ways: Ways, all_runs: Runs, told: Callable[[], list[dict[str, Any]]]
) -> None:
    assert ways.went(1, X_Atlassian_Webhook_Identifier="w-1") == (204, "short")
    ways.caller.app.extensions["countersign"].remembered.forget(
        ways.caller.jira.site.client_key
    )
    assert ways.went(2, X_Atlassian_Webhook_Identifier="w-2") == (204, "long")

    _, short, long = ({**vars(run)} for run in all_runs())
    of_one = {"id", "issue_id", "call_hash", "webhook_id", "_sa_instance_state"}
    assert short["issue_id"], short["webhook_id"] == ("10001", "w-1")
    assert {k: v for k, v in short.items() if k not in of_one} == {
        k: v for k, v in long.items() if k not in of_one
    }
    _, one, other = told()
    assert one.pop("run") == str(short["id"])
    assert other.pop("run") == str(long["id"])
    assert one == other


def test_short_way_answers_with_the_same_headers(ways: Ways) -> None:
    token = ways.caller.url_bound("POST", PATH)
    short, long = (
        ways.caller.send("POST", PATH, token=token, body=call_of(1)) for _ in range(2)
    )

    assert (short.status, long.status) == (204, 204)
    assert ways.long == 2  # the first of all, and the duplicate
    kind = "Content-Type"  # of no content
    told = {name: v for name, v in long.headers.items() if name != kind}
    assert short.headers == told | CLOSED


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"path": PATH + "?a=1"}, 401),
        ({"path": PATH + "/"}, 204),  # which is hashed as the same address
        ({"path": "//post-function/triggered"}, 404),
        ({"path": "/post-function/%74riggered"}, 401),
        ({"path": PATH + "?jwt=x"}, 401),
        ({"method": "PUT"}, 405),
        ({"token": "x.y.z"}, 401),
        ({"body": b"[]"}, 400),
        ({"body": b"{"}, 400),
        ({"body": call_of(1) | {"issue": {"id": "x"}}}, 400),
        ({"body": call_of(1, "\x00")}, 400),
        ({"body": call_of(1) | {"transition": 7}}, 400),
    ],
)
def test_t0_what_is_not_plainly_in_order_is_judged_the_long_way(
    ways: Ways, all_runs: Runs, change: dict[str, Any], status: int
) -> None:
    assert ways.went(**change) == (status, "long")
    assert len(all_runs()) == (2 if status == 204 else 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"qsh": "0" * 64},
        {"qsh": "context-qsh"},
        {"exp": 1},
        {"exp": 10**400},
        {"iat": None},
        {"exp": None},
        {"secret": OTHER},
        {"iss": "nobody"},
    ],
)
def test_t0_token_that_the_long_way_refuses_is_refused(
    ways: Ways, all_runs: Runs, changes: dict[str, Any]
) -> None:
    token = ways.caller.url_bound("POST", PATH, **changes)

    assert ways.went(token=token) == (401, "long")
    assert len(all_runs()) == 1


def test_t2_forty_calls_at_once_are_forty_runs_and_none_more(
    ways: Ways, all_runs: Runs
) -> None:
    """20 issues x 2 rules in one frozen second, by eight threads; and once more."""
    rules = [rule(), rule(name="Another")]
    token = ways.caller.url_bound("POST", PATH)
    bodies = [call_of(number, each) for number in range(20) for each in rules]

    def all_at_once() -> list[int]:
        with ThreadPoolExecutor(8) as threads:
            sent = [threads.submit(ways.call, token=token, body=b) for b in bodies]
            return [each.result(60) for each in sent]

    assert all_at_once() == [204] * 40
    assert len(all_runs()) == 41
    assert all_at_once() == [204] * 40
    assert len(all_runs()) == 41


def test_t2_same_call_twice_in_one_transaction_is_one_run(
    ways: Ways, all_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait while a third is written, and are then written together."""
    short: Any = ways.caller.app.wsgi_app
    together = short.together
    begun, free = threading.Event(), threading.Event()
    write = together.write

    def slow(items: Any) -> Any:
        begun.set()
        assert free.wait(30)
        return write(items)

    monkeypatch.setattr(together, "write", slow)
    token, before = ways.caller.url_bound("POST", PATH), ways.long
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(ways.call, 1, token=token)
        assert begun.wait(30)
        twins = [threads.submit(ways.call, 2, token=token) for _ in range(2)]
        while together.waiting() < 2:
            begun.wait(0.001)
        free.set()
        assert [each.result(60) for each in (first, *twins)] == [204, 204, 204]

    assert sorted(run.issue_id for run in all_runs()) == ["10001", "10002", "10999"]
    assert ways.long - before == 1  # one of the twins is counted as a duplicate


def change_tenant(runtime: Runtime, **values: Any) -> None:
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Tenant).values(**values))


def end_name(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        session.execute(sa.update(TenantIdentity).values(ended_at=runtime.now()))


def revoke(runtime: Runtime) -> None:
    """Let the secret that signs end now, and another count."""
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        owner, keyring = tenant.shared_secret, runtime.keyring
        vault.put(session, keyring, owner, Secret(OTHER), now=runtime.now())


def begin_anew(runtime: Runtime) -> None:
    """Forget every secret; the next one has the generation that the first had."""
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        owner, keyring = tenant.shared_secret, runtime.keyring
        vault.forget(session, owner)
        assert vault.put(session, keyring, owner, Secret(OTHER), now=runtime.now()) == 1


@pytest.mark.parametrize(
    "end",
    [
        lambda runtime: change_tenant(runtime, state=State.UNINSTALLED),
        lambda runtime: change_tenant(runtime, state=State.SUPERSEDED),
        lambda runtime: change_tenant(runtime, state=State.PENDING),
        end_name,
        revoke,
        begin_anew,
    ],
    ids=["uninstalled", "superseded", "pending", "renamed", "revoked", "begun-anew"],
)
def test_t4_what_is_remembered_lets_in_nobody_who_may_call_no_more(
    ways: Ways, runtime: Runtime, all_runs: Runs, end: Callable[[Runtime], None]
) -> None:
    """Attack: the process let this secret in a moment ago, and does not look again."""
    assert ways.went(1) == (204, "short")

    end(runtime)

    assert ways.went(2) == (401, "long")
    assert [run.issue_id for run in all_runs()] == ["10999", "10001"]


def test_t4_secret_in_its_grace_opens_until_that_is_over(
    ways: Ways, runtime: Runtime, clock: Clock
) -> None:
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        owner, now = tenant.shared_secret, runtime.now()
        grace = timedelta(seconds=90)
        vault.put(session, runtime.keyring, owner, Secret(OTHER), now=now, grace=grace)

    assert ways.went(1) == (204, "short")
    clock.advance(timedelta(seconds=91))
    assert ways.went(2) == (401, "long")


def test_t5_one_tenants_secret_opens_no_other(
    ways: Ways, runtime: Runtime, all_runs: Runs
) -> None:
    """Attack: an entry of one tenant, a token that says it is from another."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        other = Tenant(
            id=new_id(now),
            state=State.ACTIVE,
            base_url="https://other.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        session.add(other)
        session.flush()
        session.add(
            TenantIdentity(
                id=uuid.uuid4(), tenant_id=other.id, door="connect", external_id="other"
            )
        )
        owner = other.shared_secret
        vault.put(session, runtime.keyring, owner, Secret(OTHER), now=now)
        other_id = other.id
    theirs = tokens.sign(ways.caller.claims("POST", PATH, iss="other"), OTHER)
    forged = ways.caller.url_bound("POST", PATH, iss="other")

    assert ways.went(1, token=theirs) == (204, "long")
    assert ways.went(2, token=theirs) == (204, "short")
    assert ways.went(3, token=forged) == (401, "long")
    assert ways.went(4) == (204, "short")
    assert [run.tenant_id == other_id for run in all_runs()] == [
        False,
        True,
        True,
        False,
    ]


class Events(NamedTuple):
    """Events that cannot be written."""

    insert: Callable[..., None]


def test_database_that_fails_is_503_and_nothing_is_half_done(
    ways: Ways, all_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the events are written, behind the runs."""

    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr("app.audit.record", full)
        patched.setattr("app.audit.prepare", lambda *_, **__: Events(full))
        assert ways.went(1) == (503, "long")
    assert len(all_runs()) == 1

    assert ways.went(1) == (204, "short")


def test_server_that_was_begun_anew_costs_no_call(
    ways: Ways, runtime: Runtime, all_runs: Runs
) -> None:
    """What records asks no connection whether it is there; the long way does."""
    if runtime.recording.dialect.name == "sqlite":
        return  # a file is where it was
    assert ways.went(1) == (204, "short")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    these = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with runtime.sessions.begin() as session:
        session.execute(sa.text(f"{others} {these}"))

    assert ways.went(2) == (204, "long")
    assert ways.went(3) == (204, "short")
    assert len(all_runs()) == 4


def test_t5_call_that_breaks_the_writing_breaks_no_others(
    ways: Ways, all_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a tenant finds what cannot be written, and another one writes it."""

    def broken(*_: object, **__: object) -> None:
        raise LookupError("of another's call")

    monkeypatch.setattr("app.audit.prepare", lambda *_, **__: Events(broken))

    assert ways.went(1) == (204, "long")
    assert [run.issue_id for run in all_runs()] == ["10999", "10001"]


def test_what_breaks_the_counting_costs_no_answer(
    ways: Ways, all_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded by then: the long way finds that, and answers."""
    with monkeypatch.context() as patched:
        patched.setattr("app.web.measuring.recorded", lambda *_, **__: 1 / 0)
        assert ways.went(1) == (204, "long")

    assert ways.went(2) == (204, "short")
    assert [run.issue_id for run in all_runs()] == ["10999", "10001", "10002"]


def test_worker_is_woken(ways: Ways) -> None:
    woken = threading.Event()
    ways.caller.app.extensions["countersign"].waker.queue = _Bell(woken)

    assert ways.went(1) == (204, "short")
    assert woken.wait(30)


@dataclass
class _Bell:
    rung: threading.Event

    def wake(self) -> None:
        self.rung.set()


def test_t4_name_that_ends_while_a_call_waits_for_its_tenant_lets_nobody_in(
    ways: Ways, runtime: Runtime, all_runs: Runs
) -> None:
    """Attack: a call arrives in the moment in which a site leaves Connect for Forge.

    Its tenant stays, so the lock on it says nothing of the name that has just ended.
    """
    with ThreadPoolExecutor(1) as threads:
        with runtime.sessions.begin() as session:
            tenant = session.scalars(sa.select(Tenant).with_for_update()).one()
            tenant.lifecycle_at = runtime.now() + timedelta(seconds=1)
            session.execute(sa.update(TenantIdentity).values(ended_at=runtime.now()))
            session.flush()
            waiting = threads.submit(ways.went, 1)
            if session.get_bind().dialect.name == "postgresql":
                wait_for_lock(runtime)  # SQLite has one writer, and nobody looks before
        assert waiting.result(60) == (401, "long")
    assert [run.issue_id for run in all_runs()] == ["10999"]


def test_t4_secret_that_ends_while_a_call_waits_for_its_tenant_opens_no_more(
    ways: Ways, runtime: Runtime, all_runs: Runs, clock: Clock
) -> None:
    """Attack: by the clock as it was before the wait, the secret would count still."""
    with ThreadPoolExecutor(1) as threads:
        with runtime.sessions.begin() as session:
            tenant = session.scalars(sa.select(Tenant).with_for_update()).one()
            waiting = threads.submit(ways.went, 1)
            if session.get_bind().dialect.name == "postgresql":
                wait_for_lock(runtime)
            clock.advance(timedelta(seconds=1))
            owner, keyring = tenant.shared_secret, runtime.keyring
            vault.put(session, keyring, owner, Secret(OTHER), now=clock())
        assert waiting.result(60) == (401, "long")
    assert [run.issue_id for run in all_runs()] == ["10999"]


def wait_for_lock(runtime: Runtime) -> None:
    """Return once somebody waits for a row that another transaction has locked."""
    asked = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(6000):
        with runtime.sessions.begin() as session:
            if session.scalar(asked):
                return
        threading.Event().wait(0.01)
    pytest.fail("nobody waits")


class _Reader:
    """A body of which more and more comes."""

    def __init__(self) -> None:
        self.wanted = 0

    def read(self, size: int = -1) -> bytes:
        self.wanted = size
        return b"{}"


@pytest.mark.parametrize(
    ("length", "is_read"),
    [
        ("0" * 9 + "9" * 12, False),
        ("9" * 5000, False),
        ("000000002", True),
        ("7", True),
    ],
)
def test_length_that_misleads_is_judged_the_long_way(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, length: str, *, is_read: bool
) -> None:
    """Attack: a stranger's length has us keep in memory whatever he sends."""
    short: Any = ways.caller.app.wsgi_app
    handed_on: list[str] = []

    def long_way(environ: dict[str, Any], _: object) -> list[bytes]:
        handed_on.append(environ["CONTENT_LENGTH"])
        return []

    monkeypatch.setattr(short, "long_way", long_way)
    reader = _Reader()
    token = ways.caller.url_bound("POST", PATH)
    environ = {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": PATH,
        "HTTP_AUTHORIZATION": f"JWT {token}",
        "CONTENT_LENGTH": length,
        "wsgi.input": reader,
    }

    short(environ, lambda *_: None)

    assert handed_on == [length]
    assert reader.wanted == (int(length) if is_read else 0)


def test_short_way_is_for_bodies_of_a_usual_size(ways: Ways) -> None:
    body = json.dumps(call_of(1) | {"more": "x" * 2**20}).encode()

    assert ways.went(body=body) == (413, "long")
