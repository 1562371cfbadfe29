"""The verification log: what it shows of a site's history, and of nobody else's."""

import html
import json
import re
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit
from app.audit import KINDS_OF, AuditEvent, Group, Kind, Wanted
from app.runtime import Runtime
from app.web.log import event_kinds, event_words, log_filters
from app.worker import Worker
from sandbox import Jira, people
from tests.functional import history as histories
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock
from tests.functional.history import History
from tests.functional.opening import carried_out

LOG = "/api/v1/pages/log"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def history(runtime: Runtime, site: Jira) -> History:
    return histories.of(runtime, site)


def page(caller: Caller, query: str = "", **filters: str) -> str:
    query = query or urlencode(filters)
    path = f"{LOG}?{query}" if query else LOG
    answer = caller.send("GET", path, token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def shown(text: str) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', text)


def names(text: str) -> list[str]:
    table = text.partition("<tbody")[2].partition("</tbody>")[0]
    return re.findall(r'class="lozenge[^"]*">([^<]*)<', table)


def older(text: str) -> str:
    found = re.search(r'id="older" href="#/log\?([^"]*)"', text)
    return html.unescape(found[1]) if found else ""


def pages(caller: Caller, **filters: str) -> list[str]:
    """Return every page, from the newest to the last."""
    found = [page(caller, **filters)]
    while query := older(found[-1]):
        found.append(page(caller, query))
    return found


def test_log_tells_of_a_transition_in_sentences(
    caller: Caller, history: History, worker: Worker
) -> None:
    carried_out(caller, worker, rule())

    text = page(caller)

    assert names(text) == ["Run succeeded", "Verified"]
    assert "A transition's call was verified, signed with shared secret number 1." in (
        html.unescape(text)
    )
    assert shown(text) == history.ids()
    assert re.search(r'href="#/runs/[0-9a-f-]{36}">Open the run', text)
    assert 'id="live" data-one="new event"' in text


def test_every_kind_is_shown_with_its_words(caller: Caller, history: History) -> None:
    for kind in Kind:
        history.add(kind)

    whole = pages(caller)

    found = [name for each in whole for name in names(each)]
    assert sorted(found) == sorted(t.name for t in event_kinds.KINDS.values())
    assert event_words.UNKNOWN not in "".join(whole)


def test_kind_of_an_older_version_is_shown_by_its_name(
    caller: Caller, history: History, runtime: Runtime
) -> None:
    history.add("enabled")
    with runtime.sessions.begin() as session:
        session.execute(sa.update(AuditEvent).values(kind="long-forgotten"))

    text = page(caller)

    assert names(text) == ["long-forgotten"]
    assert event_words.UNKNOWN in text


def test_kind_without_words_cannot_be_recorded(history: History) -> None:
    with pytest.raises(ValueError, match="nobody-knows"):
        history.add("nobody-knows")


@pytest.mark.parametrize("group", list(Group))
def test_groups_find_their_kinds_and_no_others(
    caller: Caller, history: History, group: Group
) -> None:
    for kind in Kind:
        history.add(kind)

    found = [name for each in pages(caller, what=group) for name in names(each)]

    expected = [event_kinds.KINDS[kind].name for kind in KINDS_OF[group]]
    assert sorted(found) == sorted(expected)


def test_every_kind_is_in_exactly_one_group() -> None:
    sorted_into = [kind for kinds in KINDS_OF.values() for kind in kinds]

    assert sorted(sorted_into) == sorted(Kind)
    assert set(log_filters.GROUPS) == set(Group)


def refused(history: History, reason: str, route: str, **detail: Any) -> str:
    kind = "verification-refused"
    return str(history.add(kind, reason=reason, route=route, **detail))


def test_reason_and_route_find_exactly_theirs(caller: Caller, history: History) -> None:
    late = refused(history, "expired", "triggered.triggered")
    other = refused(history, "wrong-qsh", "triggered.triggered")
    opened = refused(history, "expired", "pages.shell")
    ours = refused(history, "expired", "api.rule_editor")
    history.add("delivery-refused", reason="expired")

    assert shown(page(caller, reason="expired")) == [ours, opened, late]
    assert shown(page(caller, route="triggered.triggered")) == [other, late]
    assert shown(page(caller, route="ours")) == [ours]
    assert shown(page(caller, reason="expired", route="pages.shell")) == [opened]
    assert shown(page(caller, what="accepted", reason="expired")) == []


def test_t13_value_of_a_stranger_cannot_pass_for_a_reason(
    caller: Caller, history: History
) -> None:
    forged = '","reason":"expired","route":"pages.shell'
    refused(history, "wrong-audience", "triggered.triggered", detail=forged)

    assert shown(page(caller, reason="expired")) == []
    assert shown(page(caller, route="pages.shell")) == []


def test_period_begins_and_ends_where_it_says(caller: Caller, history: History) -> None:
    times = []
    for _ in range(3):
        times.append(caller.clock())
        history.add("enabled")
        caller.later(minutes=40)
    newest, middle, oldest = history.ids()

    between = {"from": times[1].isoformat(), "to": times[2].isoformat()}
    text = page(caller, **between)
    assert shown(text) == [middle]
    assert 'id="any-time" href="#/log"' in text
    assert shown(page(caller, to=times[1].isoformat())) == [oldest]
    assert shown(page(caller, query="from=2026-11-23T12:40:00Z")) == [newest, middle]
    assert shown(page(caller, period="1h")) == [newest]
    assert shown(page(caller, period="24h")) == [newest, middle, oldest]


@pytest.mark.parametrize(
    "query",
    [
        "what=everything",
        "what=%00",
        "reason=late",
        "reason=%25",
        "route=_",
        "period=forever",
        "from=yesterday",
        "to=0001-01-01T00:00:00-23:59",
        "from=9999-12-31T23:59:59-23:59",
        "from=2026-11-23T12:00:00%2B99:00",
        "what=" + "a" * 2000,
    ],
)
def test_filter_that_means_nothing_matches_nothing_and_says_so(
    caller: Caller, history: History, query: str
) -> None:
    history.add("enabled")

    text = page(caller, query)

    assert shown(text) == []
    assert "so nothing matches it." in text
    assert 'href="#/log">Show every event' in text
    assert "Download CSV" not in text


def test_empty_states_tell_never_from_not_found(
    caller: Caller, history: History
) -> None:
    assert "Nothing yet" in page(caller)
    history.add("enabled")
    text = page(caller, what="refused")
    assert "No event matches these filters." in text
    assert "Nothing yet" not in text


def test_pages_lose_and_repeat_nothing_while_new_events_arrive(
    caller: Caller, history: History
) -> None:
    history.add("enabled", times=120)
    wanted = history.ids()
    text, found = page(caller), []

    while True:
        found += shown(text)
        if not older(text):
            break
        history.add("disabled", times=7)
        text = page(caller, older(text))
        assert 'id="live"' not in text
        assert 'id="newest" href="#/log"' in text

    assert found == wanted


def test_older_pages_keep_the_filters(caller: Caller, history: History) -> None:
    for _ in range(60):
        history.add("enabled")
        history.add("disabled")

    first = page(caller, what="enabled")
    second = page(caller, older(first))

    assert names(first) + names(second) == ["Enabled"] * 60
    assert 'id="newest" href="#/log?what=enabled"' in second


def test_rare_reason_is_looked_for_further_back(
    caller: Caller, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.reading.CANDIDATES", 10)
    wanted = refused(history, "wrong-qsh", "pages.shell")
    history.add("verification-refused", times=14, reason="expired", route="pages.shell")

    first = page(caller, reason="wrong-qsh")
    assert shown(first) == []
    assert "Looked through 10 events." in first
    assert "None of the events looked through matches." in first
    second = page(caller, older(first))

    assert shown(second) == [wanted]
    assert "Looked through" not in second


def test_facts_of_an_event_are_all_shown(caller: Caller, history: History) -> None:
    run = uuid.uuid4()
    event = history.add(
        "ticket-rescued", run=str(run), issue="DEMO-1", rule="<b>", why="deadline"
    )

    answer = caller.send("GET", f"{LOG}/{event}", token=caller.context())

    text = re.sub(r"\s+", " ", answer.body.decode())
    assert f'<a href="#/runs/{run}">{run}</a>' in text
    assert "<dd>DEMO-1</dd>" in text
    assert "&lt;b&gt;" in text
    assert "The issue was still held when its deadline was over." in html.unescape(text)
    assert "<code>ticket-rescued</code>" in text


def test_t5_events_of_others_and_of_nobody_are_not_there(
    caller: Caller, history: History, runtime: Runtime, clock: Clock
) -> None:
    other = histories.of_another(runtime, clock())
    theirs = other.add("enabled")
    with runtime.sessions.begin() as session:
        issuer = caller.jira.site.client_key
        audit.record_unproven(
            session, claimed_issuer=issuer, now=clock(), reason="expired"
        )
        nobodys = session.scalars(
            sa.select(AuditEvent.id).where(AuditEvent.tenant_id.is_(None))
        ).one()
    mine = history.add("disabled")

    assert shown(page(caller)) == [str(mine)]
    assert shown(page(caller, what="enabled")) == []
    made_up = caller.send("GET", f"{LOG}/{uuid.uuid4()}", token=caller.context())
    for each in (theirs, nobodys):
        answer = caller.send("GET", f"{LOG}/{each}", token=caller.context())
        assert (answer.status, answer.body) == (404, made_up.body)


def test_t13_claims_of_strangers_are_counted_and_kept_apart(
    caller: Caller, history: History
) -> None:
    issuer = caller.jira.site.client_key
    for _ in range(12):
        path = "/post-function/triggered"
        token = caller.url_bound("POST", path, secret="x" * 40, iss=issuer)
        caller.send("POST", path, token=token, body={})

    text = page(caller)

    assert shown(text) == history.ids() == []
    assert "12 refused calls claimed to be from this site." in text
    assert text.count(">Claimed</span>") == 10
    assert "signature is not that of who it claims" in html.unescape(text)


def test_t10_log_is_for_admins(caller: Caller, history: History) -> None:
    event = history.add("enabled")

    for path in (LOG, f"{LOG}/{event}"):
        answer = caller.send("GET", path, token=caller.context("dee"))
        assert answer.status == 403
    assert page(caller, what="people").count("Not permitted</span>") == 2
    assert people.named("dee").account_id in page(caller, what="people")


def test_buttons_ask_for_what_the_filters_find(
    caller: Caller, history: History
) -> None:
    history.add("enabled")

    text = page(caller, what="changes", period="7d")

    bodies = re.findall(r"data-body='([^']*)'", text)
    assert [json.loads(html.unescape(body)) for body in bodies] == [
        {
            "what": "log",
            "format": form,
            "filters": {"what": "changes", "period": "7d"},
        }
        for form in ("csv", "ndjson")
    ]


def test_period_is_a_range_of_ids_to_the_millisecond(
    history: History, runtime: Runtime, clock: Clock
) -> None:
    start = clock()
    history.add("enabled")
    clock.advance(timedelta(milliseconds=1))
    second = history.add("enabled")

    with runtime.sessions.begin() as session:
        wanted = Wanted(since=start + timedelta(milliseconds=1))
        found = audit.page(session, history.tenant_id, wanted, before=None)

    assert [event.id for event in found.events] == [second]
