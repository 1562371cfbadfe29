"""A database that cannot: 503, nothing half done, and over by itself."""

import contextlib
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import db
from app.audit import AuditEvent, Kind
from app.patience import Patience
from app.runs import Run, RunState
from app.runtime import Runtime, utc_now
from app.tenants import Tenant
from app.web import left_out
from app.web.context import KEY
from app.worker import Worker, loop
from sandbox import Jira
from tests import lending
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock
from tests.functional.test_triggered import PATH, START, body

Sessions = sessionmaker[Session]
Trouble = Callable[[Sessions, list[str]], AbstractContextManager[None]]
UNAVAILABLE = b'{"error":"unavailable"}\n'


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def told(sessions: Sessions) -> Iterator[list[str]]:
    """What the database is told as each transaction begins: at first, nothing."""
    engine, statements = sessions.kw["bind"], list[str]()

    def tell(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    sa.event.listen(engine, "begin", tell)
    yield statements
    sa.event.remove(engine, "begin", tell)


@contextmanager
def telling(sessions: Sessions, told: list[str], statement: str) -> Iterator[None]:
    told.append(statement)
    try:
        yield
    finally:
        told.clear()
        sessions.kw["bind"].dispose()


DISK_FULL = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT ON audit_event EXECUTE FUNCTION no_room()
"""


@contextmanager
def full(sessions: Sessions, told: list[str]) -> Iterator[None]:
    """No room for one row more: SQLite's own limit, PostgreSQL's own error."""
    if sessions.kw["bind"].dialect.name == "postgresql":
        with sessions.begin() as session:
            session.execute(sa.text(DISK_FULL))
        yield
        with sessions.begin() as session:
            session.execute(sa.text("DROP FUNCTION no_room CASCADE"))
        return
    with sessions.begin() as session:
        pages = session.scalar(sa.text("PRAGMA page_count"))
    with telling(sessions, told, f"PRAGMA max_page_count = {pages}"):
        for size in (100_000, 5_000, 500, 20):
            with contextlib.suppress(sa.exc.OperationalError):
                while True:
                    fill(sessions, size)
        yield


def fill(sessions: Sessions, size: int) -> None:
    row = {
        "id": uuid.uuid4(),
        "kind": "filling",
        "actor": "test",
        "happened_at": utc_now(),
        "detail": secrets.token_hex(size // 2),
    }
    with sessions.begin() as session:
        session.execute(sa.insert(AuditEvent).values(row))


@contextmanager
def read_only(sessions: Sessions, told: list[str]) -> Iterator[None]:
    """A replica, or a file that only reads."""
    is_sqlite = sessions.kw["bind"].dialect.name == "sqlite"
    on_postgresql = "SET TRANSACTION READ ONLY"
    statement = "PRAGMA query_only = ON" if is_sqlite else on_postgresql
    with telling(sessions, told, statement):
        yield


def written(sessions: Sessions) -> Counter[str]:
    """Count what is there, of all that a call may write."""
    with sessions.begin() as session:
        kinds = session.scalars(sa.select(AuditEvent.kind))
        found = Counter(kind for kind in kinds if kind != "filling")
        for table in (Run, Tenant):
            counted = sa.select(sa.func.count(table.id))
            found[table.__name__] = session.scalar(counted) or 0
    return found


TROUBLES = pytest.mark.parametrize("trouble", [full, read_only])


@TROUBLES
def test_call_gets_503_and_leaves_nothing_until_it_is_over(
    caller: Caller, site: Jira, sessions: Sessions, told: list[str], trouble: Trouble
) -> None:
    token, gone = caller.url_bound("POST", PATH), caller.install_token("uninstalled")
    assert caller.send("GET", "/readyz").status == 200
    before = written(sessions)
    with trouble(sessions, told):
        for path, signed, sent in (
            (PATH, token, body(site)),
            ("/lifecycle/uninstalled", gone, caller.installed()),
        ):
            answer = caller.send("POST", path, token=signed, body=sent)
            assert (answer.status, answer.body) == (503, UNAVAILABLE)
            assert answer.headers["Retry-After"] == "10"
        assert caller.send("GET", "/readyz").status == 503
        assert caller.send("GET", "/healthz").status == 200

    assert caller.send("GET", "/readyz").status == 200
    assert written(sessions) == before
    again = caller.send("POST", PATH, token=token, body=body(site))
    assert (again.status, written(sessions)["Run"]) == (204, 1)


@TROUBLES
def test_worker_waits_and_goes_on_by_itself(
    site: Jira,
    worker: Worker,
    sessions: Sessions,
    clock: Clock,
    all_runs: Callable[[], list[Run]],
    told: list[str],
    trouble: Trouble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.add_post_function(START, rule())
    site.set_status("DEMO-1", "To Do")
    site.transition("DEMO-1", START)
    site.deliver_pending()
    monkeypatch.setattr(loop, "SWEEP_SECONDS", 0.01)
    thread = threading.Thread(target=worker.run)
    with trouble(sessions, told):
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()

    clock.advance(timedelta(seconds=61))  # it may have been claimed, and got no further
    deadline = time.monotonic() + 20
    while all_runs()[0].finished_at is None and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.stop.set()
    thread.join(20)
    assert all_runs()[0].state is RunState.SUCCEEDED


def test_t0c_refused_token_is_refused_though_it_cannot_be_written_down(
    caller: Caller, sessions: Sessions, told: list[str], app: Flask
) -> None:
    """Else whoever signs nothing would be told to come again, and Forge would."""
    caller.send("GET", "/readyz")
    with full(sessions, told):
        for token in ("", caller.url_bound("POST", PATH, secret="x" * 40)):
            answer = caller.send("POST", PATH, token=token, body={})
            assert (answer.status, answer.body) == (
                401,
                b'{"error":"unauthorized"}\n',
            )
        assert caller.send("GET", "/readyz").status == 503

    caller.later(minutes=1)
    left_out.write(app.extensions[KEY], now=caller.clock())
    with sessions.begin() as session:
        kinds = session.scalars(sa.select(AuditEvent.kind)).all()
    assert kinds.count(Kind.REFUSALS_LEFT_OUT) == 2


# --- what takes too long


@pytest.fixture
def impatient(runtime: Runtime, database_url: str) -> Iterator[Runtime]:
    """A process that waits a second for another one's transaction."""
    sessions = db.make_sessions(database_url, Patience(lock=1, statement=1))
    yield replace(runtime, sessions=sessions)
    sessions.kw["bind"].dispose()


def test_lock_that_is_held_costs_a_second_and_is_503(
    caller: Caller, site: Jira, sessions: Sessions, impatient: Runtime
) -> None:
    caller.app = lending.addon(impatient)
    token = caller.url_bound("POST", PATH)
    with sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(sa.text("LOCK TABLE run IN ACCESS EXCLUSIVE MODE"))
        session.connection()  # SQLite's writer
        begun = time.monotonic()
        held = caller.send("POST", PATH, token=token, body=body(site))
        took = time.monotonic() - begun

    assert (held.status, held.headers["Retry-After"]) == (503, "10")
    assert 0.9 < took < 5
    assert caller.send("POST", PATH, token=token, body=body(site)).status == 204
    assert written(sessions)["Run"] == 1


def test_statement_that_takes_too_long_is_ended_and_the_connection_goes_on(
    impatient: Runtime,
) -> None:
    if impatient.sessions.kw["bind"].dialect.name == "sqlite":
        return  # it knows no such limit
    with pytest.raises(sa.exc.OperationalError), impatient.sessions.begin() as session:
        session.execute(sa.text("SELECT pg_sleep(20)"))
    with impatient.sessions.begin() as session:
        assert session.scalar(sa.text("SELECT 1")) == 1
