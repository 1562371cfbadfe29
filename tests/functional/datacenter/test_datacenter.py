"""The demo story through the third door: a self-managed Jira (docs/adr/0021)."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.rules import rule_hash
from app.runs import Run, RunState, RunStep, StepState, Why
from app.tenants import Tenant
from app.watchdog import Watchdog
from sandbox import Jira, people, wiki
from sandbox.web import causing
from tests.functional import bots, gates
from tests.functional.bots import Bot
from tests.functional.callers import BASE_URL
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, call
from tests.functional.self_managed import Office

Runs = Callable[[], list[Run]]
Steps = Callable[[], list[RunStep]]
ADA_KEY = "JIRAUSER10100"


def said(site: Jira, key: str = "DEMO-1") -> list[str]:
    """Return the comments as the sandbox keeps them: wiki markup."""
    return [c["body"]["wiki"] for c in site.issue(key).comments if c.get("properties")]


def test_rule_is_saved_on_our_page_and_carried_out(
    office: Office, jira: Jira, all_runs: Runs, all_steps: Steps
) -> None:
    listener = office.listen()
    comment = {"do": "add-comment", "body": "**Moved** by {{ actor.accountId }}"}
    move = {"do": "transition-issue", "transition": "Deployed"}
    assert office.save(listener, rule(comment, move)).status == 200
    office.place(listener)

    office.dispatch()
    office.worker.drain()

    [run] = all_runs()
    assert (run.state, run.why, run.message) == (RunState.SUCCEEDED, None, None)
    assert [step.state for step in all_steps()] == [StepState.DONE, StepState.DONE]
    assert said(jira) == [f"*Moved* by {ADA_KEY}"]
    assert jira.status_of("DEMO-1") == "Deployed"
    assert run.facts is not None
    assert (run.facts["transition_id"], run.facts["actor"]) == ("71", ADA_KEY)
    [saved] = office.history("listener-rule-saved")
    assert (saved.actor, saved.facts["version"]) == (ADA_KEY, 1)


def waiting(office: Office) -> tuple[Bot, str]:
    """Set up a gate whose delivery waits for an answer; return who may give it."""
    bot = bots.create(office)
    destination, _ = office.set_up(listener_id=bot.id)
    step = {"do": "deliver", "destination": f"d_{destination.hex}", "wait": "15m"}
    return bot, gates.gate(step)


def answer(office: Office, bot: Bot, result: str) -> int:
    told = json.loads(office.receiver.got[-1].body)["data"]
    body = {
        "run": told["run"]["id"],
        "answer_key": told["answer"]["answer_key"],
        "result": result,
    }
    sent = json.dumps(body).encode()
    shown = {"Authorization": f"Bearer {bot.token(sent, office.clock)}"}
    return call(office.app, "POST", BASE_URL + bot.path, shown, sent).status


@pytest.mark.parametrize(
    ("result", "status"),
    [("succeeded", "Deployed"), ("failed", "Deploy failed")],
)
def test_delivery_is_answered_and_that_moves_the_held_ticket(
    office: Office, jira: Jira, all_runs: Runs, result: str, status: str
) -> None:
    bot, text = waiting(office)
    listener = office.listen()
    office.save(listener, text)
    office.place(listener)
    office.dispatch()
    office.worker.drain()
    assert jira.status_of("DEMO-1") == "Deploying"
    told = json.loads(office.receiver.got[0].body)["data"]
    assert told["reported"]["transition_id"] == "71"
    assert told["actor"] == {"accountId": ADA_KEY}

    assert answer(office, bot, result) == 204
    office.worker.drain()

    assert jira.status_of("DEMO-1") == status
    assert all_runs()[0].state is RunState(result)
    comments = said(jira)
    assert bool(comments) is (result == "failed")


def test_ticket_whose_call_never_came_is_rescued_from_its_hold(
    office: Office, jira: Jira, all_runs: Runs
) -> None:
    listener = office.listen()
    office.save(listener, gates.gate())
    watchdog = Watchdog(runtime=office.runtime)
    assert watchdog.watch() == 0
    office.dispatch()
    rescued = []
    for _ in range(7):
        office.clock.advance(timedelta(minutes=5))
        rescued.append(watchdog.watch())

    assert rescued == [0, 0, 0, 0, 0, 1, 0]
    office.worker.drain()

    assert jira.status_of("DEMO-1") == "Deploy failed"
    assert all_runs()[0].why is Why.NEVER_HEARD


def test_t15_reporters_text_is_neither_link_nor_mention(
    office: Office, jira: Jira
) -> None:
    evil = (
        r"[~admin] \[~vic] \\[~vic] [x|https://evil.example] https://evil.example"
        r" !https://evil.example/x.png! DEMO-2 {noformat}[~vic] &#91;~vic&#93; h1. *b*"
    )
    body = (
        "By [~accountid:ddesigner], see [us](https://us.example): {{ issue.summary }}"
    )
    fenced = "```\n{{ issue.summary }}\n```"
    listener = office.listen()
    comments = [{"do": "add-comment", "body": text} for text in (body, fenced)]
    office.save(listener, rule(*comments))
    office.place(listener)
    issue = jira.create_issue(summary=evil)

    office.dispatch(issue.key)
    office.worker.drain()

    first, second = said(jira, issue.key)
    assert [(mark.kind, mark.target) for mark in wiki.marks(first)] == [
        ("mention", "dee"),
        ("link", "https://us.example"),
    ]
    assert wiki.marks(second) == []


def test_token_that_was_revoked_makes_the_site_unreachable(
    listening: Office, all_runs: Runs
) -> None:
    causing.cause(listening.jira, "dc-revoke-pat", {})
    listening.dispatch()
    listening.worker.drain()

    [run] = all_runs()
    assert (run.state, run.why) == (RunState.FAILED, Why.JIRA_REFUSES_US)
    with listening.runtime.sessions.begin() as session:
        tenant = session.get_one(Tenant, listening.tenant)
        assert tenant.jira_refuses_since == listening.clock()
        assert "401" in str(tenant.jira_refuses_because)


def test_watchdog_finds_that_the_token_ended_although_nothing_is_held(
    listening: Office,
) -> None:
    watchdog = Watchdog(runtime=listening.runtime)
    causing.cause(listening.jira, "dc-revoke-pat", {})

    assert watchdog.watch() == 0

    with listening.runtime.sessions.begin() as session:
        tenant = session.get_one(Tenant, listening.tenant)
        assert tenant.jira_refuses_since == listening.clock()
    assert len(listening.history("jira-refuses-us")) == 1


def test_token_is_renewed_once_jira_takes_it_and_all_is_well_again(
    listening: Office, jira: Jira, all_runs: Runs
) -> None:
    test_token_that_was_revoked_makes_the_site_unreachable(listening, all_runs)
    named = str(listening.tenant)
    bad = listening.shell("tenants", "renew-token", named, typed="no-token-of-theirs")
    assert (bad.exit_code, "does not take the token" in bad.output) == (1, True)
    fresh = jira.datacenter.access.make(people.APP, "new").raw
    good = listening.shell("tenants", "renew-token", named, typed=fresh)
    assert "token number 2" in good.output

    listening.dispatch("DEMO-2")
    listening.worker.drain()

    assert all_runs()[-1].state is RunState.SUCCEEDED
    with listening.runtime.sessions.begin() as session:
        assert session.get_one(Tenant, listening.tenant).jira_refuses_since is None


def test_t1_call_is_carried_out_by_the_version_that_it_came_for(
    listening: Office, jira: Jira, all_runs: Runs
) -> None:
    [webhook] = jira.datacenter.kept.webhooks
    listener = webhook.url.rpartition("/")[2]
    listening.dispatch()
    other = rule({"do": "add-comment", "body": "Second"})
    assert listening.save(uuid.UUID(listener), other, over=0).status == 409
    assert listening.save(uuid.UUID(listener), other, over=1).status == 200
    listening.worker.drain()
    listening.dispatch("DEMO-2")
    listening.worker.drain()

    assert (said(jira), said(jira, "DEMO-2")) == (["Hello"], ["Second"])
    assert len({run.rule_hash for run in all_runs()}) == 2


def test_t1_rule_that_the_listener_never_had_is_not_carried_out(
    listening: Office, jira: Jira, all_runs: Runs
) -> None:
    """Attack: who can write the database gives a run another rule before its turn."""
    listening.dispatch()
    text = rule({"do": "add-comment", "body": "Swapped"})
    with listening.runtime.sessions.begin() as session:
        run = session.scalars(sa.select(Run)).one()
        run.config, run.rule_hash = text, rule_hash(text)
    listening.worker.drain()

    assert (all_runs()[0].state, all_runs()[0].why) == (
        RunState.UNCONFIRMED,
        Why.NO_SUCH_RULE,
    )
    assert said(jira) == []


def test_t1_rule_of_a_listener_that_was_deleted_is_not_carried_out(
    listening: Office, all_runs: Runs
) -> None:
    listening.dispatch()
    [webhook] = listening.jira.datacenter.kept.webhooks
    listener = webhook.url.rpartition("/")[2]
    path = f"/datacenter/api/v1/listeners/{listener}"
    assert listening.send("DELETE", path).status == 204
    listening.worker.drain()

    assert all_runs()[0].why is Why.NO_SUCH_RULE
    listening.dispatch("DEMO-2")
    assert len(all_runs()) == 1


def test_t2_token_id_is_good_once_whatever_comes_with_it(
    office: Office, all_runs: Runs, clock: Clock
) -> None:
    listener = office.listen(proof="jira-secret", issuer="jira.example")
    office.save(listener, rule())
    url, secret = f"{BASE_URL}/listeners/{listener}", office.secrets[str(listener)]
    statuses = []
    for number in ("10100", "10101"):
        move = {"from_status": "In Review", "to_status": "Deploying"}
        body = json.dumps({"issue": {"id": number}, "transition": move}).encode()
        bot = Bot(listener, secret)
        token = bot.token(body, clock, iss="jira.example", jti="j-1")
        shown = {"Authorization": f"Bearer {token}"}
        statuses.append(call(office.app, "POST", url, shown, body).status)

    assert statuses == [204, 204]
    assert [run.issue_id for run in all_runs()] == ["10100"]
