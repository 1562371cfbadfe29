"""Which deliveries may go, and when: T7's gates, turns, the breaker, the bucket."""

import itertools
import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app import destinations, rules
from app.destinations import DestinationState, approve, withdraw
from app.destinations.health import PROBE
from app.http import Request, Response
from app.runs import RunState
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.fakes import Wire
from tests.functional.receiving import DEMO, Desk, open_desk

BUSY, DENIED = Response(status=503), Response(status=401)
OPS_ONLY = ["10001"]


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def failure_of(desk: Desk) -> str:
    """Return why the one run failed, with nothing sent and nothing minted for it."""
    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert desk.receiver.got == []
    assert desk.events("token-minted") == []
    [refused] = desk.events("delivery-refused")
    assert refused["run"] == str(run.id)
    assert str(refused["reason"]) in str(run.message)
    return str(run.message)


def test_t7_project_that_is_not_allowed_gets_nothing(desk: Desk) -> None:
    destination_id, _ = desk.set_up(project_ids=OPS_ONLY)

    desk.deliver(destination_id)

    assert "not allowed for this project" in failure_of(desk)


def test_t7_project_is_judged_at_every_mint(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [BUSY]
    desk.deliver(destination_id)

    desk.redefine(destination_id, project_ids=OPS_ONLY)
    desk.later(seconds=10)

    [run] = desk.runs()
    assert "not allowed for this project" in str(run.message)
    assert len(desk.receiver.got) == 1


def test_t7_issue_that_was_moved_since_is_not_what_was_confirmed(desk: Desk) -> None:
    """Attack: a rule of one project is let loose on an issue moved to another."""
    destination_id, _ = desk.set_up(project_ids=[DEMO, *OPS_ONLY])
    desk.receiver.answers = [BUSY]
    desk.deliver(destination_id)

    desk.jira.issue("DEMO-1").project = "OPS"
    desk.later(seconds=10)

    [run] = desk.runs()
    assert "moved to another project" in str(run.message)
    assert len(desk.receiver.got) == 1


def test_t7_protected_destination_wants_an_admins_word(desk: Desk) -> None:
    destination_id, _ = desk.set_up(is_protected=True)

    desk.deliver(destination_id)

    assert "no admin approved this rule" in failure_of(desk)


def test_t7_approved_rule_delivers(desk: Desk) -> None:
    destination_id, _ = desk.set_up(is_protected=True)
    text = desk.rule(destination_id)
    desk.act(approve, destination_id, rules.rule_hash(text))

    desk.deliver(destination_id)

    assert len(desk.receiver.got) == 1


def test_t7_approval_is_for_that_text_of_the_rule_alone(desk: Desk) -> None:
    destination_id, _ = desk.set_up(is_protected=True)
    text = desk.rule(destination_id)
    desk.act(approve, destination_id, rules.rule_hash(text))

    desk.deliver(destination_id, name="Another text")

    assert "no admin approved this rule" in failure_of(desk)


def test_t7_approval_can_be_taken_back(desk: Desk) -> None:
    destination_id, _ = desk.set_up(is_protected=True)
    rule_hash = rules.rule_hash(desk.rule(destination_id))
    desk.act(approve, destination_id, rule_hash)
    desk.act(withdraw, destination_id, rule_hash)

    desk.deliver(destination_id)

    assert "no admin approved this rule" in failure_of(desk)


def other_tenants(desk: Desk) -> uuid.UUID:
    """Let the destination belong to a site that was here before."""
    destination_id, _ = desk.set_up()
    desk.move_to_another_tenant(destination_id)
    return destination_id


def deleted(desk: Desk) -> uuid.UUID:
    destination_id, _ = desk.set_up()
    desk.act(destinations.delete, destination_id)
    return destination_id


def unknown(desk: Desk) -> uuid.UUID:
    del desk
    return uuid.uuid4()


@pytest.mark.parametrize("made", [other_tenants, deleted, unknown])
def test_t5_t7_destination_that_is_not_the_tenants_is_not_there(
    desk: Desk, made: Callable[[Desk], uuid.UUID]
) -> None:
    desk.deliver(made(desk))

    assert "no such destination" in failure_of(desk)


def test_uninstalled_site_gets_no_token_any_more(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [BUSY]
    desk.deliver(destination_id)

    assert desk.jira.uninstall().is_good
    desk.later(hours=40)

    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert len(desk.events("token-minted")) == len(desk.receiver.got) == 1


def many(desk: Desk, count: int) -> None:
    """Fire the rule for as many issues, and let two workers do what is due."""
    for _ in range(count):
        issue = desk.jira.create_issue(user="dee", summary="One of many")
        desk.jira.transition(issue.key, "Start progress")
    desk.jira.deliver_pending()
    both(desk)


def both(desk: Desk) -> None:
    """Let two workers, each with its own sessions, take turns until nothing is due."""
    other = Worker(runtime=desk.runtime)
    while desk.worker.step() | other.step():
        pass


def test_breaker_is_shared_by_all_workers(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.receiver.answers = [BUSY] * 100

    many(desk, 9)

    assert len(desk.receiver.got) == 5
    assert all(run.state is RunState.RUNNING for run in desk.runs())


def test_one_delivery_finds_out_and_then_all_go(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)

    def while_others_ask(request: Request) -> Response:
        del request
        both(desk)
        return BUSY

    desk.receiver.answers = [*[BUSY] * 5, while_others_ask]
    many(desk, 9)

    desk.clock.advance(PROBE * 1.2)
    both(desk)
    assert len(desk.receiver.got) == 6
    for _ in range(12):
        desk.clock.advance(PROBE)
        both(desk)

    assert {run.state for run in desk.runs()} == {RunState.SUCCEEDED}
    assert len(set(desk.receiver.ids)) == 9
    assert len(desk.events("destination-recovered")) == 1


def test_two_denials_open_the_breaker(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.receiver.answers = [DENIED] * 9

    many(desk, 5)

    assert len(desk.receiver.got) == 2


def test_bucket_spreads_deliveries_over_minutes(desk: Desk) -> None:
    destination_id, _ = desk.set_up(per_minute=3)
    desk.publish(destination_id)

    many(desk, 8)
    went = [len(desk.receiver.got)]
    for _ in range(3):
        desk.clock.advance(PROBE)
        both(desk)
        went.append(len(desk.receiver.got))

    assert went[0] == 3
    assert went[-1] == 8
    assert all(after - before <= 3 for before, after in itertools.pairwise(went))


def test_deliveries_of_one_issue_keep_their_order(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.receiver.answers = [BUSY]

    desk.fire()
    desk.worker.drain()
    desk.later(seconds=1)
    desk.fire()
    both(desk)
    assert len(desk.receiver.got) == 1
    for _ in range(4):
        desk.clock.advance(timedelta(seconds=6))
        both(desk)

    [first, again, second] = desk.receiver.ids
    assert first == again != second
    assert all(run.state is RunState.SUCCEEDED for run in desk.runs())


def test_delivery_waits_for_an_earlier_one_that_is_not_confirmed_yet(
    desk: Desk, wire: Wire
) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.fire()
    desk.clock.advance(timedelta(seconds=1))
    desk.fire()

    wire.before = [BUSY]  # Jira, asked about the first
    both(desk)
    for _ in range(4):
        desk.clock.advance(timedelta(seconds=6))
        both(desk)

    sent = [json.loads(request.body)["data"]["run"] for request in desk.receiver.got]
    assert [run["id"] for run in sent] == [str(run.id) for run in desk.runs()]


def test_other_issue_does_not_wait_for_its_turn(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.receiver.answers = [BUSY]

    desk.fire()
    desk.worker.drain()
    desk.fire("DEMO-3")
    desk.worker.drain()

    assert len(set(desk.receiver.ids)) == 2


def test_failed_delivery_does_not_hold_up_the_next(desk: Desk) -> None:
    destination_id, _ = desk.set_up()
    desk.publish(destination_id)
    desk.receiver.answers = [Response(status=400)]

    desk.fire()
    desk.worker.drain()
    desk.later(seconds=1)
    desk.fire()
    desk.worker.drain()

    assert [run.state for run in desk.runs()] == [RunState.FAILED, RunState.SUCCEEDED]
    assert desk.state_of(destination_id) is DestinationState.ACTIVE
