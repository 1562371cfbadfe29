"""The page of rules: what Jira has, how each stands, and what an admin does then."""

import html
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import destinations
from app.audit import AuditEvent
from app.http import SendError
from app.rules import KnownRule, rule_hash
from app.runs import Run, Why
from app.runtime import Runtime
from app.steps.deliver import reference
from app.watchdog import Watchdog
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.conftest import SITE, rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import dispatch, gate, lost, shut
from tests.functional.receiving import START, URL, Desk, open_desk

Sessions = sessionmaker[Session]
Runs = Callable[[], list[Run]]

PAGE = "/api/v1/pages/rules"
AWAY = SendError("it does not answer", sent=False)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def watchdog(runtime: Runtime) -> Watchdog:
    return Watchdog(runtime=runtime)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def known(caller: Caller, watchdog: Watchdog, sessions: Sessions) -> uuid.UUID:
    """Return the id of a gate that the watchdog saw."""
    caller.jira.add_post_function("Dispatch", gate())
    watchdog.watch()
    with sessions.begin() as session:
        return session.scalars(sa.select(KnownRule.id)).one()


def page(caller: Caller) -> str:
    """Return the page as Jira's rules are now, its white space evened out."""
    caller.later(seconds=3)  # what was read before is shown for two
    answer = caller.send("GET", PAGE, token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def lozenges(shown: str) -> list[str]:
    return re.findall(r'class="lozenge(?: [a-z-]+)?">([^<]*)<', shown)


def exported(caller: Caller) -> list[str]:
    """Return the texts that the page offers to be copied."""
    caller.later(seconds=3)
    answer = caller.send("GET", PAGE, token=caller.context())
    boxes = re.findall(
        r"<textarea[^>]*>\n(.*?)</textarea>", answer.body.decode(), re.DOTALL
    )
    return [html.unescape(each) for each in boxes]


def switch(caller: Caller, known: object, act: str, user: str = "ada") -> int:
    path = f"/api/v1/rules/{known}/{act}"
    return caller.send("POST", path, token=caller.context(user)).status


def test_page_without_rules_tells_how_to_begin(caller: Caller) -> None:
    shown = page(caller)

    assert "No rules yet" in shown
    assert "download-rules" not in shown


def test_rule_that_was_published_a_moment_ago_is_listed(caller: Caller) -> None:
    caller.jira.add_post_function(START, rule(name="Say <b>hello</b>"))

    shown = page(caller)

    assert "<h3>Say &lt;b&gt;hello&lt;/b&gt;</h3>" in shown
    assert lozenges(shown) == ["New"]
    assert "It will add a comment" in shown
    assert f"On the transition “{START}”" in shown
    assert "has not met this rule yet" in shown
    assert 'data-action="send"' not in shown


def test_rules_are_grouped_by_workflow_with_a_way_to_each_editor(
    caller: Caller, watchdog: Watchdog
) -> None:
    caller.jira.add_post_function(START, rule(name="One"))
    caller.jira.add_post_function("Dispatch", gate())
    watchdog.watch()

    shown = page(caller)

    assert shown.count("<h2") == 1
    assert re.findall(r"<h3>([^<]*)</h3>", shown) == ["Deploy", "One"]
    path = "/secure/admin/workflows/WorkflowDesigner.jspa"
    name = "DEMO%3A%20Delivery%20workflow"
    assert f'href="{SITE}{path}?workflowMode=live&amp;wfName={name}"' in shown


def test_last_run_is_shown_with_ways_to_it_and_to_all_of_them(
    caller: Caller, worker: Worker, all_runs: Runs, sessions: Sessions
) -> None:
    caller.jira.add_post_function(START, rule())
    for key in ("DEMO-1", "DEMO-2"):
        caller.later(seconds=2)
        caller.jira.set_status(key, "To Do")
        caller.jira.transition(key, START)
        caller.jira.deliver_pending()
        worker.drain()

    shown = page(caller)

    with sessions.begin() as session:
        known_id = session.scalars(sa.select(KnownRule.id)).one()
    assert f'<a href="#/runs/{all_runs()[1].id}">DEMO-2</a>' in shown
    assert str(all_runs()[0].id) not in shown
    assert lozenges(shown) == ["Succeeded"]
    assert f'href="#/runs?rule={known_id}"' in shown


def test_rule_that_cannot_be_read_is_listed_with_every_reason(caller: Caller) -> None:
    broken = json.dumps({"v": 1, "id": "r_1", "name": "X", "steps": [{"do": "fly"}]})
    caller.jira.add_post_function(START, broken)

    shown = page(caller)

    assert lozenges(shown) == ["Cannot be read"]
    assert "<code>steps[0].do</code>: “fly” is unknown" in shown
    assert exported(caller) == [broken]


def test_names_that_the_site_does_not_have_are_said(caller: Caller) -> None:
    steps = [
        {"do": "add-comment", "body": "Hello"},
        {"do": "set-field", "field": "lables", "value": "x"},
    ]
    hold = {"status": "99999", "deadline": "30m"}
    caller.jira.add_post_function("Dispatch", gate(*steps, hold=hold))

    shown = page(caller)

    assert "Needs attention" in lozenges(shown)
    assert "Step 2: this site shows us no field “lables”; did you mean labels?" in shown
    assert "Its hold, status 99999, is not shown to us by Jira." in shown


def test_each_trouble_with_a_destination_is_said_by_its_name(
    caller: Caller, desk: Desk
) -> None:
    gone, _ = desk.set_up(name="Gone")
    waits, _ = desk.set_up(name="Waits")
    guarded, _ = desk.set_up(name="Guarded", is_protected=True)
    nobodys = uuid.uuid4()
    desk.act(destinations.delete, gone)
    desk.act(destinations.pause, waits)
    steps = [
        {"do": "deliver", "destination": reference(key)}
        for key in (gone, waits, guarded, nobodys)
    ]
    stored = rule(*steps)
    caller.jira.add_post_function(START, stored)

    shown = page(caller)

    assert "Step 1 would deliver to “Gone”, which was deleted." in shown
    assert "Step 2: “Waits” is paused, so deliveries wait" in shown
    assert f'<a href="#/destinations/{waits}">Open the destination</a>' in shown
    assert "Step 3: “Guarded” is protected, and no admin has approved" in shown
    assert "Step 4 would deliver to a destination that this site never had." in shown
    desk.act(destinations.approve, guarded, rule_hash(stored))
    assert "no admin has approved" not in page(caller)


def test_project_that_a_destination_does_not_allow_is_said_after_a_run(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(project_ids=["10001"])
    desk.deliver(key)

    shown = page(caller)

    assert "“Deploy” is not allowed for the project of DEMO-1" in shown


def test_without_an_answer_of_jiras_the_last_look_is_shown_and_said(
    caller: Caller, known: uuid.UUID, wire: Wire
) -> None:
    page(caller)  # the permission is known
    wire.before = [AWAY] * 9

    shown = page(caller)

    assert "Jira does not answer just now" in shown
    assert "what it had at the last look" in shown
    assert f'data-path="rules/{known}/pause"' in shown
    assert "<h3>Deploy</h3>" in shown


def test_without_an_answer_and_without_a_look_nothing_is_claimed(
    caller: Caller, wire: Wire
) -> None:
    page(caller)
    wire.before = [AWAY] * 9

    shown = page(caller)

    assert "No rule was seen before" in shown
    assert "No rules yet" not in shown


def test_exported_rule_is_the_rule_that_jira_has(caller: Caller) -> None:
    stored = gate(name="Ünïcode “quoted” </textarea>")
    caller.jira.add_post_function("Dispatch", stored)

    [text] = exported(caller)

    assert rule_hash(text) == rule_hash(stored)
    assert text.count("\n") > 5  # for people


def downloaded(caller: Caller) -> Any:
    """Fetch the file of all rules as the page's script and the browser do."""
    caller.later(seconds=3)
    body = {"what": "rules"}
    path = "/api/v1/downloads"
    asked = caller.send("POST", path, token=caller.context(), body=body)
    assert asked.status == 201, asked.body
    answer = caller.send("GET", f"/downloads/{json.loads(asked.body)['ticket']}")
    assert answer.status == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    return json.loads(answer.body)


def test_all_rules_are_downloaded_with_what_their_numbers_are_called(
    caller: Caller, desk: Desk
) -> None:
    key, secret = desk.set_up(signing="secret", headers={"X-Key": "team-key-01"})
    stored = desk.publish(key)
    caller.jira.add_post_function("Dispatch", "broken")

    found = downloaded(caller)

    broken, whole = sorted(found["rules"], key=lambda each: "rule" in each)
    assert whole["rule"] == json.loads(stored)
    assert whole["transition"]["name"] == START
    assert broken["unreadable"] == "broken"
    assert broken["problems"] == ["it is no JSON from line 1, column 1 on"]
    assert found["destinations"] == {
        reference(key): {"name": "Deploy", "environment": ""}
    }
    assert found["statuses"]["10005"] == "Deploying"
    assert found["source"] == "jira"
    for hidden in (secret.reveal() if secret else "", "team-key-01", URL):
        assert hidden not in json.dumps(found)


def test_download_without_an_answer_of_jiras_says_what_it_is(
    caller: Caller, known: uuid.UUID, wire: Wire
) -> None:
    del known
    caller.later(seconds=3)
    wire.before = [None, *[AWAY] * 9]  # the permission is asked for first

    found = downloaded(caller)

    assert found["source"] == "last-look"
    assert [each["rule"]["name"] for each in found["rules"]] == ["Deploy"]


@pytest.mark.usefixtures("known")
def test_gate_that_held_nothing_yet_is_not_judged(caller: Caller) -> None:
    shown = page(caller)

    assert "Gate not judged yet" in shown
    assert "No issue was in its hold yet" in shown


@pytest.mark.usefixtures("known")
def test_open_ways_are_named_until_they_are_shut(
    caller: Caller, watchdog: Watchdog
) -> None:
    lost(caller.jira)
    caller.later(minutes=1)
    watchdog.watch()
    assert "“Deployed” (81)" in page(caller)
    assert "Gate is open" in page(caller)

    shut(caller.jira)
    watchdog.watch()

    assert "Gate is shut" in page(caller)
    assert "“Deployed” (81)" not in page(caller)


def test_rule_is_paused_and_resumed_by_a_person_who_is_named(
    caller: Caller,
    known: uuid.UUID,
    worker: Worker,
    sessions: Sessions,
    all_runs: Runs,
) -> None:
    assert switch(caller, known, "pause") == 204
    assert switch(caller, known, "pause") == 409
    assert re.search(r">Paused<.*>Resume<", page(caller))
    dispatch(caller.jira)
    caller.jira.deliver_pending()
    worker.drain()
    assert all_runs()[0].why is Why.PAUSED

    assert switch(caller, known, "resume") == 204
    assert ">Pause<" in page(caller)
    with sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind.like("rule-%"))
        events = session.scalars(wanted.order_by(AuditEvent.id)).all()
        assert [e.kind for e in events] == ["rule-paused", "rule-resumed"]
        assert {e.actor for e in events} == {people.ADA.account_id}
        assert json.loads(events[0].detail)["rule"] == "Deploy"


def test_stopped_watch_is_said_and_resumed(
    caller: Caller, known: uuid.UUID, sessions: Sessions, clock: Clock
) -> None:
    with sessions.begin() as session:
        row = session.get_one(KnownRule, known)
        row.watch_stopped_at, row.watch_stopped_because = clock(), "too many"
        row.overdue = 7

    assert "Issues are not rescued: too many." in page(caller)
    assert "past the deadline of their hold: 7." in page(caller)
    assert switch(caller, known, "resume") == 204
    assert "not rescued" not in page(caller)


def test_t5_rules_of_another_tenant_are_neither_shown_nor_switched(
    caller: Caller, known: uuid.UUID, sessions: Sessions, desk: Desk, wire: Wire
) -> None:
    key, _ = desk.set_up()
    other = desk.move_to_another_tenant(key)
    with sessions.begin() as session:
        row = session.get_one(KnownRule, known)
        row.tenant_id, row.name = other, "Not yours"
    page(caller)
    wire.before = [AWAY] * 9  # so that only our tables tell

    assert "No rule was seen before" in page(caller)
    wire.before = []
    assert switch(caller, known, "pause") == 404
    assert switch(caller, known, "resume") == 404
    assert switch(caller, uuid.uuid4(), "pause") == 404
    with sessions.begin() as session:
        assert session.scalars(sa.select(KnownRule.paused_at)).one() is None


def test_t10_rules_are_seen_and_paused_by_jira_administrators_only(
    caller: Caller, known: uuid.UUID
) -> None:
    seen = [
        caller.send("GET", PAGE, token=caller.context(user)) for user in ("dee", "vic")
    ]

    assert [answer.status for answer in seen] == [403, 403]
    assert switch(caller, known, "pause", "dee") == 403
    assert switch(caller, known, "resume", "vic") == 403
