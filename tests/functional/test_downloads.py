"""Downloads: who gets a ticket, what it is good for, and what is in the file (T13)."""

import csv
import io
import json
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import tickets
from app.audit import AuditEvent
from app.http import Response
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.tickets import Ticket
from app.web import downloads
from app.web.context import KEY, Web
from app.web.log import exports
from app.web.making import Order
from sandbox import Jira, people
from tests.functional import history as histories
from tests.functional.callers import Caller
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import Clock, call
from tests.functional.history import History

ASK = "/api/v1/downloads"
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def history(runtime: Runtime, site: Jira) -> History:
    return histories.of(runtime, site)


def ask(caller: Caller, user: str = "ada", **body: Any) -> Response:
    sent = json.dumps({"what": "log"} | body).encode()
    return caller.send("POST", ASK, token=caller.context(user), body=sent)


def ticket_for(caller: Caller, **body: Any) -> str:
    answer = ask(caller, **body)
    assert answer.status == 201
    return str(json.loads(answer.body)["ticket"])


def fetch(caller: Caller, ticket: str, method: str = "GET") -> Response:
    """Come with a ticket as a browser does: with an address and nothing else."""
    return call(caller.app, method, f"{BASE_URL}/downloads/{ticket}", {}, b"")


def rows(answer: Response) -> list[dict[str, str]]:
    assert answer.status == 200
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def lines(answer: Response) -> list[dict[str, Any]]:
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.decode().splitlines()]


def places(caller: Caller) -> Web:
    web: Web = caller.app.extensions[KEY]
    return web


def test_log_comes_as_csv_with_the_filters_of_the_page(
    caller: Caller, history: History
) -> None:
    history.add("destination-paused", name="Müller → Söhne", actor="ada")
    history.add("verification-refused", reason="expired", route="triggered.triggered")
    caller.later(seconds=1)
    everything = rows(fetch(caller, ticket_for(caller)))
    refused = rows(fetch(caller, ticket_for(caller, filters={"what": "refused"})))

    assert [row["kind"] for row in everything] == [
        "verification-refused",
        "destination-paused",
    ]
    assert [row["kind"] for row in refused] == ["verification-refused"]
    assert everything[1] == {
        "time": "2026-11-23T12:00:00+00:00",
        "id": everything[1]["id"],
        "kind": "destination-paused",
        "what_happened": "The destination “Müller → Söhne” was paused."
        " Its deliveries wait.",
        "who": "ada",
        "route": "",
        "reason": "",
        "facts": '{"name":"Müller → Söhne"}',
    }


def test_log_comes_as_ndjson_whole(caller: Caller, history: History) -> None:
    text = "two\u2028lines\u0085, \x07 and “quotes”"
    history.add("gate-unsound", because=text, rule="r", workflow="w", transition="t")
    history.add("step-resolved", happened=True, actor="ada")
    caller.later(seconds=1)

    found = lines(fetch(caller, ticket_for(caller, format="ndjson")))

    assert [event["id"] for event in found] == history.ids()[1:]
    assert found[0]["facts"] == {"happened": True}
    assert found[0]["who"] == "ada"
    assert (
        found[1]["facts"]["because"] == "two\\u2028lines\\u0085, \\u0007 and “quotes”"
    )


def test_file_is_saved_and_never_shown(caller: Caller, history: History) -> None:
    history.add("enabled")
    for form, mimetype in (("csv", "text/csv"), ("ndjson", "application/x-ndjson")):
        answer = fetch(caller, ticket_for(caller, format=form))

        headers = answer.headers
        assert headers["Content-Type"] == f"{mimetype}; charset=utf-8"
        name = f"countersign-log-20261123-120000.{form}"
        assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-cache, no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_download_is_in_the_log(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    fetch(caller, ticket_for(caller))

    with runtime.sessions.begin() as session:
        event = session.scalars(sa.select(AuditEvent)).one()
        assert (event.kind, event.actor) == ("exported", people.named("ada").account_id)
        assert event.facts["what"] == "log"
    del history


@pytest.mark.parametrize("start", FORMULAS)
def test_t13_cell_of_a_stranger_is_no_formula(
    caller: Caller, history: History, start: str
) -> None:
    history.add("enabled", actor=start)
    history.add("destination-paused", name=start)
    caller.later(seconds=1)

    found = rows(fetch(caller, ticket_for(caller)))

    for row in found:
        for value in row.values():
            assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert found[1]["who"].startswith("'")


def test_t13_cells_have_no_control_characters_and_an_end() -> None:
    assert exports.cell("a\nb\x1b[31m\x00") == "a\\u000ab\\u001b[31m\\u0000"
    assert exports.cell("\t=1") == "'\\u0009=1"
    assert exports.cell("=" * 9000) == "'" + "=" * exports.CELL_LIMIT


def test_answer_says_where_the_file_is(caller: Caller) -> None:
    answer = json.loads(ask(caller).body)

    # Whole: the page that asks may have been served by somebody else.
    assert answer["url"] == f"{BASE_URL}/downloads/{answer['ticket']}"


def test_ticket_is_good_once(caller: Caller, history: History) -> None:
    ticket = ticket_for(caller)
    never = fetch(caller, "a" * 43)

    assert fetch(caller, ticket).status == 200
    again = fetch(caller, ticket)

    assert (again.status, again.body, again.headers) == (404, never.body, never.headers)
    assert len(history.ids()) == 1


def test_ticket_is_good_for_a_minute(caller: Caller, history: History) -> None:
    early, late = ticket_for(caller), ticket_for(caller)
    never = fetch(caller, "a" * 43)

    caller.later(seconds=59)
    assert fetch(caller, early).status == 200
    caller.later(seconds=1)
    answer = fetch(caller, late)

    assert (answer.status, answer.body) == (404, never.body)
    assert len(history.ids()) == 1


@pytest.mark.parametrize(
    "guess", ["0", "a" * 43, "%00", "%ff", "%F0%9F%8E%AB", "a" * 3000, "..", "'--", "é"]
)
def test_guessed_ticket_is_404_like_any_other_address(
    caller: Caller, history: History, guess: str
) -> None:
    ticket_for(caller)

    answer = fetch(caller, guess)

    nowhere = call(caller.app, "GET", f"{BASE_URL}/nowhere", {}, b"")
    assert (answer.status, answer.body) == (404, nowhere.body)
    assert "Content-Disposition" not in answer.headers
    assert history.ids() == []


def test_what_is_stored_of_a_ticket_is_no_ticket(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    ticket = ticket_for(caller)

    with runtime.sessions.begin() as session:
        row = session.scalars(sa.select(Ticket)).one()
        stored = (row.ticket_hash, str(row.id), row.id.hex, json.dumps(row.wanted))

    assert ticket not in "".join(stored)
    assert len(ticket) >= 43
    for guess in stored[:3]:
        assert fetch(caller, guess).status == 404
    assert fetch(caller, ticket).status == 200
    del history


def test_looking_at_the_address_uses_no_ticket_up(
    caller: Caller, history: History
) -> None:
    ticket = ticket_for(caller)

    for method in ("HEAD", "POST", "OPTIONS", "PUT"):
        assert fetch(caller, ticket, method).status in {405, 200}
    assert history.ids() == []

    assert fetch(caller, ticket).status == 200


def test_two_at_once_with_one_ticket_are_one_download(
    caller: Caller, history: History, runtime: Runtime, clock: Clock
) -> None:
    ticket = ticket_for(caller)

    def redeem(_: int) -> bool:
        with runtime.sessions.begin() as session:
            return tickets.redeem(session, ticket, now=clock()) is not None

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(redeem, range(8)))

    assert sum(won) == 1
    del history


def test_t5_ticket_is_for_the_site_that_got_it(
    caller: Caller, history: History, runtime: Runtime, clock: Clock
) -> None:
    other = histories.of_another(runtime, clock())
    theirs = other.add("enabled")
    mine = history.add("disabled")
    caller.later(seconds=1)
    wanted = {"what": "log", "format": "ndjson", "filters": {}}
    with runtime.sessions.begin() as session:
        foreign = tickets.issue(
            session, other.tenant_id, "eve", wanted, now=runtime.now()
        )

    found = lines(fetch(caller, foreign))
    own = lines(fetch(caller, ticket_for(caller, format="ndjson")))

    assert [event["id"] for event in found] == [str(theirs)]
    assert [event["id"] for event in own] == [str(mine)]
    assert len(other.ids()) == 2  # who took it is in their log
    assert len(history.ids()) == 2


@pytest.mark.parametrize("state", sorted(set(State) - {State.ACTIVE}))
def test_ticket_of_a_site_that_left_is_404(
    caller: Caller, history: History, runtime: Runtime, state: State
) -> None:
    ticket = ticket_for(caller)
    with runtime.sessions.begin() as session:
        session.get_one(Tenant, history.tenant_id).state = state

    assert fetch(caller, ticket).status == 404
    assert history.ids() == []


def test_t10_tickets_are_for_admins_and_asked_live(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    assert ask(caller, "dee").status == 403
    assert caller.send("POST", ASK, body=b"{}").status == 401
    ticket_for(caller)
    with runtime.sessions.begin() as session:
        assert len(session.scalars(sa.select(Ticket)).all()) == 1
    del history


@pytest.mark.parametrize(
    "body",
    [
        {"what": "everything"},
        {"what": None},
        {"what": ["log"]},
        {"format": "xlsx"},
        {"format": 7},
        {"filters": "all"},
        {"filters": {"what": 7}},
        {"filters": {"what": "nonsense"}},
        {"filters": {"from": "yesterday"}},
        {"filters": {"reason": "\x00"}},
    ],
)
def test_what_cannot_be_made_gets_no_ticket(
    caller: Caller, history: History, runtime: Runtime, body: dict[str, Any]
) -> None:
    answer = ask(caller, **body)

    assert answer.status == 400
    assert json.loads(answer.body)["message"]
    with runtime.sessions.begin() as session:
        assert session.scalars(sa.select(Ticket)).all() == []
    del history


def test_ticket_keeps_only_what_means_something(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    ticket_for(caller, filters={"what": "runs", "other": "x" * 5000}, more="y" * 5000)

    with runtime.sessions.begin() as session:
        wanted = session.scalars(sa.select(Ticket.wanted)).one()
    assert wanted == {"what": "log", "format": "csv", "filters": {"what": "runs"}}
    del history


def test_expired_tickets_are_forgotten(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    ticket_for(caller)
    caller.later(seconds=30)
    fresh = ticket_for(caller)
    caller.later(seconds=30)

    with runtime.sessions.begin() as session:
        tickets.delete_expired(session, now=runtime.now())
        assert len(session.scalars(sa.select(Ticket)).all()) == 1
    assert fetch(caller, fresh).status == 200
    del history


def test_busy_server_says_so_and_keeps_the_ticket_good(
    caller: Caller, history: History
) -> None:
    ticket = ticket_for(caller)
    under_way = places(caller).downloads
    others = [uuid.uuid4(), uuid.uuid4()]
    assert all(under_way.take(other) for other in others)

    assert ask(caller).status == 429
    busy = fetch(caller, ticket)
    assert (busy.status, busy.headers["Retry-After"]) == (503, "30")
    under_way.give_back(others[0])

    assert fetch(caller, ticket).status == 200
    del history


def test_one_site_has_one_download_at_a_time(caller: Caller, history: History) -> None:
    first, second = ticket_for(caller), ticket_for(caller)
    environ = {"REQUEST_URI": f"/downloads/{first}"}
    reading = caller.app.test_client().get(
        f"/downloads/{first}", base_url=BASE_URL, environ_base=environ
    )

    assert fetch(caller, second).status == 503
    reading.close()

    assert fetch(caller, second).status == 200
    del history


def test_place_is_given_back_whatever_happens(
    caller: Caller, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Order) -> str:
        raise RuntimeError

    log = downloads.MAKERS["log"]
    ticket = ticket_for(caller)
    with monkeypatch.context() as patched:
        patched.setattr(downloads, "MAKERS", {"log": replaced(log, filename=broken)})
        assert fetch(caller, ticket).status == 500

    assert places(caller).downloads.has_room(history.tenant_id)


def replaced(maker: Any, **changes: Any) -> Any:
    return type(maker)(**(vars(maker) | changes))


def order(runtime: Runtime, history: History, form: str = "csv") -> Order:
    return Order(
        tenant_id=history.tenant_id,
        account_id="ada",
        wanted={"what": "log", "format": form, "filters": {}},
        now=runtime.now(),
    )


def test_file_shows_one_moment(
    runtime: Runtime, history: History, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 10)
    history.add("enabled", times=25)
    before = history.ids()
    clock.advance(timedelta(seconds=1))

    found = []
    for piece in exports.MAKER.stream(runtime, order(runtime, history, "ndjson")):
        found += [json.loads(line)["id"] for line in piece.splitlines()]
        history.add("disabled", times=3)

    assert found == before


def test_nothing_is_locked_while_somebody_reads_slowly(
    runtime: Runtime, history: History, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 10)
    history.add("enabled", times=25)
    clock.advance(timedelta(seconds=1))
    pieces = exports.MAKER.stream(runtime, order(runtime, history))

    next(pieces)
    next(pieces)
    history.add("disabled")  # on SQLite it would wait for the reader, and give up

    assert sum(piece.count("enabled") for piece in pieces) > 0


def test_reader_who_takes_too_long_is_cut_off(runtime: Runtime, clock: Clock) -> None:
    pieces = downloads._in_time(runtime, iter(["a", "", "b", "c"]))  # noqa: SLF001

    assert next(pieces) == b"a"
    assert next(pieces) == b"b"
    clock.advance(downloads.LONGEST + timedelta(seconds=1))
    with pytest.raises(downloads.TooSlowError):
        next(pieces)


def test_eight_thousand_events_need_the_memory_of_a_batch(
    runtime: Runtime, history: History, clock: Clock
) -> None:
    for _ in range(8):
        history.add_many("verification-accepted", 1000, route="triggered.triggered")
    clock.advance(timedelta(seconds=1))
    stream = exports.MAKER.stream(runtime, order(runtime, history))

    tracemalloc.start()
    count = sum(piece.count('"verification-accepted"') for piece in stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 8_000
    assert peak < 8_000_000  # all of them at once are twice as much
