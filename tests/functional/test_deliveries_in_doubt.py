"""Deliveries of which nobody knows what became: never repeated blindly."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import destinations, runs
from app.destinations import Pace
from app.http import Response, SendError
from app.runs import RunState, Why
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.fakes import Wire
from tests.functional.receiving import Desk, open_desk

LOST = SendError("the answer took too long", sent=True)
BROKEN, BUSY = Response(status=500), Response(status=503)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def the_run(desk: Desk) -> Any:
    [run] = desk.runs()
    return run


@pytest.mark.parametrize("answer", [BROKEN, LOST], ids=["500", "lost"])
def test_doubtful_delivery_is_not_sent_again_blindly(
    desk: Desk, answer: Response | SendError
) -> None:
    destination_id, _ = desk.set_up(honours_delivery_id=False)
    desk.receiver.answers = [answer]

    desk.deliver(destination_id)
    for _ in range(40):
        desk.later(hours=1)

    run = the_run(desk)
    assert (run.state, run.why) == (RunState.AMBIGUOUS, Why.CANNOT_TELL)
    assert len(desk.receiver.got) == 1


def answer_person(desk: Desk, *, happened: bool) -> None:
    desk.clock.advance(timedelta(minutes=1))
    run, step = the_run(desk), desk.step()
    with desk.runtime.sessions.begin() as session:
        ids = (run.tenant_id, run.id, step.id)
        assert runs.resolve(session, *ids, happened=happened, now=desk.clock())
    desk.worker.drain()


def doubtful(desk: Desk, **changes: Any) -> None:
    """Leave one delivery to a person."""
    destination_id, _ = desk.set_up(honours_delivery_id=False, **changes)
    desk.receiver.answers = [LOST]
    desk.deliver(destination_id)


def test_person_who_found_it_there_ends_the_doubt(desk: Desk) -> None:
    doubtful(desk)

    answer_person(desk, happened=True)

    assert the_run(desk).state is RunState.SUCCEEDED
    assert len(desk.receiver.got) == 1


def test_person_who_did_not_find_it_has_it_sent_again(desk: Desk) -> None:
    doubtful(desk)

    answer_person(desk, happened=False)

    assert the_run(desk).state is RunState.SUCCEEDED
    assert len(set(desk.receiver.ids)) == 1
    assert len(desk.receiver.got) == 2


def test_persons_word_counts_days_later(desk: Desk) -> None:
    """The delivery's time begins anew with it."""
    doubtful(desk, pace=Pace.DEPLOY)
    desk.receiver.answers = [BUSY]
    desk.later(days=2)

    answer_person(desk, happened=False)
    desk.later(minutes=3)

    assert the_run(desk).state is RunState.SUCCEEDED
    assert len(desk.receiver.got) == 3


def test_persons_word_is_not_asked_for_twice(desk: Desk) -> None:
    """What was in doubt before it is settled; a refusal after it is a refusal."""
    doubtful(desk, pace=Pace.DEPLOY)
    desk.receiver.answers = [BUSY] * 9

    answer_person(desk, happened=False)
    for _ in range(20):
        desk.later(minutes=1)

    assert the_run(desk).state is RunState.FAILED


@pytest.mark.parametrize("answer", [BROKEN, LOST], ids=["500", "lost"])
def test_doubtful_delivery_is_sent_again_where_its_id_is_honoured(
    desk: Desk, answer: Response | SendError
) -> None:
    destination_id, _ = desk.set_up(honours_delivery_id=True)
    desk.receiver.answers = [answer]

    desk.deliver(destination_id)
    desk.later(seconds=75)

    assert the_run(desk).state is RunState.SUCCEEDED
    assert len(desk.receiver.got) == 2
    assert len(set(desk.receiver.ids)) == 1


def test_doubt_that_no_try_ends_is_left_to_a_person(desk: Desk) -> None:
    destination_id, _ = desk.set_up(honours_delivery_id=True, pace=Pace.DEPLOY)
    desk.receiver.answers = [BROKEN, *[BUSY] * 9]

    desk.deliver(destination_id)
    for _ in range(20):
        desk.later(minutes=1)

    assert the_run(desk).state is RunState.AMBIGUOUS


def disabled(desk: Desk, destination_id: uuid.UUID) -> None:
    with desk.runtime.sessions.begin() as session:
        found = destinations.get(session, desk.tenant_id, destination_id)
        destinations.disable(session, found, "of a test", now=desk.clock())


def deleted(desk: Desk, destination_id: uuid.UUID) -> None:
    desk.act(destinations.delete, destination_id)


def disallowed(desk: Desk, destination_id: uuid.UUID) -> None:
    desk.redefine(destination_id, project_ids=["10001"], honours_delivery_id=True)


@pytest.mark.parametrize("stop", [disabled, deleted, disallowed])
def test_doubtful_delivery_that_may_not_go_again_is_no_plain_failure(
    desk: Desk, stop: Callable[[Desk, uuid.UUID], None]
) -> None:
    destination_id, _ = desk.set_up(honours_delivery_id=True)
    desk.receiver.answers = [BROKEN]
    desk.deliver(destination_id)

    stop(desk, destination_id)
    desk.later(minutes=2)

    assert the_run(desk).state is RunState.AMBIGUOUS
    assert len(desk.receiver.got) == 1
