"""A rule from elsewhere, pasted into the editor: read kindly, and saved by nobody."""

import html
import json
import re
import uuid
from typing import Any

import pytest
from flask import Flask

from app import rules
from app.http import SendError
from app.runtime import Runtime
from app.steps.deliver import reference
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.gates import HOLD, gate
from tests.functional.opening import EDITOR, post, text
from tests.functional.receiving import START, Desk, open_desk


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def pasted(caller: Caller, value: str, **more: Any) -> str:
    answer = post(caller, EDITOR, {"value": value, "pasted": True} | more)
    assert answer.status == 200
    return re.sub(r"\s+", " ", text(answer))


def rule_id(page: str) -> str:
    found = re.search(r'data-rule-id="([^"]*)"', page)
    assert found
    return found[1]


def test_editor_has_a_quiet_place_to_paste(caller: Caller) -> None:
    page = text(post(caller, EDITOR, {"value": ""}))

    assert '<details id="paste">' in page
    assert '<label for="pasted">' in page
    assert 'data-action="paste"' in page


def test_pasted_rule_fills_the_form_and_keeps_its_id(caller: Caller) -> None:
    page = pasted(caller, rule(id="r_theirs", name="From afar"))

    assert rule_id(page) == "r_theirs"
    assert 'value="From afar"' in page
    assert "Nothing is saved yet" in page
    assert "What you pasted is not a whole rule" not in page


def test_rule_that_a_page_of_rules_shows_can_be_pasted(caller: Caller) -> None:
    long = {"do": "add-comment", "body": "x" * 300}
    stored = rule(*[long] * 20, name="Long")
    assert len(json.dumps(json.loads(stored), indent=2)) > rules.MAX_SIZE - 1000
    spaced = json.dumps(json.loads(stored), indent=40)
    assert len(spaced) > rules.MAX_SIZE  # with white space it would be too long

    page = pasted(caller, spaced)

    assert "What you pasted is not a whole rule" not in page
    assert page.count('data-step="add-comment"') == 21  # one is the template


def test_pasted_rule_without_an_id_gets_one(caller: Caller) -> None:
    page = pasted(caller, rule(id=""))

    assert re.fullmatch(r"r_[A-Za-z0-9]{10}", rule_id(page))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "nothing was pasted"),
        (" \n ", "nothing was pasted"),
        ("not JSON", "it is no JSON from line 1, column 1 on"),
        ('{"v": 1, "v": 2}', "the key “v” stands twice in one object"),
        ("[1, 2]", "a rule is a JSON object"),
        ('"text"', "a rule is a JSON object"),
        ("[" * 90_000, "a rule has at most 8192 bytes"),
        ('{"v": ' + "[" * 500 + "]" * 500 + "}", "it is nested too deeply"),
        ('{"v": 1, "steps": [{"do": "fly"}]}', "“fly” is unknown"),
        ('{"v": 1e999}', "1e999 is too large a number"),
        ('{"name": "\\ud800"}', "it holds a character that is no text"),
        ("<script>alert(1)</script>", "it is no JSON from line 1, column 1 on"),
    ],
)
def test_what_cannot_be_read_is_said_in_the_form(
    caller: Caller, value: str, said: str
) -> None:
    page = html.unescape(pasted(caller, value))

    assert "What you pasted is not a whole rule" in page
    assert said in page
    assert '<form id="rule"' in page
    assert "The stored rule is broken" not in page


def test_t15_pasted_text_is_text_and_never_markup(caller: Caller) -> None:
    page = pasted(caller, "</textarea><img src=x onerror=alert(1)>")

    assert "<img" not in page
    assert "&lt;/textarea&gt;&lt;img" in page


def test_destination_of_another_site_is_to_be_chosen_anew(
    caller: Caller, desk: Desk
) -> None:
    ours, _ = desk.set_up(name="Ours")
    theirs = reference(uuid.uuid4())

    page = pasted(caller, rule({"do": "deliver", "destination": theirs}))

    expected = (
        f'<option value="{theirs}" selected>Not on this site: choose one</option>'
    )
    assert expected in page
    assert f'<option value="{reference(ours)}">Ours</option>' in page


def test_t5_destination_of_another_tenant_is_not_on_this_site(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(name="Theirs")
    desk.move_to_another_tenant(key)

    page = pasted(caller, desk.rule(key))

    assert "Not on this site: choose one" in page
    assert "Theirs" not in page


def test_hold_of_another_site_is_to_be_chosen_anew(caller: Caller) -> None:
    page = pasted(caller, gate(hold={"status": "98765", "deadline": "2h"}))

    assert "Status 98765 is not on this site: choose one</option>" in page
    assert 'value="98765"' not in page
    assert 'value="2h"' in page


def test_hold_that_this_site_has_stays_chosen(caller: Caller) -> None:
    page = pasted(caller, gate())

    assert f'<option value="{HOLD}" selected>' in page
    assert "is not on this site" not in page


def test_hold_is_kept_while_jira_does_not_say_which_statuses_there_are(
    caller: Caller, wire: Wire
) -> None:
    post(caller, EDITOR, {"value": ""})  # the permission is known
    caller.later(minutes=2)
    away = SendError("it does not answer", sent=False)
    wire.before = [None, away, away]  # the permission, the statuses

    page = pasted(caller, gate(hold={"status": "98765", "deadline": "2h"}))

    assert '<option value="98765" selected>' in page


def test_pasting_changes_nothing_in_jira(caller: Caller, wire: Wire) -> None:
    caller.jira.add_post_function(START, rule())

    pasted(caller, rule(name="Another"))

    assert wire.writes() == []


def test_stored_rule_is_read_as_before(caller: Caller) -> None:
    page = text(post(caller, EDITOR, {"value": "broken", "pasted": "yes"}))

    assert "The stored rule is broken" in page


def test_t10_who_is_no_admin_pastes_nothing(caller: Caller) -> None:
    answer = post(caller, EDITOR, {"value": rule(), "pasted": True}, "dee")

    assert answer.status == 403
