"""Preview on a real issue: rendered from what the viewer's page read (rule T9)."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import destinations
from app import keys as signing_keys
from app.audit import AuditEvent
from app.destinations import Change, Definition, Destination, Signing
from app.http import Request, Response
from app.runs import Attempt, Run
from app.runtime import Runtime
from app.steps.deliver import reference
from app.tenants import State, Tenant
from app.worker import Worker
from sandbox import Jira, people
from sandbox.web import asking
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire, call
from tests.functional.opening import carried_out, post, text
from tests.functional.test_fuzz import json_values, relaxed

PREVIEW = "/api/v1/rules/preview"
ISSUE = "/rest/api/3/issue/DEMO-1"
HOST = "hooks.example.com"
Json = dict[str, Any]
FIELDS = ("summary", "project", "status", "labels", "created", "creator", "reporter")
OTHERS = ("issue", "transitions", "editmeta")


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def read(wire: Wire, site: Jira) -> Json:
    """What a page reads of DEMO-1, as the signed-in user and as Jira writes it."""
    site.set_status("DEMO-1", "To Do")
    paths = {
        "issue": f"{ISSUE}?fields=*all&expand=changelog",
        "transitions": f"{ISSUE}/transitions",
        "editmeta": f"{ISSUE}/editmeta",
    }
    return {name: as_viewer(wire, path) for name, path in paths.items()}


def as_viewer(wire: Wire, path: str) -> Any:
    url = f"https://acme.atlassian.net{path}"
    cookie = f"{asking.COOKIE}={people.named('ada').account_id}"
    headers = {"AP-App-Key": "countersign", "Cookie": cookie}
    answer = call(wire.jira, "GET", url, headers, b"")
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def preview(caller: Caller, read: Json, stored: str, user: str = "ada") -> Response:
    return post(caller, PREVIEW, read | {"rule": json.loads(stored)}, user)


def shown(caller: Caller, read: Json, *steps: Json, **members: Any) -> str:
    answer = preview(caller, read, rule(*steps, **members))
    assert answer.status == 200, answer.body
    return text(answer)


def destination(
    runtime: Runtime, clock: Clock, tenant_id: uuid.UUID | None = None, **changes: Any
) -> Json:
    """Return a step that delivers to a new destination."""
    given = {
        "name": "Deploy",
        "url": f"https://{HOST}/deploy?key=s3cret",
        "signing": Signing.WEBHOOK,
        "project_ids": ("10000",),
        "headers": {"X-Key": "hidden-value"},
    }
    with runtime.sessions.begin() as session:
        owner = tenant_id or session.scalars(sa.select(Tenant.id)).one()
        change = Change(tenant_id=owner, actor="ada", now=clock())
        made, _ = destinations.create(
            session, runtime.keyring, change, Definition(**(given | changes))
        )
    return {
        "do": "deliver",
        "destination": reference(made),
        "inputs": {"version": "for {{ issue.key }}"},
    }


def test_t9_exact_requests_are_shown_and_nothing_is_sent(
    caller: Caller, wire: Wire, runtime: Runtime, read: Json
) -> None:
    wire.sent.clear()
    comment = {"do": "add-comment", "body": "On {{ issue.key }} by **us**"}
    label = {"do": "add-label", "label": "seen-{{ issue.id }}"}

    page = shown(caller, read, comment, label)

    issue_id = read["issue"]["id"]
    assert f"POST /rest/api/3/issue/{issue_id}/comment" in page
    assert "On DEMO-1 by " in page
    assert f"PUT /rest/api/3/issue/{issue_id}<" in page
    assert f"seen-{issue_id}" in page
    assert "The rule would be carried out." in page
    assert [r.url.partition("/rest")[2] for r in wire.sent] == [
        "/api/3/permissions/check"
    ]
    with runtime.sessions.begin() as session:
        kinds = session.scalars(sa.select(AuditEvent.kind)).all()
        stored = [session.scalar(sa.select(table.id)) for table in (Run, Attempt)]
    assert "token-minted" not in kinds
    assert stored == [None, None]


def test_t9_request_of_a_step_is_the_one_that_is_sent(
    caller: Caller, wire: Wire, worker: Worker, read: Json
) -> None:
    read["issue"]["fields"]["status"]["name"] = "as posted"
    stored = rule({"do": "set-field", "field": "summary", "value": "{{ issue.key }}!"})

    page = text(preview(caller, read, stored))
    carried_out(caller, worker, stored)

    [sent] = wire.writes()
    assert f"PUT {sent.url.partition('atlassian.net')[2]}" in page
    body = page.partition("<pre")[2].partition(">")[2].partition("</pre>")[0]
    assert json.loads(body.replace("&#34;", '"')) == json.loads(sent.body)


def test_conditions_are_judged_row_by_row(caller: Caller, read: Json) -> None:
    read["issue"]["fields"]["labels"] = ["one"]
    when = {
        "all": [
            {"field": "labels", "op": "contains", "value": "one"},
            {"field": "labels", "op": "contains", "value": "two"},
        ],
        "none": [{"field": "labels", "op": "is-empty"}],
    }

    page = shown(caller, read, when=when)

    assert page.count(">Holds<") == 1
    assert page.count(">Does not hold<") == 2
    assert "its conditions do not hold" in page
    assert "The steps, if the conditions held" in page


def test_condition_that_cannot_be_decided_fails_the_rule(
    caller: Caller, read: Json
) -> None:
    when = {"all": [{"field": "customfield_99", "op": "is-empty"}]}
    on_failure = {"mode": "report", "comment": True}

    page = shown(caller, read, when=when, on_failure=on_failure)

    assert ">Cannot be decided<" in page
    assert "the issue has no such field" in page
    assert "Because it fails" in page
    assert "Countersign could not carry out the rule" in page


def test_step_that_would_fail_says_why_and_what_follows(
    caller: Caller, read: Json
) -> None:
    broken = {"do": "add-comment", "body": "{{ issue.customfield_99 }}"}
    move = {"do": "transition-issue", "transition": "Fly"}
    on_failure = {"mode": "compensate", "transition": "Start progress"}

    page = shown(caller, read, broken, move, on_failure=on_failure)

    assert page.count(">Would fail<") == 2
    assert "“{{ issue.customfield_99 }}” is not there." in page
    assert "has no transition “Fly”" in page
    assert "Because it fails" in page.partition("Fly")[2]
    assert "/transitions</code>" in page.partition("Because it fails")[2]


def test_transition_after_another_one_cannot_be_known(
    caller: Caller, read: Json
) -> None:
    move = {"do": "transition-issue", "transition": "Start progress"}

    page = shown(caller, read, move, on_success={"transition": "Send to review"})

    assert page.count(">Would be sent<") == 1
    assert "an earlier step moves the issue first" in page
    assert "how it ends cannot be known" in page


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ({"do": "link-issue", "type": "Blocks", "target": "DEMO-2"}, ""),
        ({"do": "set-field", "field": "summary", "value": "x"}, "editmeta"),
        ({"do": "transition-issue", "transition": "Done"}, "transitions"),
    ],
)
def test_what_only_jira_knows_is_said_to_be_unknown(
    caller: Caller, read: Json, step: Json, missing: str
) -> None:
    read.pop(missing, None)

    page = shown(caller, read, step)

    assert ">Cannot be known<" in page
    assert "The preview cannot know this" in page


@pytest.mark.parametrize("signing", list(Signing))
def test_t9_delivery_is_shown_with_its_body_and_without_its_credentials(
    caller: Caller,
    wire: Wire,
    worker: Worker,
    runtime: Runtime,
    clock: Clock,
    read: Json,
    signing: Signing,
) -> None:
    keys_of(runtime, clock)
    got: list[Request] = []

    def taken(request: Request) -> Response:
        got.append(request)
        return Response(status=200)

    wire.elsewhere[HOST] = taken
    step = destination(runtime, clock, signing=signing)

    page = shown(caller, read, step)
    carried_out(caller, worker, rule(step))

    assert f"POST https://{HOST}/deploy?…" in page
    assert "Deliver to “Deploy”" in page
    assert "s3cret" not in page
    assert "hidden-value" not in page
    assert "for DEMO-1" in page
    assert "made when it is sent" in page
    [sent] = got
    told = page.partition('<dl class="told">')[2].partition("</dl>")[0]
    names = {line.split("<")[0] for line in told.split("<dt>")[1:]}
    # Without what is known only once there is a run.
    assert names == set(sent.headers) - {"traceparent"}
    body = page.partition("<pre")[2].partition(">")[2].partition("</pre>")[0]
    shape = json.loads(body.replace("&#34;", '"'))
    assert keys(shape) == keys(json.loads(sent.body))


def keys_of(runtime: Runtime, clock: Clock) -> None:
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
    rotation = signing_keys.Rotation(
        tenant_id=tenant_id, actor="ada", now=clock(), fresh=signing_keys.make(2)
    )
    with runtime.sessions.begin() as session:
        signing_keys.ensure(session, runtime.keyring, rotation)


def keys(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    return {name: keys(inner) for name, inner in value.items()}


def test_t7_destination_that_would_refuse_is_shown_as_such(
    caller: Caller, runtime: Runtime, clock: Clock, read: Json
) -> None:
    step = destination(runtime, clock, project_ids=("10001",))
    assert "not allowed for this project" in shown(caller, read, step)

    with runtime.sessions.begin() as session:
        row = session.scalars(sa.select(Destination)).one()
        row.project_ids, row.is_protected = ["10000"], True
    assert "no admin approved this rule" in shown(caller, read, step)


def test_t5_destination_of_another_tenant_is_not_there(
    caller: Caller, runtime: Runtime, clock: Clock, read: Json
) -> None:
    other = uuid.uuid4()
    with runtime.sessions.begin() as session:
        tenant = Tenant(
            id=other,
            state=State.ACTIVE,
            base_url="https://other.atlassian.net",
            enabled=True,
            installed_at=clock(),
            lifecycle_at=clock(),
        )
        session.add(tenant)
    step = destination(runtime, clock, other, name="Theirs")

    page = shown(caller, read, step)

    assert "There is no such destination" in page
    assert "Theirs" not in page
    assert HOST not in page


def test_problems_of_the_rule_are_told_as_the_check_tells_them(
    caller: Caller, read: Json
) -> None:
    answer = preview(caller, read, rule({"do": "teleport"}))

    assert answer.status == 422
    [problem] = json.loads(answer.body)["problems"]
    assert problem["key"] == "steps[0].do"


def test_t15_values_of_the_issue_are_text(caller: Caller, read: Json) -> None:
    read["issue"]["fields"]["summary"] = "<img src=x onerror=alert(1)>"
    read["issue"]["key"] = "<b>"

    page = shown(caller, read, {"do": "add-comment", "body": "{{ issue.summary }}"})

    assert "<img" not in page
    assert "<b>" not in page
    assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    "issue",
    [
        None,
        [],
        "DEMO-1",
        {"id": "1", "key": "A-1"},
        {"id": "\ud800", "key": "A-1", "fields": {}},
        {"id": "1/../2", "key": "A-1", "fields": {}},
        {"id": "1", "key": "A-1", "fields": []},
        {"id": "1", "key": "A-1", "fields": {"project": [], "status": {}}},
        {"id": "1", "key": "A-1", "fields": {}, "changelog": {"histories": [7]}},
    ],
)
def test_t9_issue_that_jira_did_not_write_is_refused(
    caller: Caller, issue: object
) -> None:
    answer = post(caller, PREVIEW, {"rule": json.loads(rule()), "issue": issue})

    assert answer.status == 400


@pytest.mark.parametrize("odd", [7, "x", [], {"transitions": [3]}, {"fields": 1}])
def test_t9_odd_documents_fail_no_page(caller: Caller, read: Json, odd: object) -> None:
    read |= {"transitions": odd, "editmeta": odd}
    move = {"do": "transition-issue", "transition": "Done"}
    field = {"do": "set-field", "field": "summary", "value": "x"}

    page = shown(caller, read, move, field)

    assert page.count(">Cannot be known<") == 2


@pytest.mark.parametrize("levels", [120, 3000])
def test_t9_deep_nesting_is_refused(caller: Caller, levels: int) -> None:
    body = b'{"rule": {}, "issue": ' + b"[" * levels + b"]" * levels + b"}"

    answer = caller.send("POST", PREVIEW, token=caller.context(), body=body)

    assert answer.status == 400


EVERYTHING = rule(
    {"do": "add-comment", "body": "{{ issue.summary }} {{ project.name | upcase }}"},
    {"do": "assign-issue", "to": "reporter"},
    {"do": "set-field", "field": "summary", "value": "{{ issue.labels | first }}"},
    {"do": "create-issue", "issuetype": "Task", "summary": "{{ issue.key }}"},
    {"do": "link-issue", "type": "Blocks", "target": "{{ issue.key }}"},
    {"do": "set-property", "key": "x", "value": {"a": "{{ actor.accountId }}"}},
    {"do": "transition-issue", "transition": "Done"},
    when={"any": [{"field": "created", "op": "less", "value": "2030-01-01"}]},
    on_failure={"mode": "compensate", "transition": "Done", "comment": True},
)


@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4),
    others=st.dictionaries(st.sampled_from(OTHERS), json_values, max_size=3),
    top=st.dictionaries(st.sampled_from(("id", "key", "changelog")), json_values),
)
@relaxed
def test_t9_whatever_a_viewer_posts_ends_in_an_answer(
    caller: Caller, read: Json, fields: Json, others: Json, top: Json
) -> None:
    issue = read["issue"] | {"fields": read["issue"]["fields"] | fields} | top

    answer = preview(caller, read | {"issue": issue} | others, EVERYTHING)

    assert answer.status in {200, 400}


def test_t10_preview_is_an_admins(caller: Caller, read: Json) -> None:
    assert preview(caller, read, rule(), user="dee").status == 403
