"""T17: a build says how it ended, by its own identity, and only that moves the run."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import listeners
from app.audit import AuditEvent, Change
from app.http import Request, SendError
from app.listeners.defining import SecretProof
from app.listeners.presets import GitHubProof
from app.runs import RunState, StepAnswer, StepState
from app.runtime import Runtime
from app.tokens.checks import Reason
from app.worker import Worker
from sandbox import Jira
from sandbox.github import GitHub, forgeries
from sandbox.github.build import Build
from sandbox.github.repository import SHOP
from tests.functional import bots
from tests.functional.conftest import BASE_URL, Heard
from tests.functional.fakes import Answer, Wire, call
from tests.functional.receiving import Desk, open_desk
from tests.functional.test_github import deliver, set_up

REASONS = {
    "wrong-key": Reason.UNKNOWN_ANSWER,
    "other-repository": Reason.WRONG_CLAIM,
    "other-owner": Reason.WRONG_CLAIM,
    "pull-request": Reason.WRONG_CLAIM,
    "other-branch": Reason.WRONG_CLAIM,
    "other-workflow": Reason.WRONG_CLAIM,
    "wrong-audience": Reason.WRONG_AUDIENCE,
    "other-run": Reason.WRONG_PROVIDER_RUN,
    "other-issuer": Reason.WRONG_ISSUER,
    "other-signer": Reason.BAD_SIGNATURE,
    "expired": Reason.EXPIRED,
}


@pytest.fixture
def desk(
    runtime: Runtime,
    app: Flask,
    site: Jira,
    worker: Worker,
    wire: Wire,
    github: GitHub,
) -> Desk:
    del github
    return open_desk(runtime, app, site, worker, wire)


def listen(desk: Desk, name: str = "Shop's workflow") -> uuid.UUID:
    """Have an admin let the shop's workflow answer."""
    definition = GitHubProof(
        name=name,
        repository=SHOP.full_name,
        repository_id=str(SHOP.id),
        repository_owner_id=str(SHOP.owner_id),
        workflow="deploy.yml",
    )
    with desk.runtime.sessions.begin() as session:
        made, _ = listeners.create(
            session, desk.runtime.keyring, desk.change(), definition
        )
    return made


@pytest.fixture
def destination_id(desk: Desk, github: GitHub) -> uuid.UUID:
    return set_up(desk, github, listener_id=listen(desk))


@pytest.fixture
def build(desk: Desk, github: GitHub, destination_id: uuid.UUID) -> Build:
    """A build whose rule waits for its answer."""
    deliver(desk, destination_id, wait="15m")
    [made] = github.builds
    made.start()
    return made


def answers(desk: Desk) -> list[StepAnswer]:
    with desk.runtime.sessions.begin() as session:
        found = list(session.scalars(sa.select(StepAnswer).order_by(StepAnswer.id)))
        session.expunge_all()
    return found


def refused_for(desk: Desk) -> list[Any]:
    wanted = sa.select(AuditEvent).where(AuditEvent.kind == "verification-refused")
    with desk.runtime.sessions.begin() as session:
        rows = session.scalars(wanted.order_by(AuditEvent.id))
        return [row.facts["reason"] for row in rows]


def say(desk: Desk, build: Build, bot: bots.Bot) -> int:
    """Let a bot say of the build, with its very key, that it worked."""
    said = {
        "run": build.run.countersign.run,
        "answer_key": build.run.countersign.answer_key,
        "result": "succeeded",
    }
    body = json.dumps(said).encode()
    headers = {"Authorization": f"Bearer {bot.token(body, desk.clock)}"}
    return call(desk.app, "POST", f"{BASE_URL}{bot.path}", headers, body).status


def test_build_that_says_it_worked_ends_the_wait_at_once(
    desk: Desk, build: Build
) -> None:
    assert build.answer() == 204
    desk.worker.drain()

    [said] = answers(desk)
    assert desk.step().state is StepState.DONE
    assert desk.runs()[0].state is RunState.SUCCEEDED
    assert (said.counts, said.result) == (True, "succeeded")
    assert said.claims["run_id"] == str(build.id)
    assert said.claims["repository_id"] == str(SHOP.id)
    [event] = desk.events("answer-counted")
    assert event["run"] == str(desk.runs()[0].id)


def test_build_that_says_it_failed_fails_the_rule(desk: Desk, build: Build) -> None:
    assert build.answer(result="failed", message="exit 1") == 204
    desk.worker.drain()

    assert desk.step().state is StepState.FAILED
    assert desk.step().message == "a listener said that it failed"
    assert desk.runs()[0].state is RunState.FAILED


@pytest.mark.parametrize("name", REASONS)
def test_t17_forged_answer_changes_nothing(desk: Desk, build: Build, name: str) -> None:
    status = forgeries.answer(build, name)
    desk.worker.drain()

    assert status == 401
    assert refused_for(desk) == [REASONS[name]]
    assert answers(desk) == []
    assert desk.step().state is StepState.WAITING
    assert build.answer() == 204, "the true one still counts"


def test_t17_answer_without_a_key_is_none(desk: Desk, build: Build) -> None:
    assert forgeries.answer(build, "no-key") == 400

    assert answers(desk) == []


def test_t17_answer_that_is_sent_again_counts_once(
    desk: Desk, build: Build, heard: list[Heard]
) -> None:
    build.answer()
    desk.worker.drain()

    method, url, headers, body = heard[-1]
    assert call(desk.app, method, url, headers, body).status == 204
    assert build.answer(result="failed") == 204
    desk.worker.drain()

    assert desk.runs()[0].state is RunState.SUCCEEDED
    assert [(said.counts, said.result) for said in answers(desk)] == [
        (True, "succeeded"),
        (False, "failed"),
    ]


def test_t17_late_answer_is_kept_and_changes_nothing(desk: Desk, build: Build) -> None:
    desk.later(minutes=16)
    assert desk.runs()[0].state is RunState.FAILED

    assert build.answer() == 204
    desk.worker.drain()

    [said] = answers(desk)
    assert not said.counts
    assert desk.runs()[0].state is RunState.FAILED
    assert len(desk.events("answer-late")) == 1


def test_t17_answer_is_late_also_where_no_worker_had_time_to_say_so(
    desk: Desk, build: Build
) -> None:
    desk.clock.advance(timedelta(hours=5))

    assert build.answer() == 204
    desk.worker.drain()

    [said] = answers(desk)
    assert not said.counts
    assert desk.runs()[0].state is RunState.FAILED


def test_t17_listener_that_the_destination_does_not_name_is_refused(
    desk: Desk, build: Build
) -> None:
    """Attack: whoever may speak for one build speaks for all of them."""
    assert say(desk, build, bots.create(desk)) == 401
    assert refused_for(desk) == [Reason.WRONG_LISTENER]
    assert answers(desk) == []


def test_t5_another_tenants_listener_answers_nothing_of_ours(
    desk: Desk, build: Build
) -> None:
    other_id = desk.another_tenant()
    definition = SecretProof(name="Theirs", issuer=bots.BOT["issuer"])
    change = Change(tenant_id=other_id, actor="eve", now=desk.clock())
    with desk.runtime.sessions.begin() as session:
        theirs, secret = listeners.create(
            session, desk.runtime.keyring, change, definition
        )
    assert secret is not None
    bot = bots.Bot(theirs, secret.reveal())

    assert say(desk, build, bot) == 401
    assert refused_for(desk) == [Reason.UNKNOWN_ANSWER]
    assert answers(desk) == []


def test_run_that_is_known_by_its_id_alone_cannot_be_answered(
    desk: Desk, build: Build
) -> None:
    """Attack: the id of a run stands in logs and links."""
    assert build.answer(answer_key=str(uuid.uuid4()).replace("-", "")) == 401

    assert desk.step().state is StepState.WAITING


@pytest.mark.parametrize("manner", ["drop", "502"])
def test_answer_proves_that_a_start_without_a_clear_answer_came(
    desk: Desk, github: GitHub, destination_id: uuid.UUID, manner: str
) -> None:
    github.behave(manner, 1)
    deliver(desk, destination_id, wait="15m")
    [build] = github.builds
    build.start()
    assert desk.step().state is StepState.WAITING

    assert build.answer() == 204
    desk.worker.drain()

    assert desk.step().state is StepState.DONE
    assert desk.step().reference == str(build.id)
    assert len(github.builds) == 1


def test_build_that_answers_before_its_start_is_answered_is_heard(
    desk: Desk, github: GitHub, destination_id: uuid.UUID, wire: Wire
) -> None:
    """The build is quicker than the answer to our own request for it."""
    inner = wire.elsewhere["api.github.com"]

    def quick(request: Request) -> Answer:
        answer = inner(request)
        if request.url.endswith("/dispatches"):
            assert github.builds[-1].answer() == 204
            return SendError("cut", sent=True)
        return answer

    wire.elsewhere["api.github.com"] = quick
    deliver(desk, destination_id, wait="15m")

    assert desk.step().state is StepState.DONE
    assert desk.runs()[0].state is RunState.SUCCEEDED
    assert len(github.builds) == 1


def test_key_is_nowhere_but_with_the_delivery(desk: Desk, build: Build) -> None:
    """T17: sent only with that delivery, stored hashed."""
    key = build.run.countersign.answer_key
    [attempt], step = desk.attempts(), desk.step()

    kept = [
        step.act,
        attempt.request_head,
        attempt.response_head,
        attempt.response_body,
    ]
    assert len(key) >= 22
    assert not any(key in str(text) for text in kept)
    assert attempt.answer_key_hash not in {None, key}
