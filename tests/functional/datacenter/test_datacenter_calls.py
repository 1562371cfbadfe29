"""What a self-managed Jira sends, and what is made of calls that are not right."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import AuditEvent
from app.http import Response
from app.runs import Run, RunState, RunStep, Why
from app.tokens.checks import Reason
from sandbox import Jira
from sandbox.datacenter import signing
from sandbox.web import causing
from tests.functional.bots import Bot
from tests.functional.callers import BASE_URL
from tests.functional.conftest import Heard, rule
from tests.functional.fakes import Clock, call
from tests.functional.self_managed import DISPATCH, Office

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
ADA_KEY = "JIRAUSER10100"


def refused(office: Office) -> list[tuple[str, str]]:
    events = office.history("verification-refused")
    return [(str(e.facts["reason"]), str(e.facts["detail"])) for e in events]


def test_stale_webhook_is_refused_and_says_by_how_much(
    listening: Office, all_runs: Runs
) -> None:
    done = causing.cause(listening.jira, "dc-stale-timestamp", {})

    assert done.status == 401
    assert refused(listening) == [("stale", "stale by 300 s: check the clocks")]
    assert all_runs() == []


@pytest.mark.parametrize("mishap", ["dc-tampered-body", "dc-wrong-secret"])
def test_t13_body_that_was_swapped_proves_nothing(
    listening: Office, all_runs: Runs, mishap: str
) -> None:
    assert causing.cause(listening.jira, mishap, {}).status == 401

    assert all_runs() == []
    with listening.runtime.sessions.begin() as session:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind == "verification-refused")
        [event] = session.scalars(wanted)
        # Nobody proved that it was the tenant's Jira, so it stands in no tenant's log.
        assert (event.tenant_id, event.facts["reason"]) == (None, "bad-signature")


def test_t2_replay_within_its_time_is_counted_and_later_refused(
    listening: Office, all_runs: Runs, clock: Clock
) -> None:
    listening.dispatch()
    assert causing.cause(listening.jira, "dc-send-twice", {}).status == 204
    assert len(listening.history("verification-duplicate")) == 1

    clock.advance(timedelta(minutes=6))
    assert causing.cause(listening.jira, "dc-send-twice", {}).status == 401

    assert refused(listening) == [("stale", "stale by 60 s: check the clocks")]
    assert len(all_runs()) == 1


def test_t2_webhook_that_jira_names_again_is_counted_whatever_its_time(
    listening: Office, all_runs: Runs, heard: list[Heard]
) -> None:
    listening.dispatch()
    _, url, headers, body = heard[-1]
    [webhook] = listening.jira.datacenter.kept.webhooks
    later = json.loads(body) | {"timestamp": json.loads(body)["timestamp"] + 1000}
    named = {
        "X-Atlassian-Webhook-Identifier": headers["X-Atlassian-Webhook-Identifier"]
    }

    again = send(listening, url, webhook.secret, later, **named)
    other = send(listening, url, webhook.secret, later)

    assert (again.status, other.status) == (204, 204)
    assert len(listening.history("verification-duplicate")) == 1
    assert len(all_runs()) == 2


MOVE = {"from_status": "In Review", "to_status": "Deploying"}
STATUS = {"field": "status", "fromString": "In Review", "toString": "Deploying"}
CUSTOM = STATUS | {"fieldtype": "custom"}
ABOUT: dict[str, tuple[dict[str, object], int, int]] = {
    "post function": ({"transition": MOVE | {"transitionId": 71}}, 204, 1),
    "in other letters": ({"transition": MOVE | {"to_status": "DEPLOYING"}}, 204, 1),
    "another number": ({"transition": MOVE | {"transitionId": 72}}, 204, 0),
    "another workflow": ({"transition": MOVE | {"workflowName": "Other"}}, 204, 0),
    "from elsewhere": ({"transition": MOVE | {"from_status": "Done"}}, 204, 0),
    "to elsewhere": ({"transition": MOVE | {"to_status": "Done"}}, 204, 0),
    "webhook": ({"changelog": {"items": [STATUS]}}, 204, 1),
    "no status": ({"changelog": {"items": [{"field": "summary"}, 7]}}, 204, 0),
    "a field of that name": ({"changelog": {"items": [CUSTOM]}}, 204, 0),
    "beside such a field": (
        {"changelog": {"items": [CUSTOM | {"toString": "x"}, STATUS]}},
        204,
        1,
    ),
    "no change": ({"changelog": 7}, 204, 0),
    "new": ({"webhookEvent": "jira:issue_created"}, 400, 0),
    "odd": ({"transition": MOVE | {"transitionId": []}}, 400, 0),
    "no issue": ({"transition": MOVE, "issue": {}}, 400, 0),
}
"""What is said beside issue and time; what is answered; how many runs come of it."""


@pytest.mark.parametrize("which", ABOUT)
def test_listener_hears_of_its_own_transition_alone(
    office: Office, all_runs: Runs, which: str
) -> None:
    listener = office.listen(from_status="In Review")
    said, status, count = ABOUT[which]
    url, secret = f"{BASE_URL}/listeners/{listener}", office.secrets[str(listener)]
    now = int(office.clock().timestamp() * 1000)

    body: dict[str, object] = {"timestamp": now, "issue": {"id": "1"}}
    answer = send(office, url, secret, body | said)

    assert (answer.status, len(all_runs())) == (status, count)


def test_issue_that_is_made_in_its_status_is_a_transition_too(
    office: Office, jira: Jira, all_runs: Runs
) -> None:
    create = {"transition": "Create", "transition_id": "1", "to_status": "To Do"}
    listener = office.listen(**create)
    office.save(listener, rule())
    office.place(listener, transition="", events=("jira:issue_created",))

    issue = jira.create_issue(summary="New")
    jira.deliver_pending()
    office.worker.drain()

    [run] = all_runs()
    assert (run.state, run.issue_key) == (RunState.SUCCEEDED, issue.key)
    assert run.facts is not None
    assert (run.facts["from"], run.facts["to"]) == ("", "To Do")


def test_t1_issue_that_jira_does_not_know_leaves_the_run_unconfirmed(
    listening: Office, jira: Jira, all_runs: Runs
) -> None:
    listening.jira.set_status("DEMO-1", "In Review")
    listening.jira.transition("DEMO-1", "Dispatch")
    jira.delete_issue("DEMO-1")
    jira.deliver_pending()
    listening.worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_ISSUE)


def test_t1_transition_that_was_never_made_is_not_confirmed(
    listening: Office, all_runs: Runs
) -> None:
    """Attack: who knows the secret says what he likes. Jira's history decides."""
    webhook = listening.jira.datacenter.kept.webhooks[0]
    body = {
        "timestamp": int(listening.clock().timestamp() * 1000),
        "issue": {"id": listening.jira.issue("DEMO-1").id},
        "transition": {"from_status": "In Review", "to_status": "Deploying"},
    }
    send(listening, webhook.url, webhook.secret, body)
    listening.worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.UNCONFIRMED, Why.NO_SUCH_CHANGE)


def send(office: Office, url: str, secret: str, body: object, **named: str) -> Response:
    sent = json.dumps(body).encode()
    headers = {"X-Hub-Signature": signing.signature(secret, sent), **named}
    return call(office.app, "POST", url, headers, sent)


def test_webhook_about_something_else_is_taken_and_does_nothing(
    office: Office, all_runs: Runs
) -> None:
    listener = office.listen()
    office.save(listener, rule())
    office.place(listener, transition="", events=("jira:issue_updated",))

    office.jira.transition("DEMO-1", "Deployment failed")
    office.jira.deliver_pending()
    assert (all_runs(), refused(office)) == ([], [])

    office.dispatch()
    office.worker.drain()
    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]


def test_listener_without_a_rule_says_so_on_the_run(
    office: Office, all_runs: Runs
) -> None:
    office.place(office.listen())

    office.dispatch()
    office.worker.drain()

    assert (all_runs()[0].state, all_runs()[0].why) == (
        RunState.FAILED,
        Why.BROKEN_RULE,
    )


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_script_of_the_site_brings_a_token(
    office: Office, jira: Jira, all_runs: Runs, algorithm: str
) -> None:
    values: dict[str, Any] = DISPATCH | {"issuer": "jira.example"}
    if algorithm == "HS256":
        values |= {"proof": "jira-secret"}
    else:
        pem = jira.datacenter.public_key(algorithm)
        values |= {"proof": "jira-key", "public_key": pem}
    listener = office.listen(**values)
    office.save(listener, rule())
    script = jira.datacenter.add_script(
        f"{BASE_URL}/listeners/{listener}",
        issuer="jira.example",
        algorithm=algorithm,
        secret=office.secrets[str(listener)] or "",
    )
    jira.datacenter.place("Dispatch", script)

    office.dispatch()
    office.worker.drain()
    again = causing.cause(jira, "dc-send-twice", {})

    assert [run.state for run in all_runs()] == [RunState.SUCCEEDED]
    assert (again.status, len(office.history("verification-duplicate"))) == (204, 1)


def test_token_of_ten_minutes_is_refused(office: Office, clock: Clock) -> None:
    listener = office.listen(proof="jira-secret", issuer="jira.example")
    secret, now = office.secrets[str(listener)], int(clock().timestamp())
    token = Bot(listener, secret).token(b"{}", clock, iss="jira.example", exp=now + 600)
    shown = {"Authorization": f"Bearer {token}"}

    url = f"{BASE_URL}/listeners/{listener}"
    assert call(office.app, "POST", url, shown, b"{}").status == 401
    assert refused(office)[0][0] == Reason.LIFETIME
