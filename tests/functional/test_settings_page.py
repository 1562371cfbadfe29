"""Settings: what a site's admins choose, what it costs, and whom it is told."""

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app.audit import AuditEvent
from app.http import Response
from app.runtime import Runtime
from app.tenants import Tenant, preferences
from app.tenants.preferences import DEFAULTS, Choices
from sandbox import Jira, people
from tests.functional import old_runs
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire

Sessions = sessionmaker[Session]
WHOLE: dict[str, Any] = {
    "run_days": "60",
    "audit_days": "200",
    "exchange_days": "0",
    "notice_to": ["ops@acme.example"],
    "on_call_role": "10003",
}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def page(caller: Caller) -> str:
    answer = caller.send("GET", "/api/v1/pages/settings", token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def put(caller: Caller, user: str = "ada", **changes: Any) -> Response:
    body = {k: v for k, v in (WHOLE | changes).items() if v is not None}
    return caller.send(
        "PUT",
        "/api/v1/preferences",
        token=caller.context(user),
        body=json.dumps(body).encode(),
    )


def problems(answer: Response) -> dict[str, str]:
    assert answer.status == 422, answer.body
    return {p["key"]: p["message"] for p in json.loads(answer.body)["problems"]}


@pytest.fixture
def chosen(sessions: Sessions, site: Jira) -> Any:
    del site

    def read() -> Choices:
        with sessions.begin() as session:
            tenant_id = session.scalars(sa.select(Tenant.id)).first()
            assert tenant_id
            return preferences.find(session, tenant_id)

    return read


def changes(sessions: Sessions) -> list[tuple[str, dict[str, Any]]]:
    with sessions.begin() as session:
        kind = AuditEvent.kind == "preferences-changed"
        wanted = sa.select(AuditEvent).where(kind).order_by(AuditEvent.id)
        return [(row.actor, row.facts) for row in session.scalars(wanted)]


def test_page_states_the_defaults_that_are_used(caller: Caller, chosen: Any) -> None:
    shown = page(caller)

    assert chosen() == DEFAULTS
    stated = re.findall(r'value="(\d+)".*?(\d+) unless you choose', shown)
    defaults = (DEFAULTS.run_days, DEFAULTS.audit_days, DEFAULTS.exchange_days)
    assert stated == [(str(n), str(n)) for n in defaults]
    assert "Nobody has changed anything: the defaults hold." in shown
    assert DEFAULTS.notice_to == ()
    assert "none unless you choose" in shown
    assert '<option value="10003">Developers</option>' in shown


def test_what_is_chosen_holds_and_is_shown(caller: Caller, chosen: Any) -> None:
    assert put(caller).status == 204

    found = chosen()
    assert (found.run_days, found.audit_days, found.exchange_days) == (60, 200, 0)
    assert found.notice_to == ("ops@acme.example",)
    assert found.on_call_role == "10003"
    shown = page(caller)
    assert '<option value="10003" selected>Developers</option>' in shown
    assert "ops@acme.example</textarea>" in shown


def test_history_says_what_changed_and_no_address(
    caller: Caller, sessions: Sessions
) -> None:
    put(caller)
    put(caller)  # the same again is no change
    put(caller, run_days="90", notice_to=["ops@acme.example", "b@acme.example"])

    ada = people.named("ada").account_id
    assert changes(sessions) == [
        (
            ada,
            {
                "run_days_before": 90,
                "run_days": 60,
                "audit_days_before": 365,
                "audit_days": 200,
                "exchange_days_before": 30,
                "exchange_days": 0,
                "notice_to_before": 0,
                "notice_to": 1,
                "on_call_role_before": None,
                "on_call_role": "10003",
            },
        ),
        (
            ada,
            {
                "run_days_before": 60,
                "run_days": 90,
                "notice_to_before": 1,
                "notice_to": 2,
            },
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"run_days": "29"}, "run_days", "a whole number from 30 to 365"),
        ({"run_days": "366"}, "run_days", "a whole number from 30 to 365"),
        ({"run_days": "many"}, "run_days", "a whole number from 30 to 365"),
        ({"run_days": "9" * 5000}, "run_days", "a whole number from 30 to 365"),
        ({"run_days": None}, "run_days", "it is missing"),
        ({"audit_days": "89"}, "audit_days", "a whole number from 90 to 1095"),
        ({"exchange_days": "-1"}, "exchange_days", "a whole number from 0"),
        ({"exchange_days": "61"}, "exchange_days", "longer than runs are kept"),
        ({"notice_to": "a@b.example"}, "notice_to", "one a line"),
        ({"notice_to": [["a@b.example"]]}, "notice_to", "one a line"),
        ({"notice_to": ["nobody"]}, "notice_to", "no mail address"),
        ({"notice_to": ["a@localhost"]}, "notice_to", "no mail address"),
        ({"notice_to": ["a@b.example, c@d.example"]}, "notice_to", "no mail"),
        ({"notice_to": ["a@b.example\r\nBcc: c@d.example"]}, "notice_to", "no mail"),
        ({"notice_to": ["\u00e4@b.example"]}, "notice_to", "no mail address"),
        ({"notice_to": ["a@b.example\x00"]}, "notice_to", "no mail address"),
        ({"notice_to": ["<a@b.example>"]}, "notice_to", "no mail address"),
        ({"notice_to": ["x" * 65 + "@b.example"]}, "notice_to", "no mail address"),
        (
            {"notice_to": [f"a{n}@b.example" for n in range(6)]},
            "notice_to",
            "at most 5 addresses",
        ),
        ({"on_call_role": "99999"}, "on_call_role", "those that are offered"),
        ({"on_call_role": "10003 OR 1"}, "on_call_role", "those that are offered"),
        ({"smtp_url": "smtps://x"}, "smtp_url", "unknown"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    caller: Caller, chosen: Any, changes: dict[str, Any], key: str, said: str
) -> None:
    found = problems(put(caller, **changes))

    assert list(found) == [key]
    assert said in found[key]
    assert chosen() == DEFAULTS


def test_role_that_jira_does_not_show_now_stays_chosen(
    caller: Caller, chosen: Any, wire: Wire
) -> None:
    put(caller)
    wire.before = [None, Response(status=503)]
    assert put(caller, run_days="70").status == 204

    wire.before = [None, Response(status=503), Response(status=503)]
    refused = problems(put(caller, on_call_role="10002"))

    assert "Jira did not answer" in refused["on_call_role"]
    assert (chosen().on_call_role, chosen().run_days) == ("10003", 70)


def test_page_without_jira_keeps_the_role_that_is_chosen(
    caller: Caller, wire: Wire
) -> None:
    put(caller)
    page(caller)
    wire.before = [Response(status=503)] * 9

    shown = page(caller)

    assert '<option value="10003" selected>Role 10003, as chosen before' in shown


def test_page_shows_what_the_operator_chose_and_no_secret_of_his(
    caller: Caller, runtime: Runtime
) -> None:
    shown = page(caller)

    for text in ("5000 ", "90 days", "24 hours", "300 seconds", "10 minutes"):
        assert f"<dd>{text}" in shown
    assert runtime.settings.encryption_keys[0] not in shown
    assert "The operator has set up no mail server" in shown


def test_t5_choices_are_those_of_the_callers_site(
    caller: Caller, sessions: Sessions, clock: Clock
) -> None:
    with sessions.begin() as session:
        other = old_runs.tenant(session, clock())
        wanted = preferences.Wanted(**(WHOLE | {"notice_to": ["x@other.example"]}))
        preferences.change(session, other, wanted, actor="x", now=clock())

    assert "other.example" not in page(caller)
    assert put(caller, run_days="30").status == 204

    with sessions.begin() as session:
        found = preferences.find(session, other)
        assert (found.run_days, found.notice_to) == (60, ("x@other.example",))


def test_t10_settings_are_for_admins_and_changes_ask_jira_each_time(
    caller: Caller, chosen: Any, site: Jira
) -> None:
    vic = caller.send("GET", "/api/v1/pages/settings", token=caller.context("vic"))
    assert vic.status == 403
    assert put(caller, user="vic").status == 403

    page(caller)  # what Jira said of Ada is remembered for a minute, for reading
    site.refuses_addon = True
    assert put(caller).status == 403
    assert chosen() == DEFAULTS
