"""The panel beside an issue: for people who see the issue, and nothing beyond it."""

import json
import re
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audit import AuditEvent
from app.http import Response, SendError
from app.runs import Run, RunState
from app.runtime import Runtime
from app.tenants import Tenant, preferences
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.doors import CHOICES, TRIGGERED
from tests.functional.fakes import Clock, Wire, call
from tests.functional.opening import carried_out
from tests.functional.receiving import HOST, open_desk

Runs = Callable[[], list[Run]]
PANEL = "/api/v1/pages/issues/10100"
HIDDEN = "DEMO-8"
"""Of a security level that Vic does not see."""
FLY = {"do": "transition-issue", "transition": "Fly"}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def choose(caller: Caller, runtime: Runtime, clock: Clock) -> Callable[[str], None]:
    """Let an admin choose the on-call role of the site."""
    del caller

    def choose(role: str) -> None:
        wanted = preferences.Wanted(**(CHOICES | {"on_call_role": role}))
        with runtime.sessions.begin() as session:
            tenant_id = session.scalars(sa.select(Tenant.id)).one()
            preferences.change(session, tenant_id, wanted, actor="ada", now=clock())

    return choose


def get(caller: Caller, path: str, user: str = "vic") -> Response:
    return caller.send("GET", path, token=caller.context(user))


def seen(caller: Caller, path: str = PANEL, user: str = "vic") -> str:
    answer = get(caller, path, user)
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def replay(caller: Caller, run: object, user: str = "vic") -> Response:
    path = f"/api/v1/issues/10100/runs/{run}/replay"
    return caller.send("POST", path, token=caller.context(user), body={})


def shell(caller: Caller, url: str) -> Response:
    return call(caller.app, "GET", url, {}, b"")


def test_shell_opens_for_who_sees_the_issue_and_says_which_it_is(
    caller: Caller,
) -> None:
    answer = shell(caller, caller.jira.panel_url("DEMO-1", "vic"))

    assert answer.status == 200
    assert b'data-view="issue"' in answer.body
    assert b'data-issue="10100"' in answer.body


def test_t10_shell_of_an_issue_one_does_not_see_is_refused(caller: Caller) -> None:
    number = caller.jira.issue(HIDDEN).id
    path = f"/issue-panel?issue={number}"
    token = caller.url_bound("GET", path, sub=people.VIC.account_id)

    answer = caller.send("GET", path, token=token)

    assert answer.status == 403
    assert b"You cannot see this issue" in answer.body
    assert HIDDEN.encode() not in answer.body


@pytest.mark.parametrize("query", ["", "?issue=", "?issue=DEMO-1", "?issue=%D9%A1"])
def test_t10_shell_without_an_issue_is_refused(caller: Caller, query: str) -> None:
    path = f"/issue-panel{query}"
    token = caller.url_bound("GET", path, sub=people.ADA.account_id)

    assert caller.send("GET", path, token=token).status == 403


def test_panel_says_what_became_of_the_issues_runs(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    assert "No rule has run for this issue" in seen(caller)
    carried_out(caller, worker, rule(FLY))
    caller.jira.transition("DEMO-4", "Deploy")

    panel = seen(caller)

    [run] = all_runs()
    assert f'href="#/runs/{run.id}"' in panel
    assert panel.count("data-item") == 1
    assert "Failed</span>" in panel
    assert "A step could not be carried out." in panel


def test_t1_what_nobody_confirmed_is_on_no_ticket(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    door = "/post-function/triggered"
    claim = caller.send(
        "POST", door, token=caller.url_bound("POST", door), body=TRIGGERED
    )
    assert claim.status == 204
    before = seen(caller)
    worker.drain()

    [run] = all_runs()
    assert run.state is RunState.UNCONFIRMED
    assert "data-item" not in before + seen(caller)
    assert get(caller, f"{PANEL}/runs/{run.id}").status == 404
    assert replay(caller, run.id, "ada").status == 404
    again = f"/api/v1/runs/{run.id}/replay"
    assert caller.send("POST", again, token=caller.context(), body={}).status == 202
    assert "data-item" not in seen(caller)


def test_run_is_told_step_by_step(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    comment = {"do": "add-comment", "body": "Hello"}
    carried_out(caller, worker, rule(comment, FLY, name="Take off"))
    [run] = all_runs()

    page = seen(caller, f"{PANEL}/runs/{run.id}")

    assert "<h1>Take off</h1>" in page
    assert "To Do → In Progress by the transition “Start progress”" in page
    assert page.index("Add a comment") < page.index("Move the issue by “Fly”")
    assert "Attempt 1" in page
    assert "Done</span>" in page


def test_run_of_another_issue_is_not_behind_this_one(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    [run] = all_runs()
    other = caller.jira.issue("DEMO-4").id

    answers = [
        get(caller, f"/api/v1/pages/issues/{other}/runs/{run.id}", "ada"),
        get(caller, f"/api/v1/pages/issues/{other}/runs/{uuid.uuid4()}", "ada"),
    ]

    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body == answers[1].body


def test_t10_delivery_is_shown_without_its_address_and_what_was_sent(
    runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire
) -> None:
    desk = open_desk(runtime, app, site, worker, wire)
    desk.receiver.answers = [SendError(f"the name {HOST} was not found", sent=False)]
    desk.deliver(desk.set_up()[0])
    caller = Caller(app=app, jira=site, clock=desk.clock)
    [run] = desk.runs()

    page = seen(caller, f"{PANEL}/runs/{run.id}")

    assert "Deliver to “Deploy”" in page
    assert "did not happen this time" in page
    assert HOST not in page + seen(caller)
    assert "attempts/" not in page
    assert "data-load" not in page


def test_t10_key_of_another_issue_is_not_shown(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    link = {"do": "link-issue", "type": "Blocks", "target": HIDDEN}
    carried_out(caller, worker, rule(link))
    [run] = all_runs()

    page = seen(caller, f"{PANEL}/runs/{run.id}")

    assert "Link the issue to another" in page
    assert HIDDEN not in page + seen(caller)


def test_t15_name_of_a_rule_is_text(
    caller: Caller, worker: Worker, all_runs: Runs
) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    carried_out(caller, worker, rule(name=nasty))
    [run] = all_runs()

    for page in (seen(caller), seen(caller, f"{PANEL}/runs/{run.id}")):
        assert "<img" not in page
        assert "&lt;img" in page


def test_t10_issue_that_one_sees_opens_no_other(caller: Caller) -> None:
    hidden = f"/api/v1/pages/issues/{caller.jira.issue(HIDDEN).id}"

    assert get(caller, PANEL).status == 200
    unseen, nobodys = get(caller, hidden), get(caller, "/api/v1/pages/issues/987654")

    assert (unseen.status, nobodys.status) == (404, 404)
    assert unseen.body == nobodys.body
    assert get(caller, hidden, "dee").status == 200


def test_t10_panel_asks_jira_once_a_minute_for_each_issue(
    caller: Caller, wire: Wire
) -> None:
    for _ in range(3):
        assert get(caller, PANEL).status == 200
    caller.later(seconds=61)
    assert get(caller, PANEL).status == 200

    assert len([r for r in wire.sent if "permissions/check" in r.url]) == 2


def test_t10_where_jira_does_not_answer_nobody_sees_anything(
    caller: Caller, wire: Wire
) -> None:
    for odd in (
        SendError("no route", sent=False),
        Response(status=500),
        Response(status=200, body=b"[]"),
        Response(status=200, body=b'{"projectPermissions": 7}'),
        Response(status=200, body=b"null"),
    ):
        wire.before.append(odd)
        assert get(caller, PANEL).status == 403


def test_t10_on_call_person_has_a_run_carried_out_again(
    caller: Caller,
    worker: Worker,
    choose: Callable[[str], None],
    runtime: Runtime,
    all_runs: Runs,
) -> None:
    choose("10006")
    carried_out(caller, worker, rule(FLY))
    [old] = all_runs()
    page = seen(caller, f"{PANEL}/runs/{old.id}")
    assert f'data-path="issues/10100/runs/{old.id}/replay"' in page

    answer = replay(caller, old.id)

    assert answer.status == 202
    new = uuid.UUID(json.loads(answer.body)["run"])
    assert [run.replay_of for run in all_runs() if run.id == new] == [old.id]
    assert f'data-item="{new}"' in seen(caller)
    assert "Received</span>" in seen(caller, f"{PANEL}/runs/{new}")
    worker.drain()
    assert f'data-item="{new}"' in seen(caller)
    with runtime.sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind == "run-replayed")
        assert session.scalars(wanted).one().actor == people.VIC.account_id


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("", {"ada"}),
        ("10002", {"ada"}),
        ("10003", {"ada", "dee"}),  # by her name
        ("10006", {"ada", "vic"}),  # by his group
        ("99999", {"ada"}),  # deleted in Jira since
    ],
)
def test_t10_replay_is_for_the_on_call_role_and_admins(
    caller: Caller,
    worker: Worker,
    choose: Callable[[str], None],
    all_runs: Runs,
    role: str,
    may: set[str],
) -> None:
    choose(role)
    carried_out(caller, worker, rule())
    [run] = all_runs()

    for user in ("vic", "dee", "ada"):
        page = seen(caller, f"{PANEL}/runs/{run.id}", user)
        offered = "Run again now" in page
        assert offered is (user in may), user
        assert ("may run it again" in page) is not offered
        if user not in may:
            assert replay(caller, run.id, user).status == 403
    assert len(all_runs()) == 1
    assert replay(caller, run.id, "ada").status == 202


def test_t10_group_of_the_same_name_is_not_the_group_in_the_role(
    caller: Caller,
    worker: Worker,
    choose: Callable[[str], None],
    all_runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    namesake = people.Group("another", people.ON_CALL.name, (people.DEE,))
    monkeypatch.setattr(people, "GROUPS", (*people.GROUPS, namesake))
    choose("10006")
    carried_out(caller, worker, rule())
    [run] = all_runs()

    assert replay(caller, run.id, "dee").status == 403
    assert replay(caller, run.id, "vic").status == 202


def test_t10_replay_is_refused_while_jira_does_not_tell_the_role(
    caller: Caller,
    worker: Worker,
    choose: Callable[[str], None],
    all_runs: Runs,
    wire: Wire,
) -> None:
    choose("10006")
    carried_out(caller, worker, rule())
    [run] = all_runs()
    asked = 5  # sees the issue, administers, the issue's project, the role, the groups

    for place in range(asked):
        wire.before = [*([None] * place), SendError("no route", sent=False)]
        assert replay(caller, run.id).status == 403
    wire.before = []
    assert len(all_runs()) == 1
    assert replay(caller, run.id).status == 202


def test_run_that_needs_an_answer_says_who_can_give_it(
    caller: Caller, worker: Worker, runtime: Runtime, all_runs: Runs
) -> None:
    carried_out(caller, worker, rule())
    with runtime.sessions.begin() as session:
        session.execute(sa.update(Run).values(state=RunState.AMBIGUOUS))
    [run] = all_runs()

    page = seen(caller, f"{PANEL}/runs/{run.id}")

    assert "A Jira administrator can look and say so." in page
    assert "run it again" not in page.casefold()
