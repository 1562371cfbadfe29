"""A destination's page: how its deliveries went lately, and a secret's overlap."""

import re
import threading
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import destinations
from app.http import ForbiddenError, Response, SendError
from app.runs import lately
from app.runtime import Runtime
from app.web.destinations import causes
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Answer, Clock, Wire
from tests.functional.receiving import Desk, open_desk
from tests.functional.test_destinations import API, WHOLE, ask, create, page, problems


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def went(caller: Caller, key: uuid.UUID) -> str:
    """Return the page's part about the last 24 hours."""
    _, _, rest = page(caller, f"/{key}").partition('<h2 id="went-head">')
    return rest.partition("</section>")[0]


def unsent(cause: str) -> SendError:
    return SendError(cause, sent=False)


def test_destination_that_was_never_used_has_no_share(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    ask(caller, "POST", f"{API}/{key}/test")

    said = went(caller, key)

    assert "Nothing was delivered. Test events do not count." in said
    assert "%" not in said
    assert f'href="#/runs?destination={key}"' in said


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (unsent("the name deploy.example was not found"), causes.Cause.NAME),
        (unsent("the name deploy.example took too long"), causes.Cause.NAME),
        (ForbiddenError("it leads to one that is not public"), causes.Cause.FORBIDDEN),
        (ForbiddenError("port 25 is not allowed"), causes.Cause.FORBIDDEN),
        (SendError("SSLError", sent=True), causes.Cause.TLS),
        (unsent("ConnectionError"), causes.Cause.CONNECTION),
        (unsent("ConnectTimeout"), causes.Cause.TIMEOUT),
        (SendError("ReadTimeout", sent=True), causes.Cause.TIMEOUT),
        (SendError("the answer took too long", sent=True), causes.Cause.TIMEOUT),
        (SendError("ConnectionError", sent=True), causes.Cause.BROKEN),
        (Response(status=302), causes.Cause.REDIRECT),
        (Response(status=401), causes.Cause.DENIED),
        (Response(status=404), causes.Cause.CLIENT),
        (Response(status=429), causes.Cause.CLIENT),
        (Response(status=500), causes.Cause.SERVER),
        (Response(status=503), causes.Cause.SERVER),
    ],
)
def test_failed_delivery_is_shown_with_its_cause(
    caller: Caller, desk: Desk, answer: Answer, cause: causes.Cause
) -> None:
    key, _ = desk.set_up()
    desk.receiver.answers = [answer]
    desk.deliver(key)

    said = went(caller, key)

    assert f'<span>{cause}</span> <span class="small">1 time, last' in said
    assert "0 of 1 attempts at delivering were accepted, 0 %" in said
    assert f'href="#/runs/{desk.runs()[0].id}">Last run' in said


def test_share_counts_attempts_of_the_last_day_only(caller: Caller, desk: Desk) -> None:
    key, _ = desk.set_up()
    desk.receiver.answers = [Response(status=404)]
    desk.deliver(key)
    desk.later(hours=24, minutes=1)
    desk.receiver.answers = [Response(status=503)]
    desk.fire()
    desk.worker.drain()
    desk.later(minutes=5)
    desk.fire()
    desk.worker.drain()

    said = went(caller, key)

    assert "2 of 3 attempts at delivering were accepted, 66 %" in said
    assert causes.Cause.SERVER in said
    assert causes.Cause.CLIENT not in said


def test_more_than_were_looked_at_is_said(
    caller: Caller, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = desk.set_up()
    desk.publish(key)
    for place in range(3):
        desk.receiver.answers = [Response(status=404 if place == 0 else 200)]
        desk.fire()
        desk.later(seconds=5)
    assert "2 of 3 attempts" in went(caller, key)
    monkeypatch.setattr(lately, "MOST", 2)
    monkeypatch.setattr(causes, "MOST", 2)

    said = went(caller, key)

    assert "All 2 attempts at delivering were accepted; older ones were not" in said


def test_t5_attempts_of_another_tenant_do_not_count(desk: Desk) -> None:
    key, _ = desk.set_up()
    desk.deliver(key)
    since = desk.clock() - timedelta(days=1)

    with desk.runtime.sessions.begin() as session:
        own = lately.attempts_at(session, desk.tenant_id, key, since=since)
        others = lately.attempts_at(session, uuid.uuid4(), key, since=since)

    assert (len(own), len(others)) == (1, 0)


def test_replaced_webhook_secret_signs_along_and_says_until_when(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller, signing="standard-webhooks")
    path = f"/{created['id']}"
    assert "signs along" not in page(caller, path)
    assert "For a day, both secrets sign every delivery" in page(caller, path)

    ask(caller, "POST", f"{API}{path}/secret")

    shown = page(caller, path)
    assert "Number 1 signs along until" in shown
    assert 'It ends <time datetime="2026-11-24T12:00:00Z" data-relative' in shown
    caller.later(hours=24, seconds=1)
    assert "signs along" not in page(caller, path)
    del desk


def test_replaced_token_secret_signs_what_is_refused_and_the_page_says_so_before(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller, signing="secret")
    path = f"/{created['id']}"

    assert "sent the same delivery once more" in page(caller, path)
    ask(caller, "POST", f"{API}{path}/secret")

    assert "Number 1 signs once more what is answered 401 until" in page(caller, path)
    caller.later(hours=24, seconds=1)
    assert "signs once more" not in page(caller, path)
    del desk


def wait_until_blocked(session: Session, rival: threading.Thread) -> None:
    """Return once the other one waits for what this transaction has written."""
    is_postgres = session.get_bind().dialect.name == "postgresql"
    blocked = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(200):
        rival.join(0.05)
        assert rival.is_alive()
        # SQLite has one writer at a time: it waits from its first statement on.
        if not is_postgres or session.scalar(blocked):
            return
    raise AssertionError("it never had to wait")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_of_two_who_give_one_name_at_one_moment_the_second_is_told_so(
    caller: Caller, desk: Desk, method: str
) -> None:
    """Both found it free; only the index can tell."""
    path = API if method == "POST" else f"{API}/{create(caller)['id']}"
    taken, change = desk.define(name="Same", signing="secret"), desk.change()
    answers: list[Response] = []
    body = WHOLE | {"name": "Same"}
    rival = threading.Thread(
        target=lambda: answers.append(ask(caller, method, path, body)), daemon=True
    )

    with desk.runtime.sessions.begin() as session:
        destinations.create(session, desk.runtime.keyring, change, taken)
        rival.start()
        wait_until_blocked(session, rival)
    rival.join(20)

    assert problems(answers[0]) == {"name": "another destination is called “Same”"}


def test_list_says_how_long_ago_something_was_accepted(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    desk.deliver(key)

    shown = page(caller)

    assert re.search(r"<dt>Last accepted</dt> <dd><time [^>]*data-relative", shown)
