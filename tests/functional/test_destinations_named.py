"""Destinations where rules and runs name them: the editor, the view, the run's row."""

import html
import json
import re
import shlex
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import destinations, vault
from app.destinations import pause
from app.http import Request, Response
from app.runtime import Runtime
from app.steps.deliver import reference
from app.tenants import State, Tenant, TenantIdentity
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import (
    CHECK,
    EDITOR,
    NEW,
    VIEW,
    fetched,
    post,
    run_shown,
    text,
)
from tests.functional.receiving import Desk, open_desk, token_of


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def delivering(key: uuid.UUID, inputs: Any = None) -> dict[str, Any]:
    step = {"do": "deliver", "destination": reference(key)}
    return step | ({} if inputs is None else {"inputs": inputs})


def check(caller: Caller, *steps: dict[str, Any]) -> dict[str, Any]:
    answer = post(caller, CHECK, {"rule": NEW | {"steps": list(steps)}})
    found: dict[str, Any] = json.loads(answer.body)
    return found


def problems(caller: Caller, *steps: dict[str, Any]) -> dict[str, str]:
    return {p["key"]: p["message"] for p in check(caller, *steps)["problems"]}


def test_editor_offers_the_tenants_destinations_by_name(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(name="Deploy production")
    waiting, _ = desk.set_up(name="Waits")
    gone, _ = desk.set_up(name="Deleted one")
    desk.act(pause, waiting)
    desk.act(destinations.delete, gone)

    page = text(post(caller, EDITOR, {"value": ""}))

    assert f'<option value="{reference(key)}">Deploy production</option>' in page
    assert f'<option value="{reference(waiting)}">Waits (paused)</option>' in page
    assert "Deleted one" not in page
    assert '<template id="new-pair">' in page


def test_editor_is_filled_with_the_stored_destination_and_its_inputs(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    inputs = {"version": "{{ issue.key }}", "who": '"me" <b>'}

    page = text(post(caller, EDITOR, {"value": rule(delivering(key, inputs))}))

    assert f'<option value="{reference(key)}" selected>Deploy</option>' in page
    assert 'value="version"' in page
    assert 'value="{{ issue.key }}"' in page
    assert "&#34;me&#34; &lt;b&gt;" in page


def test_stored_destination_that_was_deleted_is_shown_as_gone(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    desk.act(destinations.delete, key)

    page = text(post(caller, EDITOR, {"value": rule(delivering(key))}))

    expected = f'<option value="{reference(key)}" selected>One that is no longer there<'
    assert expected in page


def test_check_names_the_destination_in_its_sentence(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(name="Deploy production")

    checked = check(caller, delivering(key), {"do": "add-label", "label": "sent"})

    said = "It will deliver to “Deploy production”, then add the label “sent”."
    assert checked["summary"].startswith(said)
    assert checked["hints"] == []
    assert json.loads(checked["value"])["steps"][0] == delivering(key)


def deleted(desk: Desk) -> uuid.UUID:
    key, _ = desk.set_up()
    desk.act(destinations.delete, key)
    return key


def unknown(_: Desk) -> uuid.UUID:
    return uuid.uuid4()


def another_tenants(desk: Desk) -> uuid.UUID:
    key, _ = desk.set_up()
    desk.move_to_another_tenant(key)
    return key


@pytest.mark.parametrize("made", [deleted, unknown, another_tenants])
def test_t5_check_refuses_a_destination_that_is_not_there(
    caller: Caller, desk: Desk, made: Any
) -> None:
    step = delivering(made(desk))

    found = problems(caller, {"do": "add-label", "label": "x"}, step)

    assert found == {
        "steps[1].destination": "this destination is no longer there: choose another"
    }


def test_check_asks_for_a_destination(caller: Caller, desk: Desk) -> None:
    step = {"do": "deliver", "destination": ""}

    assert problems(caller, step) == {"steps[0].destination": "it is empty"}
    del desk


def test_paused_and_protected_are_hints_and_no_errors(
    caller: Caller, desk: Desk
) -> None:
    paused, _ = desk.set_up(name="Waits")
    protected, _ = desk.set_up(name="Guarded", is_protected=True)
    desk.act(pause, paused)

    checked = check(caller, delivering(paused), delivering(protected))

    assert "value" in checked
    assert len(checked["hints"]) == 2
    assert "“Waits” is paused" in checked["hints"][0]
    assert "“Guarded” is protected" in checked["hints"][1]


def test_two_inputs_of_one_name_are_refused_not_lost(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()

    found = problems(caller, delivering(key, [["version", "1"], ["version", "2"]]))

    assert found["steps[0].inputs"] == "two of them have the same name"


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        ({"no spaces please": "1"}, "steps[0].inputs"),
        ({"version": "{{ secret.key }}"}, "steps[0].inputs.version"),
    ],
)
def test_bad_input_is_named(
    caller: Caller, desk: Desk, inputs: dict[str, str], key: str
) -> None:
    destination, _ = desk.set_up()

    found = problems(caller, delivering(destination, inputs))

    assert any(name.startswith(key) for name in found)


def test_view_names_the_destination_and_its_inputs(caller: Caller, desk: Desk) -> None:
    key, _ = desk.set_up(name="Deploy production")
    stored = rule(delivering(key, {"version": "{{ issue.key }}"}))

    page = re.sub(r"\s+", " ", text(post(caller, VIEW, {"value": stored})))

    assert "It will deliver to “Deploy production”." in page
    assert "<span>Deliver to “Deploy production”</span>" in page
    assert "<dt>Input version</dt> <dd>{{ issue.key }}</dd>" in page
    assert "d_" not in page


def test_view_says_that_a_destination_is_not_there(caller: Caller, desk: Desk) -> None:
    gone, _ = desk.set_up(name="Old")
    desk.act(destinations.delete, gone)
    stored = rule(delivering(gone), delivering(uuid.uuid4()))

    page = text(post(caller, VIEW, {"value": stored}))

    assert "Deliver to “Old”, which was deleted" in page
    assert "Deliver to a destination that is not there" in page


def echoing(request: Request) -> Response:
    headers = {"X-Echo": token_of(request)}
    return Response(status=202, headers=headers, body=b"taken <b>over</b>")


def exchanges(page: str) -> list[str]:
    return re.findall(r'data-load="(attempts/[0-9a-f-]{36})"', page)


def test_t8_run_shows_what_a_delivery_sent_and_was_answered(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(name="Deploy production")
    desk.receiver.answers = [Response(status=503), echoing]
    desk.deliver(key)
    desk.later(minutes=10)

    page = run_shown(caller)
    assert "<h2>Deliver to “Deploy production”</h2>" in page
    assert "2 attempts" in page
    assert len(re.findall(r"<span>\d+ ms</span>", page)) == 2
    first, second = exchanges(page)
    assert "503" in text(fetched(caller, first))
    answered = text(fetched(caller, second))
    assert "POST https://deploy.example/in" in answered
    assert "Authorization: Bearer (hidden)" in answered
    assert "X-Echo: (hidden)" in answered
    assert "taken &lt;b&gt;over&lt;/b&gt;" in answered
    assert "eyJ" not in answered


def test_t13_delivery_is_copied_as_a_command_without_its_proof(
    caller: Caller, desk: Desk
) -> None:
    headers = {"X-Api-Key": "very-secret-key"}
    key, _ = desk.set_up(url="https://deploy.example/in?key=hush-hush", headers=headers)
    desk.deliver(key)
    [sent] = desk.receiver.got

    [path] = exchanges(run_shown(caller))
    answered = text(fetched(caller, path))

    [shown] = re.findall(r'id="copy-curl-[^"]*" [^>]*? value="([^"]*)"', answered)
    command = shlex.split(html.unescape(shown))
    assert "https://deploy.example/in" in command
    assert command[command.index("--data-raw") + 1] == sent.body.decode()
    assert f"webhook-id: {sent.headers['webhook-id']}" in command
    assert "It lacks X-Api-Key, Authorization" in answered
    for hidden in ("very-secret-key", "hush-hush", token_of(sent)):
        assert hidden not in html.unescape(answered)


def test_step_in_jira_has_nothing_to_show_of_what_was_sent(
    caller: Caller, desk: Desk
) -> None:
    desk.jira.add_post_function("Start progress", rule())
    desk.fire()
    desk.worker.drain()

    assert exchanges(run_shown(caller)) == []


def test_t5_another_tenants_attempt_is_404(
    caller: Caller, desk: Desk, runtime: Runtime
) -> None:
    key, _ = desk.set_up()
    desk.deliver(key)
    [path] = exchanges(run_shown(caller))
    assert fetched(caller, path).status == 200

    become_another_tenant(runtime)

    assert fetched(caller, path).status == 404
    assert fetched(caller, f"attempts/{uuid.uuid4()}").status == 404


def become_another_tenant(runtime: Runtime) -> None:
    """Let the site that calls be another tenant than the one that delivered."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        old = session.scalars(sa.select(Tenant)).one()
        [opened] = vault.accepted(session, runtime.keyring, old.shared_secret, now=now)
        new = Tenant(
            id=uuid.uuid4(),
            state=State.ACTIVE,
            base_url=old.base_url,
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        session.add(new)
        session.flush()
        vault.put(session, runtime.keyring, new.shared_secret, opened.secret, now=now)
        session.execute(sa.update(TenantIdentity).values(tenant_id=new.id))


def test_person_is_asked_to_look_at_the_receiver(caller: Caller, desk: Desk) -> None:
    key, _ = desk.set_up()
    desk.receiver.answers = [Response(status=500)]
    desk.deliver(key)

    page = run_shown(caller)

    assert "Please look at the receiver whether it came" in page
    assert "Countersign asked Jira for this" not in page
