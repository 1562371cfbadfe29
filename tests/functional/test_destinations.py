"""Destinations on their page: what an admin sees, sets up, changes and deletes."""

import json
import re
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import destinations
from app.audit import AuditEvent
from app.destinations import Destination, DestinationState
from app.http import Response, SendError
from app.rules import rule_hash
from app.runtime import Runtime
from app.vault import SecretVersion
from app.web import site_names, words
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import DEMO, HOST, URL, Desk, open_desk

API = "/api/v1/destinations"
PAGES = "/api/v1/pages/destinations"
WHOLE: dict[str, Any] = {
    "name": "Deploy production",
    "url": URL,
    "project_ids": [DEMO],
    "headers": [],
}
SECRET_VALUE = "team-key-0123456789"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def ask(caller: Caller, method: str, path: str, body: Any = None) -> Response:
    data = json.dumps({} if body is None else body).encode()
    return caller.send(method, path, token=caller.context(), body=data)


def create(caller: Caller, **changes: Any) -> dict[str, Any]:
    answer = ask(caller, "POST", API, WHOLE | changes)
    assert answer.status == 201, answer.body
    created: dict[str, Any] = json.loads(answer.body)
    return created


def page(caller: Caller, path: str = "") -> str:
    answer = caller.send("GET", f"{PAGES}{path}", token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def problems(answer: Response) -> dict[str, str]:
    assert answer.status == 422, answer.body
    return {p["key"]: p["message"] for p in json.loads(answer.body)["problems"]}


def ada() -> str:
    return people.named("ada").account_id


def actors(desk: Desk, kind: str) -> list[str]:
    with desk.runtime.sessions.begin() as session:
        wanted = sa.select(AuditEvent.actor).where(AuditEvent.kind == kind)
        return list(session.scalars(wanted))


def test_page_without_destinations_tells_how_to_begin(caller: Caller) -> None:
    shown = page(caller)

    assert "No destinations yet" in shown
    assert 'href="#/destinations/new"' in shown


def test_created_destination_is_listed_and_its_maker_written_down(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller, environment="production", is_protected=True)

    assert created["secret"] is None
    shown = page(caller)
    for text in ("Deploy production", HOST, ">Protected<", "Not used yet", "No rule"):
        assert text in shown
    assert "<dd>DEMO</dd>" in shown
    assert URL not in shown  # what stands behind the host may be a credential
    assert actors(desk, "destination-created") == [ada()]
    assert len(desk.key_set()["keys"]) == 2  # made with the first that needs them


def test_form_offers_the_sites_projects_and_keeps_what_was_chosen(
    caller: Caller, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_names, "PROJECTS_PER_PAGE", 1)  # two projects, two pages
    created = create(caller, project_ids=[DEMO, "987"])

    new, edit = page(caller, "/new"), page(caller, f"/{created['id']}")

    offered = re.findall(r'<input type="checkbox" value="(\d+)"', new)
    assert len(offered) == 2
    assert 'value="10000" checked' in edit
    assert 'value="987" checked' in edit
    assert "not shown to us by Jira" in edit
    del desk


def test_form_says_that_jira_does_not_show_its_projects(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    created = create(caller)
    wire.before = [Response(status=503)] * 9

    shown = page(caller, f"/{created['id']}")

    assert "Jira does not show us its projects just now" in shown
    assert 'value="10000" checked' in shown
    assert "which rules use it is not known just now" in shown
    del desk


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"name": ""}, "name", "it is empty"),
        ({"name": "a\x00b"}, "name", "no text"),
        ({"name": "a\ud800"}, "name", "no text"),
        ({"name": "x" * 81}, "name", "too long"),
        ({"url": ""}, "url", "it is empty"),
        ({"url": "https://{{ issue.key }}.example"}, "url", "no templates"),
        ({"project_ids": []}, "project_ids", "choose at least one"),
        ({"project_ids": ["DEMO"]}, "project_ids", "by their numbers"),
        ({"audience": "two words"}, "audience", "without spaces"),
        ({"signing": "none"}, "signing", "one of those"),
        ({"per_minute": "many"}, "per_minute", "a whole number from 1 to 6000"),
        ({"per_minute": 0}, "per_minute", "a whole number from 1 to 6000"),
        ({"headers": [["Host", "x"]]}, "headers", "Countersign&#39;s own"),
        ({"headers": [["X-A", "a\r\nX-B: b"]]}, "headers", "one line"),
        ({"headers": [["X-A", "1"], ["x-a", "2"]]}, "headers", "twice"),
        ({"headers": [["X-A", "1"], ["X-A", "2"]]}, "headers", "twice"),
        ({"headers": [["", "1"]]}, "headers", "letters, digits and hyphens"),
        ({"mood": "good"}, "mood", "unknown"),
    ],
)
def test_bad_definition_is_named_by_its_key_in_an_admins_words(
    caller: Caller, desk: Desk, changes: dict[str, Any], key: str, said: str
) -> None:
    found = problems(ask(caller, "POST", API, WHOLE | changes))

    assert said.replace("&#39;", "'") in found[key]
    assert "No destinations yet" in page(caller)
    del desk


@pytest.mark.parametrize("headers", ["x", {"X-A": "1"}, [["X-A"]], [[1, 2]], None, [7]])
def test_headers_that_are_no_pairs_are_the_callers_fault(
    caller: Caller, desk: Desk, headers: object
) -> None:
    assert ask(caller, "POST", API, WHOLE | {"headers": headers}).status == 400
    del desk


def test_t8_problem_never_quotes_a_headers_value(caller: Caller, desk: Desk) -> None:
    value = f"{SECRET_VALUE}\x07"
    answer = ask(caller, "POST", API, WHOLE | {"headers": [["X-Key", value]]})

    assert answer.status == 422
    assert SECRET_VALUE.encode() not in answer.body
    del desk


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://inner.example/x", "leads to an address that is not public"),
        ("https://nowhere.example/x", "was not found"),
    ],
)
def test_t11_address_is_tried_before_it_is_saved(
    caller: Caller, desk: Desk, wire: Wire, url: str, said: str
) -> None:
    wire.forbidden = {"inner.example"}
    created = create(caller)

    for method, path in (("POST", API), ("PUT", f"{API}/{created['id']}")):
        changes = {"name": "Another", "url": url}
        found = problems(ask(caller, method, path, WHOLE | changes))
        assert said in found["url"]
    assert "Another" not in page(caller)
    del desk


def test_name_of_another_destination_is_refused(caller: Caller, desk: Desk) -> None:
    create(caller)
    other = create(caller, name="Other")

    for method, path in (("POST", API), ("PUT", f"{API}/{other['id']}")):
        assert (
            "another destination" in problems(ask(caller, method, path, WHOLE))["name"]
        )
    del desk


@pytest.mark.parametrize("signing", ["secret", "standard-webhooks"])
def test_t8_secret_is_answered_once_and_never_again(
    caller: Caller, desk: Desk, signing: str, caplog: pytest.LogCaptureFixture
) -> None:
    created = create(caller, signing=signing)
    renewed = json.loads(ask(caller, "POST", f"{API}/{created['id']}/secret").body)

    secrets = {created["secret"], renewed["secret"]}
    assert len(secrets) == 2
    ask(caller, "POST", f"{API}/{created['id']}/test")
    seen = page(caller) + page(caller, f"/{created['id']}") + caplog.text
    with desk.runtime.sessions.begin() as session:
        seen += "".join(session.scalars(sa.select(AuditEvent.detail)))
        sealed = b"".join(session.scalars(sa.select(SecretVersion.sealed)))
    for secret in secrets:
        assert secret
        assert secret not in seen
        assert secret.encode() not in sealed
    assert "Number 2, made" in page(caller, f"/{created['id']}")
    assert actors(desk, "destination-secret-renewed") == [ada()]


def test_destination_that_is_signed_by_keys_has_no_secret_to_renew(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)

    answer = ask(caller, "POST", f"{API}/{created['id']}/secret")

    assert answer.status == 409
    assert "no secret of its own" in json.loads(answer.body)["message"]
    del desk


def headers_of(desk: Desk, caller: Caller, destination_id: str) -> dict[str, str]:
    """Return the extra headers that the receiver sees now."""
    assert ask(caller, "POST", f"{API}/{destination_id}/test").status == 200
    sent = desk.receiver.got[-1].headers
    return {name: value for name, value in sent.items() if name.startswith("X-")}


def test_t8_header_is_kept_changed_or_removed_and_never_shown(
    caller: Caller, desk: Desk
) -> None:
    given = [["X-Key", SECRET_VALUE], ["X-Old", "old-value"], ["X-Team", "blue"]]
    created = create(caller, headers=given)
    path = f"{API}/{created['id']}"

    kept = [["X-Key", None], ["X-Team", "red"]]
    answer = ask(caller, "PUT", path, WHOLE | {"headers": kept})

    assert json.loads(answer.body)["cleared"] == []
    expected = {"X-Key": SECRET_VALUE, "X-Team": "red"}
    assert headers_of(desk, caller, created["id"]) == expected
    shown = page(caller, f"/{created['id']}")
    assert 'value="X-Key"' in shown
    assert 'value="X-Old"' not in shown
    assert SECRET_VALUE not in shown


def test_t8_another_host_clears_what_the_one_before_was_trusted_with(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    created = create(caller, signing="secret", headers=[["X-Key", SECRET_VALUE]])
    wire.elsewhere["evil.example"] = desk.receiver

    changes = {"url": "https://evil.example/in", "headers": [["X-Key", None]]}
    answer = ask(
        caller,
        "PUT",
        f"{API}/{created['id']}",
        WHOLE | {"signing": "secret"} | changes,
    )

    changed = json.loads(answer.body)
    assert changed["cleared"] == ["X-Key"]
    assert changed["secret"] != created["secret"]
    assert headers_of(desk, caller, created["id"]) == {}


def test_paused_and_resumed_by_name(caller: Caller, desk: Desk) -> None:
    created = create(caller)
    path, key = f"{API}/{created['id']}", uuid.UUID(created["id"])

    assert ask(caller, "POST", f"{path}/pause").status == 204
    assert desk.state_of(key) is DestinationState.PAUSED
    assert ">Paused<" in page(caller)
    assert ask(caller, "POST", f"{path}/resume").status == 204
    assert desk.state_of(key) is DestinationState.ACTIVE
    assert actors(desk, "destination-paused") == [ada()]
    assert actors(desk, "destination-resumed") == [ada()]


def test_disabled_destination_says_why(caller: Caller, desk: Desk) -> None:
    created = create(caller)
    with desk.runtime.sessions.begin() as session:
        row = session.get_one(Destination, uuid.UUID(created["id"]))
        destinations.disable(session, row, "it answered 410", now=desk.clock())

    assert "It answered 410." in page(caller)
    assert "Disabled by Countersign: It answered 410." in page(
        caller, f"/{created['id']}"
    )


def test_deleting_says_what_breaks_and_then_it_is_gone(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)
    desk.publish(uuid.UUID(created["id"]))

    shown = page(caller, f"/{created['id']}")
    assert "This rule delivers here. From now on each of its transitions ends" in shown
    assert "<li>Test rule, on “Start progress” of DEMO: Delivery workflow</li>" in shown
    assert "1 rule</dd>" in page(caller)

    assert ask(caller, "DELETE", f"{API}/{created['id']}").status == 204
    gone = caller.send("GET", f"{PAGES}/{created['id']}", token=caller.context())
    assert gone.status == 404
    assert actors(desk, "destination-deleted") == [ada()]


def test_rule_that_was_published_a_moment_ago_is_among_the_uses(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)
    assert "No rule of a published workflow" in page(caller, f"/{created['id']}")
    desk.publish(uuid.UUID(created["id"]))

    caller.later(seconds=3)

    assert "<strong>Test rule</strong>" in page(caller, f"/{created['id']}")


def test_t7_rule_is_approved_as_it_is_and_the_approval_taken_back(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller, is_protected=True)
    path, key = f"{API}/{created['id']}", uuid.UUID(created["id"])
    body = {"hash": rule_hash(desk.publish(key))}
    shown = page(caller, f"/{created['id']}")
    assert ">Not approved<" in shown
    assert "<p>It will deliver to “Deploy production”." in shown

    assert ask(caller, "POST", f"{path}/approve", body).status == 204
    assert ">Approved<" in page(caller, f"/{created['id']}")
    desk.fire()
    desk.worker.drain()
    assert len(desk.receiver.got) == 1

    assert ask(caller, "POST", f"{path}/withdraw", body).status == 204
    assert ">Not approved<" in page(caller, f"/{created['id']}")
    assert actors(desk, "rule-approved") == [ada()]
    assert actors(desk, "rule-approval-withdrawn") == [ada()]


def test_t7_only_a_rule_that_jira_has_can_be_approved(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    created = create(caller, is_protected=True)
    path = f"{API}/{created['id']}/approve"

    unseen = ask(caller, "POST", path, {"hash": "0" * 64})
    caller.later(minutes=1)
    wire.before = [None, SendError("away", sent=False)]  # the permission, the rules
    unanswered = ask(caller, "POST", path, {"hash": "0" * 64})

    assert (unseen.status, unanswered.status) == (409, 409)
    assert "No live rule" in json.loads(unseen.body)["message"]
    assert "Jira did not answer" in json.loads(unanswered.body)["message"]
    assert ask(caller, "POST", path, {"hash": "x"}).status == 400
    assert actors(desk, "rule-approved") == []


def test_approval_of_a_text_that_is_no_longer_live_can_be_withdrawn(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller, is_protected=True)
    key = uuid.UUID(created["id"])
    old = rule_hash(desk.publish(key))
    ask(caller, "POST", f"{API}/{key}/approve", {"hash": old})
    desk.publish(key, name="Changed")
    caller.later(seconds=3)

    shown = page(caller, f"/{key}")

    assert "1 approval is for rules that no published workflow has now" in shown
    assert f"<code>{old[:12]}…</code>" in shown
    assert ">Not approved<" in shown


def every_route(key: uuid.UUID) -> list[tuple[str, str, Any]]:
    path, known = f"{API}/{key}", {"hash": "0" * 64}
    return [
        ("GET", f"{PAGES}/{key}", {}),
        ("PUT", path, WHOLE),
        ("DELETE", path, {}),
        ("POST", f"{path}/pause", {}),
        ("POST", f"{path}/resume", {}),
        ("POST", f"{path}/secret", {}),
        ("POST", f"{path}/approve", known),
        ("POST", f"{path}/withdraw", known),
        ("POST", f"{path}/test", {}),
    ]


def test_t5_another_tenants_destination_is_404_on_every_route(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    desk.move_to_another_tenant(key)

    answers = [ask(caller, *route).status for route in every_route(key)]

    assert answers == [404] * 9
    assert "No destinations yet" in page(caller)
    assert desk.receiver.got == []
    with desk.runtime.sessions.begin() as session:
        row = session.get_one(Destination, key)
        assert (row.name, row.state) == ("Deploy", DestinationState.ACTIVE)


def test_every_route_of_this_list_is_a_route(app: Flask) -> None:
    key = uuid.UUID(int=0)
    known = {
        (method, rule.rule.replace("<uuid:destination_id>", str(key)))
        for rule in app.url_map.iter_rules()
        # The same views through Forge are in the tables of `test_authorisation`.
        if "destination_id" in rule.arguments
        and not rule.rule.startswith(("/forge", "/datacenter"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in every_route(key)} == known


def test_t10_who_is_no_admin_changes_and_sees_nothing(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()

    for method, path, body in [*every_route(key), ("POST", API, WHOLE)]:
        data = json.dumps(body).encode()
        token = caller.context("dee")
        assert caller.send(method, path, token=token, body=data).status == 403
    assert desk.state_of(key) is DestinationState.ACTIVE


def test_t15_a_name_is_text_and_never_markup(caller: Caller, desk: Desk) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    created = create(caller, name=nasty, environment=nasty[:28])

    for shown in (page(caller), page(caller, f"/{created['id']}")):
        assert "<img" not in shown
        assert "&lt;img" in shown
    assert words.took(999) == "999 ms"
    assert words.took(1000) == "1.0 s"
    del desk
